"""What a training begins with: checked arguments, settings, and the network at a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import scipy.linalg  # noqa: F401  (the BLAS of compiled code: there before its threads are limited)
import torch
from torch import nn

from infoprior._arguments import instance_of, is_real, real_number, whole_number
from infoprior.spaces import SearchSpace
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP
from infoprior.spaces._space import INPUTS
from infoprior.tasks import Task
from infoprior.training._data import TaskTensors
from infoprior.training._engines.settings import SCHEDULES, TrainingSettings
from infoprior.training._errors import TrainingError
from infoprior.training._loop import learned_part

if TYPE_CHECKING:
    from torch import Tensor

Point = Mapping[str, Any]
"""Of a search space: parameter -> value."""


def check_task_and_space(task: Task, space: SearchSpace) -> None:
    """Refuse what is not a task, or not a space.

    Raises:
        TrainingError: `task` or `space` is of another type.
    """
    instance_of(
        task, Task, "task", "give a Task, as read_table and load_task return it", TrainingError
    )
    instance_of(
        space, SearchSpace, "space", "give a SearchSpace, as get_space('mlp') returns it",
        TrainingError,
    )  # fmt: skip


def check_schedule_epochs(schedule_epochs: int | None, epochs: int) -> int:
    """The epochs that schedules run over.

    Raises:
        TrainingError: it is no whole number, or less than `epochs`.
    """
    if schedule_epochs is None:
        return epochs
    return whole_number(schedule_epochs, "schedule_epochs", epochs, TrainingError)


def training_settings(space: SearchSpace, params: Point) -> TrainingSettings:
    """The settings of a training at a point, the space's defaults included.

    Args:
        space: what the point is of.
        params: the point.

    Raises:
        SpaceError: the point does not fit the space.
        TrainingError: a setting is missing, or no number that a training can have.
    """
    settings = space.settings(space.validate(params))
    for name, least, whole in (
        ("learning_rate", 0.0, False), ("weight_decay", 0.0, False), ("batch_size", 1, True),
    ):  # fmt: skip
        if name not in settings:
            raise TrainingError(
                f"The space {space.name!r} says nothing of {name}; make it one of its parameters, "
                "or one of its defaults."
            )
        value = settings[name]
        valid = is_real(value) and least <= value < float("inf")
        if not valid or (whole and value != int(value)):
            raise TrainingError(
                f"{name} is {value!r} in the space {space.name!r}; give a "
                f"{'whole ' if whole else ''}number from {least:g} on."
            )
    entropy_weight = real_number(
        settings.get("entropy_weight", 0.0),
        f"entropy_weight of the space {space.name!r}",
        error=TrainingError,
    )
    smoothing = settings.get("label_smoothing", 0.0)
    if not is_real(smoothing) or not 0.0 <= smoothing < 1.0:
        raise TrainingError(
            f"label_smoothing is {smoothing!r} in the space {space.name!r}; give a number from 0 "
            "on, below 1."
        )
    schedule = settings.get("schedule", SCHEDULES[0])
    if schedule not in SCHEDULES:
        raise TrainingError(
            f"schedule is {schedule!r} in the space {space.name!r}; choose one of "
            f"{', '.join(SCHEDULES)}."
        )
    return TrainingSettings(
        settings["learning_rate"],
        settings["weight_decay"],
        int(settings["batch_size"]),
        entropy_weight,
        float(smoothing),
        schedule,
    )


class NetworkBuilder:
    """Builds networks of a space for a task; encoders of inputs are fitted once each.

    Args:
        space: builds them.
        task: its training rows are what encoders are fitted on.
        data: its rows, on the device where networks are trained.
    """

    def __init__(self, space: SearchSpace, task: Task, data: TaskTensors) -> None:
        self.space, self.task, self.x = space, task, data.x
        self._encoders: dict[Any, nn.Module] = {}

    def __call__(self, params: Point, seed: int) -> nn.Module:
        """The network at a point, see `build_network`."""
        return build_network(
            self.space, params, self.task, seed, self.x, inputs=self._inputs(params)
        )

    def _inputs(self, params: Point) -> nn.Module | None:
        if not self.space.encodes_inputs:
            return None
        encoding = params[INPUTS]
        if encoding not in self._encoders:
            rows = self.task.split("train")[0]
            self._encoders[encoding] = self.space.fit_inputs(params, rows)
        return self._encoders[encoding]


def build_network(
    space: SearchSpace, params: Point, task: Task, seed: int, x: Tensor, inputs: Any = None
) -> nn.Module:
    """The network at a point, on the device of `x`, ready to be trained.

    Args:
        space: builds it.
        params: the point.
        task: gives the shape of a row and the number of classes.
        seed: draws weights and dropout masks.
        x: rows as the network will see them, shape (n, ...), float32.
        inputs: the fitted encoder of a space whose networks begin with one.

    Raises:
        SpaceError: the point does not fit the space, or its networks not the task.
        TrainingError: the space's builder gives something that cannot be trained.
    """
    network = space.build(params, task.shape, task.n_classes, seed=seed, inputs=inputs)
    own = type(learned_part(network)) in (MLP, CNN)
    if not own:
        _check_network(network, space.name)
    network = network.to(x.device)
    if not own:
        _check_logits(network, space.name, x[:2], task.n_classes)
    return network


def _check_network(network: object, name: str) -> None:
    """Refuse what is not a module of float32 parameters."""
    if not isinstance(network, nn.Module):
        raise TrainingError(
            f"The builder of the space {name!r} gives {type(network).__name__}, no torch.nn.Module."
        )
    kinds = {"no values" if p.is_meta else str(p.dtype) for p in network.parameters()}
    if kinds != {"torch.float32"}:
        held = f"parameters of {', '.join(sorted(kinds))}" if kinds else "no parameters"
        raise TrainingError(
            f"The builder of the space {name!r} gives a network with {held}; networks are trained "
            "with parameters of torch.float32."
        )


def _check_logits(network: nn.Module, name: str, x: Tensor, n_classes: int) -> None:
    """A builder's own networks are tried on two rows, so that what does not fit is said at once."""
    with torch.no_grad():
        try:
            logits = network.eval()(x)
        except RuntimeError as error:
            raise TrainingError(
                f"The network of the space {name!r} does not take inputs of shape "
                f"{tuple(x.shape)}: {error}"
            ) from error
        finally:
            network.train()
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != (len(x), n_classes):
        raise TrainingError(
            f"The network of the space {name!r} gives {shape} for inputs of shape "
            f"{tuple(x.shape)}; logits of shape {(len(x), n_classes)} are needed."
        )
