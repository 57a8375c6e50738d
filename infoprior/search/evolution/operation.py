"""A copy of a network under surgery, and the moments of its optimiser beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from infoprior.search.evolution.errors import EvolutionError

Moments = Mapping[str, Mapping[str, Tensor]]
"""Parameter's name -> what AdamW remembers of it: "step" (shape ()), "exp_avg" and "exp_avg_sq" (of
the parameter's shape)."""


class Surgery(NamedTuple):
    """What an operation gives.

    Attributes:
        network: a new module; the one that was given is as it was.
        moments: of its parameters; newborn ones without a past have none.
        change: relative root mean square change of the outputs on the rows that were given, 0.0
            where outputs are preserved.
    """

    network: nn.Module
    moments: Moments
    change: float = 0.0


class Operation:
    """A deep copy of a network, whose tensors are replaced together with their moments.

    Args:
        network: is copied.
        moments: of its parameters; None: there are none.

    Attributes:
        network: the copy.

    Raises:
        EvolutionError: moments of other parameters, or a network that isn't on the CPU.
    """

    def __init__(self, network: nn.Module, moments: Moments | None) -> None:
        moments = moments or {}
        unknown = set(moments) - {name for name, _ in network.named_parameters()}
        if unknown:
            raise EvolutionError(
                f"moments has {sorted(unknown)[:3]}, which the network has no parameters of; give "
                "what read_moments returns for this network."
            )
        devices = {str(parameter.device) for parameter in network.parameters()}
        if devices - {"cpu"}:
            raise EvolutionError(
                f"The network is on {', '.join(sorted(devices))}; surgery is done on the CPU: give "
                "network.cpu()."
            )
        self.network = copy.deepcopy(network)
        parameters = dict(self.network.named_parameters())
        self._moments = {parameters[name]: dict(state) for name, state in moments.items()}

    def replace(
        self,
        module: nn.Module,
        name: str,
        change: Callable[[Tensor], Tensor],
        moment: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        """Put a changed tensor in the place of a parameter or buffer.

        Args:
            module: owns it.
            name: of the parameter or buffer; nothing is done where it is None.
            change: gives the new values of the old.
            moment: (moment, 1 or 2) -> the new moment of that order; None: `change` of it.
        """
        old = getattr(module, name, None)
        if old is None:
            return
        with torch.no_grad():
            new = change(old.detach()).contiguous()
            if not isinstance(old, nn.Parameter):
                setattr(module, name, new)
                return
            parameter = nn.Parameter(new, requires_grad=old.requires_grad)
            if old.grad is not None:
                grad = old.grad.detach()
                parameter.grad = moment(grad, 1) if moment else change(grad)
            setattr(module, name, parameter)
            state = self._moments.pop(old, None)
            if state is None:
                return
            self._moments[parameter] = {
                key: value
                if value.shape != old.shape or value.ndim == 0
                else (moment(value, 2 if "sq" in key else 1) if moment else change(value))
                for key, value in state.items()
            }

    def done(self, change: float = 0.0) -> Surgery:
        """The network and its moments, by the names that parameters have now."""
        named = {
            name: self._moments[parameter]
            for name, parameter in self.network.named_parameters()
            if parameter in self._moments
        }
        return Surgery(self.network, named, change)


def read_moments(network: nn.Module, optimizer: torch.optim.Optimizer) -> Moments:
    """What an optimiser remembers of a network's parameters, by their names.

    Args:
        network: whose parameters it trains.
        optimizer: AdamW, or another one whose state is tensors.

    Returns:
        copies of its tensors.
    """
    return {
        name: {
            key: value.detach().clone()
            for key, value in optimizer.state[parameter].items()
            if isinstance(value, Tensor)
        }
        for name, parameter in network.named_parameters()
        if optimizer.state.get(parameter)
    }


def make_adamw(
    network: nn.Module,
    moments: Moments | None = None,
    *,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
) -> torch.optim.AdamW:
    """AdamW over a network's parameters that remembers what it is given.

    Args:
        network: what it trains.
        moments: as `read_moments` and surgery give them; parameters without any start anew.
        learning_rate: of AdamW.
        weight_decay: of AdamW, decoupled.

    Raises:
        EvolutionError: moments of another shape than the parameter's.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    state = optimizer.state_dict()
    for i, (name, parameter) in enumerate(network.named_parameters()):
        own = (moments or {}).get(name)
        if not own:
            continue
        for key, value in own.items():
            if value.ndim and value.shape != parameter.shape:
                raise EvolutionError(
                    f"moments[{name!r}][{key!r}] has shape {tuple(value.shape)}, the parameter "
                    f"{tuple(parameter.shape)}; give what read_moments returns for this network."
                )
        state["state"][i] = {key: value.clone() for key, value in own.items()}
    optimizer.load_state_dict(state)
    return optimizer
