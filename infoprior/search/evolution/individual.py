"""A network that evolves: its weights, its optimiser's moments, and how it came about.

The operations that made its structure are kept, so that a file needs to hold numbers and texts
only: the structure is made again from the first network, and the tensors are read into it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infoprior.files import write_atomically
from infoprior.search.evolution.deepening import deepen
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend, advance_blends
from infoprior.search.evolution.mutations import change
from infoprior.search.evolution.operation import Moments, Surgery
from infoprior.search.evolution.pruning import prune
from infoprior.search.evolution.strides import fold_strides
from infoprior.search.evolution.widening import widen

Operation = dict[str, Any]
_FORMAT = "infoprior.evolution/2"


@dataclass
class Individual:
    """A network in evolution.

    Attributes:
        network: the module.
        moments: of its optimiser.
        operations: that made its structure of the first network's, in order.
    """

    network: nn.Module
    moments: Moments = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()

    def operated(self, operation: Operation, x: Tensor) -> tuple[Individual, Operation]:
        """A new one after an operation, and the operation as it can be repeated.

        Args:
            operation: "kind", "layer", and what its kind needs.
            x: rows for pruning and mutations, shape (n, ...).
        """
        surgery, repeatable = apply(self.network, operation, x, self.moments)
        return (
            Individual(surgery.network, surgery.moments, (*self.operations, repeatable)),
            repeatable,
        )

    @property
    def blends(self) -> bool:
        """Whether a module is being blended in."""
        return any(isinstance(module, Blend) for module in self.network.modules())

    def advance(self, step: float) -> None:
        """Raise what is blended in, in place."""
        if self.blends:
            before = {parameter: name for name, parameter in self.network.named_parameters()}
            advance_blends(self.network, step)
            fold_strides(self.network)
            self.operations = (*self.operations, {"kind": "advance", "step": step})
            self.moments = {
                name: self.moments[before[parameter]]
                for name, parameter in self.network.named_parameters()
                if before[parameter] in self.moments
            }


def apply(
    network: nn.Module, operation: Operation, x: Tensor, moments: Moments | None
) -> tuple[Surgery, Operation]:
    """An operation on a network, and the operation with everything that was drawn or chosen."""
    kind, layer = operation["kind"], operation.get("layer", "")
    if kind == "widen":
        seed, width = operation["seed"], operation["width"]
        return widen(network, layer, width, seed=seed, moments=moments), operation
    if kind == "prune":
        keep = operation.get("keep")
        chosen = None if keep is None else torch.tensor(keep)
        surgery = prune(network, layer, operation["width"], x, moments=moments, keep=chosen)
        return surgery, operation
    if kind == "deepen":
        return deepen(network, layer, seed=operation["seed"], moments=moments), operation
    surgery = change(network, layer, operation["attribute"], operation["value"], x, moments)
    return surgery, operation


def rebuild(first: nn.Module, operations: tuple[Operation, ...], x: Tensor) -> nn.Module:
    """The structure that operations make of a network; its tensors are of no use yet.

    Args:
        first: left as it is.
        operations: as an `Individual` keeps them.
        x: a few rows, shape (n, ...).
    """
    import copy

    network = copy.deepcopy(first)
    for operation in operations:
        if operation["kind"] == "advance":
            advance_blends(network, operation["step"])
            fold_strides(network)
            continue
        if operation["kind"] == "prune":  # any units: their tensors are read afterwards
            operation = {**operation, "keep": list(range(operation["width"]))}
        network = apply(network, operation, x, None)[0].network
    return network


def fingerprint(network: nn.Module) -> str:
    """SHA-256 (hex) over names and values of a network's tensors."""
    sha = hashlib.sha256()
    for name, value in network.state_dict().items():
        sha.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def save_state(
    path: Path, individuals: Mapping[str, Individual | None], state: Mapping[str, Any]
) -> None:
    """One safetensors file, atomically: the tensors of all, and the rest as JSON in its header.

    Args:
        path: of the file.
        individuals: by name.
        state: what JSON can hold.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    operations: dict[str, Any] = {}
    for name, individual in individuals.items():
        if individual is None:
            continue
        operations[name] = list(individual.operations)
        for key, value in individual.network.state_dict().items():
            tensors[f"{name}/value/{key}"] = value.detach().clone().contiguous()
        for key, moments in individual.moments.items():
            for moment, value in moments.items():
                tensors[f"{name}/moment/{moment}/{key}"] = value.detach().clone().contiguous()
    text = json.dumps({"format": _FORMAT, "operations": operations, **state})
    write_atomically(path, save(tensors, metadata={"state": text}))


def load_state(
    path: Path, first: nn.Module, x: Tensor
) -> tuple[dict[str, Individual], dict[str, Any]]:
    """What `save_state` wrote.

    Args:
        path: of the file.
        first: the network that the evolution began with.
        x: a few rows, shape (n, ...).

    Raises:
        EvolutionError: it holds no such state.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            if state.get("format") != _FORMAT:
                raise EvolutionError(f"{path}: not a state of an evolution; name another folder.")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, EvolutionError):
            raise
        raise EvolutionError(f"{path}: not a readable state, remove it ({error}).") from None
    individuals = {}
    for name, operations in state.pop("operations").items():
        network = rebuild(first, tuple(operations), x)
        prefix = f"{name}/value/"
        network.load_state_dict(
            {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        )
        moments: dict[str, dict[str, Tensor]] = {}
        prefix = f"{name}/moment/"
        for key, value in tensors.items():
            if key.startswith(prefix):
                moment, _, parameter = key[len(prefix) :].partition("/")
                moments.setdefault(parameter, {})[moment] = value
        individuals[name] = Individual(network, moments, tuple(operations))
    return individuals, state
