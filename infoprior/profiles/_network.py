"""One network, read layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from infoprior.information import (
    Estimate,
    MineSettings,
    choose_rows,
    entropy,
    mine,
    mine_labels,
)
from infoprior.profiles._schema import NON_FINITE, PROFILE_FLAGS, ProfileError, validate_profile
from infoprior.training import use_threads

if TYPE_CHECKING:
    from infoprior.tasks import Task


class Readable(Protocol):
    """What a network must offer: the networks that search spaces build do."""

    layer_names: tuple[str, ...]

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Hidden layer -> T, shape (n, width), in evaluation mode, for x of shape (n, d)."""
        ...


def profile_network(
    network: Readable,
    task: Task,
    *,
    seed: int = 0,
    settings: MineSettings | None = None,
    architecture: str = "",
    epoch: int = 0,
    threads: int = 1,
) -> pd.DataFrame:
    """I(X; T) and I(T; Y) in nats of every hidden layer T of a network, beside H(Y).

    Rows are the task's training and validation rows, at most `settings.max_rows` of them drawn by
    the seed; test rows are never looked at. The critics of all layers train together: one stack
    for I(X; T) (`mine`), one for I(T; Y) with the label enumerated (`mine_labels`).

    What the numbers mean, and what they do not:

    - Networks here are deterministic when read, so the true I(X; T) is infinite (X continuous) or
      H(X) (X discrete) wherever T does not throw rows together (Goldfeld et al. 2019, "Estimating
      Information Flow in Deep Neural Networks"; Saxe et al. 2018). `mi_xt` is therefore not that
      number: it is what a small critic finds of the dependence in n rows, it grows with n and the
      critic's size, and compares only between profiles made with the same settings and n.
    - I(T; Y) is finite, at most H(Y). Its estimate is a lower bound up to noise, and falls short
      where T is wide and n small. The network was trained on most of these rows: `mi_ty` is of the
      rows it learned from, above what new rows would give where it overfits.
    - Every layer gets the same rows, batches and initial draws, so differences between layers are
      less noisy than the values.

    Args:
        network: has `layer_names` and `activations`; left as it was.
        task: X float32 (n, d), y int64 (n,), row numbers of its parts.
        seed: draws rows and everything the critics draw.
        settings: of the critics.
        architecture: goes into the column of that name; so does `epoch`.
        threads: PyTorch's threads meanwhile; results are the same only for the same number.

    Returns:
        one row per layer, in order, columns and dtypes of `PROFILE_COLUMNS`. A layer that does
        not vary carries 0 nats and the flag `constant`; one whose activations are not finite (its
        network diverged) the same, and the flag `non_finite`.

    Raises:
        ProfileError: the network has no hidden layers, or a layer has not one row per input.
        InformationError: fewer than 50 rows, or inputs that are not finite.
    """
    settings = settings or MineSettings()
    known = np.concatenate([task.train, task.validation])
    rows = known[choose_rows(len(known), settings.max_rows, seed)]
    x, y = task.X[rows], task.y[rows]
    with use_threads(threads):
        layers = _read(network, x)
        names = [name for name, t in layers.items() if np.isfinite(t).all()]
        read = [layers[name] for name in names]
        xt = dict(zip(names, mine([x] * len(read), read, seed=seed, settings=settings),
                      strict=True))  # fmt: skip
        ty = dict(zip(names, mine_labels(read, y, seed=seed, settings=settings), strict=True))
    h_y = entropy(y)
    table = [
        {
            "task": task.name,
            "architecture": architecture,
            "seed": seed,
            "epoch": epoch,
            "layer": name,
            "layer_index": index,
            "estimator": "mine",
            "width": t.shape[1],
            "n": len(rows),
            **_values(xt.get(name), ty.get(name), h_y),
        }
        for index, (name, t) in enumerate(layers.items())
    ]
    return validate_profile(pd.DataFrame(table))


def _read(network: Readable, x: np.ndarray) -> dict[str, np.ndarray]:
    """Layer -> activations, shape (n, width), in the network's order."""
    read = network.activations(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)))
    names = tuple(network.layer_names)
    if not names:
        raise ProfileError("The network has no hidden layers (layer_names is empty) to profile.")
    layers = {}
    for name in names:
        if name not in read:
            raise ProfileError(f"The network names a layer {name!r}, but gives no activations.")
        t = read[name].detach().cpu().numpy()
        if t.ndim != 2 or len(t) != len(x):
            raise ProfileError(
                f"The activations of {name!r} have shape {t.shape}; (n, width) = ({len(x)}, ...) "
                "is needed: flatten them."
            )
        layers[name] = t
    return layers


def _values(xt: Estimate | None, ty: Estimate | None, h_y: float) -> dict[str, Any]:
    """The estimates' columns; None stands for a layer whose activations are not finite."""
    raised: set[str] = set()
    for estimate in (xt, ty):
        raised |= set(estimate.flags) if estimate else {"constant", NON_FINITE}
    return {
        "mi_xt": xt.nats if xt else 0.0,
        "mi_ty": ty.nats if ty else 0.0,
        "h_y": h_y,
        "mi_xt_train": xt.train if xt else 0.0,
        "mi_xt_validation": xt.validation if xt else 0.0,
        "mi_ty_train": ty.train if ty else 0.0,
        "mi_ty_validation": ty.validation if ty else 0.0,
        "step_xt": xt.step if xt else 0,
        "step_ty": ty.step if ty else 0,
        "flags": ",".join(flag for flag in PROFILE_FLAGS if flag in raised),
    }
