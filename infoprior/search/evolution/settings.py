"""What decides how a structure evolves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from infoprior._arguments import instance_of, real_number, whole_number
from infoprior.search.evolution.dynamics import ALPHA, BETA
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.importance import task_weight

MUTATIONS = ("activation", "normalization", "kernel", "stride")
"""What of a layer a mutation can change."""


@dataclass(frozen=True)
class EvolutionSettings:
    """Defaults are the document's where it has any.

    Attributes:
        alpha, beta: of the dynamics (section 3.1).
        tau_0, gamma, delta: of the threshold (section 3.2).
        task_type: a key of `PSI`.
        interval: epochs between two steps.
        shrink: share of a layer's units that pruning leaves at least, in one step.
        growth: factor of a layer's width in one step.
        saturated: share of a layer's units that are used, by their effective rank, from which it is
            expanded.
        kl_bound: nats; what a step may change the network's answers by (section 4.1, condition 3).
        margin: share of the validation loss by which it may rise over an interval before the step
            is undone.
        rest: steps for which what was undone isn't tried again.
        min_width, max_width, max_depth: bounds of the structure.
        max_kernel: the largest side of a kernel, in pixels.
        mutations: what mutations may change, of `MUTATIONS`.
        assessment_cost: epochs of training that an assessment is charged at; None: as measured, see
            `assessment_epochs`.
    """

    alpha: float = ALPHA
    beta: float = BETA
    tau_0: float = 0.5
    gamma: float = 0.05
    delta: float = 0.2
    task_type: str = "classification"
    interval: int = 3
    shrink: float = 0.5
    growth: float = 1.5
    saturated: float = 0.5
    kl_bound: float = 0.05
    margin: float = 0.02
    rest: int = 3
    min_width: int = 2
    max_width: int = 512
    max_depth: int = 8
    max_kernel: int = 7
    mutations: tuple[str, ...] = MUTATIONS
    assessment_cost: float | None = None

    def __post_init__(self) -> None:
        task_weight(self.task_type)
        for name in ("alpha", "beta", "tau_0", "gamma", "delta", "kl_bound", "margin"):
            real_number(getattr(self, name), name, 0.0, error=EvolutionError)
        real_number(self.shrink, "shrink", 0.0, 1.0, above=True, below=True, error=EvolutionError)
        real_number(self.saturated, "saturated", 0.0, 1.0, error=EvolutionError)
        real_number(self.growth, "growth", 1.0, above=True, error=EvolutionError)
        for name in ("interval", "min_width", "max_width", "max_depth", "max_kernel"):
            whole_number(getattr(self, name), name, 1, EvolutionError)
        whole_number(self.rest, "rest", 0, EvolutionError)
        if self.assessment_cost is not None:
            real_number(self.assessment_cost, "assessment_cost", 0.0, error=EvolutionError)
        if not isinstance(self.mutations, tuple) or not set(self.mutations) <= set(MUTATIONS):
            raise EvolutionError(
                f"mutations is {self.mutations!r}; give a tuple of some of {list(MUTATIONS)}."
            )


@dataclass(frozen=True)
class Memory:
    """An earlier task that is not to be forgotten: Memory(S_prev) of section 7.2.

    The document doesn't define it. Here it is KL(p_prev || p) on rows of the earlier task, p_prev
    the answers of the network as that task left it: what Li & Hoiem, "Learning without Forgetting",
    ECCV 2016, keep. It is added to the loss with the weight gamma, enters the dynamics, and its
    rows count when a step's change of answers is measured.

    Attributes:
        network: as the earlier task left it.
        x: rows of the earlier task, shape (n, ...), float32.
        gamma: weight.
    """

    network: nn.Module
    x: Tensor
    gamma: float = 1.0

    def __post_init__(self) -> None:
        instance_of(self.network, nn.Module, "network", "give a torch module", EvolutionError)
        instance_of(self.x, Tensor, "x", "give a tensor of rows", EvolutionError)
        real_number(self.gamma, "gamma", 0.0, error=EvolutionError)
