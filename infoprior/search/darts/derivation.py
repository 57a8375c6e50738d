"""From alpha to one architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from infoprior._ambient import default_settings
from infoprior.spaces._cells import NONE, SKIP, Cell, CellSpace, edge_name

TRAINING = {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 64}
"""Of a point as it is derived: the defaults of the space "thesis"."""


def shares(alpha: np.ndarray) -> np.ndarray:
    """Softmax over operations, shape (n_edges, n_operations), float64."""
    exp = np.exp(alpha.astype(np.float64) - alpha.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


@default_settings()
def derive(space: CellSpace, alpha: np.ndarray, edges_kept: int = 2) -> dict[str, Any]:
    """The architecture that alpha prefers (Liu et al., section 2.4).

    Every node keeps its strongest incoming edges, each with the operation of the largest share; the
    others carry none. An edge is as strong as that share. The operation "none" takes part in the
    softmax and in neither choice: what it does is scale a node, which the next weights undo, so
    its share says nothing.

    Args:
        space: whose point is derived.
        alpha: shape (n_edges, n_operations).
        edges_kept: of each node, at most.

    Returns:
        a point of the space, with the training settings `TRAINING`.
    """
    names = list(space.cell.operations)
    strength = shares(alpha)
    if NONE in names:
        strength[:, names.index(NONE)] = -1.0
    chosen, best = strength.argmax(axis=1), strength.max(axis=1)
    params: dict[str, Any] = {}
    for node in range(1, space.cell.nodes):
        incoming = [k for k, (_, target) in enumerate(space.cell.edges) if target == node]
        kept = sorted(incoming, key=lambda k: -best[k])[:edges_kept]
        for k in incoming:
            left_out = k not in kept and NONE in names
            params[edge_name(space.cell.edges[k])] = NONE if left_out else names[chosen[k]]
    return space.validate({**params, **TRAINING})


@default_settings()
def skip_collapse(cell: Cell, alpha: np.ndarray) -> dict[str, float]:
    """How far a search has gone over to skip connections, the known failure of DARTS.

    Args:
        cell: that alpha is of.
        alpha: shape (n_edges, n_operations).

    Returns:
        skip_share, the mean share of the operation "skip"; skip_edges, the edges on which no other
        but "none" has a larger one; share_entropy, in nats, the mean over edges. The first two are
        0 for cells without such an operation.
    """
    names, share = list(cell.operations), shares(alpha)
    entropy = float(-(share * np.log(np.maximum(share, 1e-300))).sum(axis=1).mean())
    if SKIP not in names:
        return {"skip_share": 0.0, "skip_edges": 0, "share_entropy": entropy}
    skip = share[:, names.index(SKIP)]
    others = [k for k, name in enumerate(names) if name not in (NONE, SKIP)]
    ahead = np.ones(len(skip), bool) if not others else skip >= share[:, others].max(axis=1)
    return {
        "skip_share": float(skip.mean()),
        "skip_edges": int(ahead.sum()),
        "share_entropy": entropy,
    }
