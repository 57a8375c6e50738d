"""One network on one task: AdamW, seeded, one row of the learning curve per epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infoprior.training._parts import Parts
from infoprior.training._rows import RUNGS
from infoprior.training._single import compilable, train_single
from infoprior.training._threads import use_threads

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task


@dataclass
class Training:
    """A trained network and what it did on the way.

    Attributes:
        network: an `MLP` in evaluation mode, on the CPU; None where it was not kept.
        curve: one dict per recorded epoch with the keys of `CURVE_COLUMNS`; losses are
            cross-entropies in nats per row. Where those of training or validation are not finite
            the network has diverged: `diverged` is True, the losses are NaN and the accuracies are
            those of the commonest training class.
        diverged: whether that happened.
        snapshots: epoch -> a copy of the network as it was after that epoch.
    """

    network: Any
    curve: list[dict[str, Any]]
    diverged: bool
    snapshots: dict[int, Any] = field(default_factory=dict)


def train(
    task: Task,
    params: Mapping[str, Any],
    *,
    space: SearchSpace,
    seed: int = 0,
    epochs: int = RUNGS[-1],
    report: Callable[[int, dict[str, Any]], None] | None = None,
    threads: int = 1,
) -> Training:
    """Train the network at a point of a space on a task.

    AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) on the
    cross-entropy, with the point's learning rate, weight decay and batch size; no schedule, so that
    a curve's first epochs are those of a shorter run. For many networks, see `train_many`.

    Args:
        task: what to learn.
        params: a point of `space`.
        space: builds the network.
        seed: draws weights, dropout masks and the order of rows.
        epochs: passes over the training rows.
        report: called after each epoch with its number and row; what it raises
            (`optuna.TrialPruned`, say) ends the training. The last call is that of the epoch at
            which the network diverged for good, if it does.
        threads: of PyTorch and of matrix products meanwhile; results are the same only for the
            same number.

    Raises:
        SpaceError: the point does not fit the space.
        ValueError: `epochs` is less than one.
    """
    if epochs < 1:
        raise ValueError(f"epochs = {epochs}: at least one epoch is needed.")
    network = space.build(params, task.shape, task.n_classes, seed=seed)
    with use_threads(threads):
        curve = train_single(
            network,
            Parts(task),
            space.settings(params),
            seed=seed,
            epochs=epochs,
            record=range(1, epochs + 1),
            compiled=compilable(network),
            report=report,
        )
    return Training(network, curve, any(row["diverged"] for row in curve))
