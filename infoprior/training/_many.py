"""`train_many`: many networks on one task at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

from torch import nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, epochs_within, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.spaces._mlp import MLP
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
from infoprior.training._stacked_loop import can_stack, train_stacked
from infoprior.training._train import TrainedNetwork

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

ENGINES = ("auto", "compiled", "stacked", "autograd")


@default_settings()
def train_many(
    task: Task,
    networks: Sequence[tuple[Point, int]],
    *,
    space: SearchSpace,
    epochs: int = RUNGS[-1],
    schedule_epochs: int | None = None,
    record: Collection[int] | None = None,
    snapshots: Collection[int] = (),
    threads: int = 1,
    device: str = "cpu",
    keep: bool = False,
    engine: str = "auto",
    progress: bool = True,
) -> list[TrainedNetwork]:
    """Train networks of a space on a task, each as `train` would alone, up to floating-point error.

    The same initial weights, order of rows and dropout masks; sums may be taken in another order.
    Floating-point error grows along a training, the faster the higher the learning rate.

    Args:
        task: what to learn.
        networks: (point of the space, seed) of each; they may differ in everything.
        space: builds the networks.
        epochs: passes over the training rows.
        schedule_epochs: that the points' schedules run over, at least `epochs`; None: `epochs`.
        record: epochs at which networks are evaluated; None: every one. Fewer cost less.
        snapshots: epochs after which a copy of every network is kept.
        threads: of PyTorch and of matrix products during the call.
        device: where to compute, "cpu" or "cuda"; what is returned is on the CPU.
        keep: whether to return the trained networks too.
        engine: "compiled" trains one network after the other in compiled code, on the CPU;
            "stacked" computes all networks of a batch size as one stack, which is for GPUs;
            "autograd" is PyTorch's way. "auto" takes the first of the three that applies, stacks
            not on the CPU. Networks other than multilayer perceptrons, and those with an
            `entropy_weight` (see `train`), are trained by autograd; instead of in stacks also those
            with a schedule, smoothed labels, or an encoder or a learned scale of their inputs.
        progress: show on the terminal how far it is, if it takes more than two seconds.

    Returns:
        one `TrainedNetwork` per network, in the order given; its curve holds the recorded epochs.

    Raises:
        SpaceError: a point does not fit the space.
        TrainingError: (a ValueError) an epoch outside 1..epochs, an unknown engine, a device that
            is not there, or what `train` refuses.
    """
    check_task_and_space(task, space)
    epochs = whole_number(epochs, "epochs", 1, TrainingError)
    schedule_epochs = check_schedule_epochs(schedule_epochs, epochs)
    threads = whole_number(threads, "threads", 1, TrainingError)
    device = _device(device)
    recorded, copied = _check(epochs, record, snapshots, device, engine)
    points, seeds = _pairs(networks)
    if engine == "auto":
        engine = "compiled" if device.startswith("cpu") else "stacked"
    # Every point is checked before the first network is trained.
    settings = [training_settings(space, params) for params in points]
    description = f"training {len(points)} networks"
    with (
        use_threads(threads),
        progress_line(description, epochs * len(points), show=progress) as stage,
    ):
        data = TaskTensors(task, device)
        builder = NetworkBuilder(space, task, data)

        def build(i: int) -> nn.Module:
            return builder(points[i], seeds[i])

        built = [build(i) for i in range(len(points))]
        copies: list[dict[int, nn.Module]] = [{} for _ in points]

        def snapshot(i: int, epoch: int) -> None:
            copy = build(i).cpu()
            copy.load_state_dict(built[i].state_dict())
            copies[i][epoch] = copy.eval()

        curves: list[list[CurveRow]] = [[] for _ in points]
        groups: dict[int, list[int]] = {}
        for i, network in enumerate(built):
            if engine == "stacked" and settings[i].stackable and can_stack(network):
                groups.setdefault(settings[i].batch_size, []).append(i)
                continue
            curves[i] = train_single(
                network, data, settings[i], seed=seeds[i], epochs=epochs, record=recorded,
                schedule_epochs=schedule_epochs,
                compiled=engine == "compiled" and settings[i].compilable
                and compilable(network, device),
                snapshots=copied, snapshot=lambda epoch, i=i: snapshot(i, epoch),  # type: ignore[misc]
                stage=stage,
            )  # fmt: skip
        for group in groups.values():
            group_curves = train_stacked(
                [cast(MLP, built[i]) for i in group], data, [settings[i] for i in group],
                seeds=[seeds[i] for i in group], epochs=epochs, record=recorded,
                snapshots=copied, snapshot=lambda j, epoch, group=group: snapshot(group[j], epoch),  # type: ignore[misc]
                stage=stage,
            )  # fmt: skip
            for i, curve in zip(group, group_curves, strict=True):
                curves[i] = curve
    return [
        TrainedNetwork(
            network.cpu() if keep else None, curve, any(row["diverged"] for row in curve), copied_
        )
        for network, curve, copied_ in zip(built, curves, copies, strict=True)
    ]


def _pairs(networks: Sequence[tuple[Point, int]]) -> tuple[list[Point], list[int]]:
    """Points and seeds; a `TrainingError` says what is not a pair of them."""
    try:
        pairs = [(point, seed) for point, seed in networks]
    except (TypeError, ValueError):
        raise TrainingError(
            "networks holds something else than pairs; give (point of the space, seed) of each."
        ) from None
    return [point for point, _ in pairs], [
        check_seed(seed, TrainingError, f"the seed of network {i}")
        for i, (_, seed) in enumerate(pairs)
    ]


def _device(device: str) -> str:
    """Where to compute; a `TrainingError` refuses what is neither a CPU nor a GPU that is there."""
    import torch

    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise TrainingError(f"device is {device!r}; give 'cpu' or 'cuda'.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise TrainingError(
            f"device = {str(device)!r}: PyTorch sees no {'such ' if chosen.index else ''}GPU here; "
            "take 'cpu'."
        )
    return str(chosen)


def _check(
    epochs: int,
    record: Collection[int] | None,
    snapshots: Collection[int],
    device: str,
    engine: str,
) -> tuple[list[int], list[int]]:
    """Recorded epochs and those of snapshots, in order; a `TrainingError` refuses others."""
    if engine not in ENGINES:
        raise TrainingError(f"There is no engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    if engine == "compiled" and not device.startswith("cpu"):
        raise TrainingError(f"engine = 'compiled' computes on the CPU, not on {device!r}.")
    recorded = epochs_within(
        range(1, epochs + 1) if record is None else record, "record", epochs, TrainingError
    )
    if not recorded:
        raise TrainingError("record holds no epoch: name at least one, or None for all of them.")
    return recorded, epochs_within(snapshots, "snapshots", epochs, TrainingError)
