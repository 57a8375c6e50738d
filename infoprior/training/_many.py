"""Many networks on one task at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infoprior.training._parts import Parts
from infoprior.training._single import train_single
from infoprior.training._threads import use_threads
from infoprior.training._train import RUNGS, Training

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

ENGINES = ("auto", "stacked", "single")


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

    Args:
        task: what to learn.
        networks: (point of the space, seed) of each; they may differ in everything.
        space: builds the networks.
        epochs: passes over the training rows.
        record: epochs at which networks are evaluated; None: every one. Fewer cost less.
        snapshots: epochs after which a copy of every network is kept.
        threads: PyTorch's threads meanwhile.
        device: where to compute, "cpu" or "cuda"; what is returned is on the CPU.
        keep: whether to return the trained networks too.
        engine: "stacked" computes networks of like shape as one stack, "single" one after the
            other, "auto" whichever is faster for the networks at hand.

    Returns:
        one `Training` a network, in the order given, its curve holding the recorded epochs.

    Raises:
        SpaceError: a point does not fit the space.
        ValueError: an epoch outside 1..epochs, an unknown engine, or a device that is not there.
    """
    recorded, kept = _check(epochs, record, snapshots, device, engine)
    for params, _ in networks:
        space.validate(params)
    found: list[Training] = []
    with use_threads(threads):
        parts = Parts(task, device)
        for params, seed in networks:
            network = space.build(params, task.shape, task.n_classes, seed=seed).to(device)
            copies: dict[int, Any] = {}

            def snapshot(epoch: int, network=network, params=params, seed=seed, copies=copies):  # type: ignore[no-untyped-def]
                if epoch in kept:
                    copy = space.build(params, task.shape, task.n_classes, seed=seed)
                    copy.load_state_dict(network.state_dict())
                    copies[epoch] = copy.eval()

            curve = train_single(
                network, parts, space.settings(params), seed=seed, epochs=epochs,
                record=recorded, snapshot=snapshot if kept else None,
            )  # fmt: skip
            diverged = any(row["diverged"] for row in curve)
            found.append(Training(network.cpu() if keep else None, curve, diverged, copies))
    return found


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
    recorded = sorted(set(range(1, epochs + 1) if record is None else record))
    return recorded, sorted(set(snapshots))
