"""Many networks on one task at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infoprior.spaces._mlp import MLP
from infoprior.training._parts import Parts
from infoprior.training._rows import RUNGS
from infoprior.training._single import compilable, train_single
from infoprior.training._stacked import train_stacked
from infoprior.training._threads import use_threads
from infoprior.training._train import Training

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

ENGINES = ("auto", "compiled", "stacked", "autograd")


def train_many(
    task: Task,
    networks: Sequence[tuple[Mapping[str, Any], int]],
    *,
    space: SearchSpace,
    epochs: int = RUNGS[-1],
    record: Collection[int] | None = None,
    snapshots: Collection[int] = (),
    threads: int = 1,
    device: str = "cpu",
    keep: bool = False,
    engine: str = "auto",
) -> list[Training]:
    """Train networks of a space on a task, each as `train` would by itself, up to float error.

    The same initial weights, order of rows and dropout masks; sums may be taken in another order.
    Float error grows along a training, the faster the higher the learning rate.

    Args:
        task: what to learn.
        networks: (point of the space, seed) of each; they may differ in everything.
        space: builds the networks.
        epochs: passes over the training rows.
        record: epochs at which networks are evaluated; None: every one. Fewer cost less.
        snapshots: epochs after which a copy of every network is kept.
        threads: of PyTorch and of matrix products meanwhile.
        device: where to compute, "cpu" or "cuda"; what is returned is on the CPU.
        keep: whether to return the trained networks too.
        engine: "compiled" trains one network after the other in compiled code, on the CPU;
            "stacked" computes all networks of a batch size as one stack, which is for GPUs;
            "autograd" is PyTorch's way. "auto" takes the first of the three that there is, stacks
            not on the CPU. Other networks than multilayer perceptrons are trained by autograd.

    Returns:
        one `Training` a network, in the order given, its curve holding the recorded epochs.

    Raises:
        SpaceError: a point does not fit the space.
        ValueError: an epoch outside 1..epochs, an unknown engine, or a device that is not there.
    """
    recorded, copied = _check(epochs, record, snapshots, device, engine)
    if engine == "auto":
        engine = "compiled" if device.startswith("cpu") else "stacked"
    settings = [space.settings(params) for params, _ in networks]
    seeds = [seed for _, seed in networks]
    # Every point is checked before the first network is trained.
    for params, _ in networks:
        space.validate(params)

    def build(i: int) -> Any:
        params, seed = networks[i]
        return space.build(params, task.shape, task.n_classes, seed=seed)

    with use_threads(threads):
        parts = Parts(task, device)
        built = [build(i).to(device) for i in range(len(networks))]
        copies: list[dict[int, Any]] = [{} for _ in networks]

        def snapshot(i: int, epoch: int) -> None:
            copy = build(i)
            copy.load_state_dict(built[i].state_dict())
            copies[i][epoch] = copy.eval()

        curves: list[list[dict[str, Any]]] = [[] for _ in networks]
        groups: dict[int, list[int]] = {}
        for i, network in enumerate(built):
            if type(network) is MLP and engine == "stacked":
                groups.setdefault(settings[i]["batch_size"], []).append(i)
                continue
            curves[i] = train_single(
                network, parts, settings[i], seed=seeds[i], epochs=epochs, record=recorded,
                compiled=engine == "compiled" and compilable(network, device),
                snapshots=copied, snapshot=lambda epoch, i=i: snapshot(i, epoch),  # type: ignore[misc]
            )  # fmt: skip
        for group in groups.values():
            found = train_stacked(
                [built[i] for i in group], parts, [settings[i] for i in group],
                seeds=[seeds[i] for i in group], epochs=epochs, record=recorded,
                snapshots=copied, snapshot=lambda j, epoch, group=group: snapshot(group[j], epoch),  # type: ignore[misc]
            )  # fmt: skip
            for i, curve in zip(group, found, strict=True):
                curves[i] = curve
    return [
        Training(
            network.cpu() if keep else None, curve, any(row["diverged"] for row in curve), copied_
        )
        for network, curve, copied_ in zip(built, curves, copies, strict=True)
    ]


def _check(
    epochs: int,
    record: Collection[int] | None,
    snapshots: Collection[int],
    device: str,
    engine: str,
) -> tuple[list[int], list[int]]:
    """Recorded epochs and those of snapshots, in order."""
    import torch

    if epochs < 1:
        raise ValueError(f"epochs = {epochs}: at least one epoch is needed.")
    if record is not None and not len(record):
        raise ValueError("record holds no epoch: name at least one, or None for all of them.")
    if engine not in ENGINES:
        raise ValueError(f"There is no engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    for name, chosen in (("record", record or ()), ("snapshots", snapshots)):
        outside = sorted(e for e in chosen if not 1 <= e <= epochs)
        if outside:
            raise ValueError(f"{name} names the epochs {outside}; they must lie in 1..{epochs}.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device = {device!r}: PyTorch sees no GPU here; take 'cpu'.")
    if engine == "compiled" and not device.startswith("cpu"):
        raise ValueError(f"engine = 'compiled' computes on the CPU, not on {device!r}.")
    recorded = sorted(set(range(1, epochs + 1) if record is None else record))
    return recorded, sorted(set(snapshots))
