"""`train`: one network on one task, by AdamW, with one row of the learning curve per epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.training._curves import RUNGS, CurveRow
from infoprior.training._data import TaskTensors
from infoprior.training._errors import TrainingError
from infoprior.training._loop import compilable, train_single
from infoprior.training._setup import (
    NetworkBuilder,
    Point,
    check_schedule_epochs,
    check_task_and_space,
    training_settings,
)

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task


@dataclass
class TrainedNetwork:
    """A trained network and its learning curve.

    Attributes:
        network: a module in evaluation mode, on the CPU; None where it was not kept.
        curve: one dict per recorded epoch with the keys of `CURVE_COLUMNS`; losses are mean
            cross-entropies in nats per row. Where that of training or validation is not finite, the
            network has diverged: `diverged` is True, the losses are NaN and the accuracies are
            those of the most frequent training class.
        diverged: whether the network has, at any recorded epoch.
        snapshots: epoch -> a copy of the network as it was after that epoch.
    """

    network: Any
    curve: list[CurveRow]
    diverged: bool
    snapshots: dict[int, Any] = field(default_factory=dict)


@default_settings()
def train(
    task: Task,
    params: Point,
    *,
    space: SearchSpace,
    seed: int = 0,
    epochs: int = RUNGS[-1],
    schedule_epochs: int | None = None,
    report: Callable[[int, CurveRow], None] | None = None,
    threads: int = 1,
    progress: bool = True,
) -> TrainedNetwork:
    """Train the network at a point of a space on a task.

    AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) on the
    cross-entropy, with the point's learning rate, weight decay and batch size. For many networks,
    see `train_many`.

    Two settings are used where the space has them. `schedule` says how the learning rate falls
    from epoch to epoch: "constant" (as without one, so that a curve's first epochs are those of a
    shorter run), "cosine" towards 0, or "flat-cosine", which begins to fall after half of the
    epochs. `label_smoothing` is the share of each label that all classes have alike. An encoder of
    inputs is fitted on the training rows before.

    The setting `entropy_weight` (0 unless the space has it: `space.with_defaults`, or a parameter
    of the space) adds that many times the entropy of the predicted classes, in bits, to the loss.
    Above 0 predictions are made sharper (Grandvalet & Bengio, "Semi-supervised Learning by Entropy
    Minimization", NIPS 2004), below 0 flatter (Pereyra et al., "Regularizing Neural Networks by
    Penalizing Confident Output Distributions", ICLR 2017 workshop). Such a training is autograd's:
    for multilayer perceptrons some four times as slow. Curves show the cross-entropy alone.

    Args:
        task: what to learn.
        params: a point of `space`.
        space: builds the network.
        seed: draws weights, dropout masks and the order of rows.
        epochs: passes over the training rows.
        schedule_epochs: that the point's schedule runs over, at least `epochs`: so many epochs of a
            longer training. None: `epochs`.
        report: called after each epoch with its number and row; what it raises
            (`optuna.TrialPruned`, say) ends the training. The last call is that of the epoch at
            which the network diverged for good, if it does.
        threads: of PyTorch and of matrix products during the call; results are the same only for
            the same number.
        progress: show the epochs on the terminal if the training takes more than two seconds.

    Returns:
        the network, and a row of its curve for every epoch.

    Raises:
        SpaceError: the point does not fit the space.
        TrainingError: (a ValueError) `task` or `space` is of another type, a seed or a number of
            epochs or threads is invalid, or the space's networks or settings cannot be trained.
    """
    check_task_and_space(task, space)
    epochs = whole_number(epochs, "epochs", 1, TrainingError)
    schedule_epochs = check_schedule_epochs(schedule_epochs, epochs)
    seed = check_seed(seed, TrainingError)
    threads = whole_number(threads, "threads", 1, TrainingError)
    if report is not None and not callable(report):
        raise TrainingError(f"report is {report!r}; give a function of an epoch and its row.")
    settings = training_settings(space, params)
    with use_threads(threads), progress_line("training", epochs, show=progress) as stage:
        data = TaskTensors(task)
        network = NetworkBuilder(space, task, data)(params, seed)
        curve = train_single(
            network,
            data,
            settings,
            seed=seed,
            epochs=epochs,
            schedule_epochs=schedule_epochs,
            record=range(1, epochs + 1),
            compiled=settings.compilable and compilable(network),
            report=report,
            stage=stage,
        )
    return TrainedNetwork(network, curve, any(row["diverged"] for row in curve))
