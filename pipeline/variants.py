"""The predictors that are compared, each with each of its inputs: one row of the report an arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infoprior.predictors import INPUTS

WITHOUT_INPUTS = ("uniform", "static", "gaussian")
REFERENCE = ("static", "nothing")
"""The opponent: the same prior for every data set."""
CONTROL = "-shuffled"
"""Suffix of the inputs whose MI profiles are those of other tasks."""
DRAWN = ("trees", "network")
"""Predictors that draw random numbers when they are fitted: another seed, another ranking."""

FITTING = ("candidates", "real_weight")
"""Settings that act while a predictor is fitted; the others act on its scores."""


@dataclass(frozen=True)
class Arm:
    """A predictor with an input set.

    Controls are fitted once per shuffle, each with a seed of its own, and so often is whatever
    draws random numbers: fitted once, its luck would count as an effect of its inputs.
    """

    predictor: str
    inputs: str

    @property
    def name(self) -> str:
        return f"{self.predictor}__{self.inputs}"

    @property
    def control(self) -> bool:
        return self.inputs.endswith(CONTROL)

    @property
    def input_names(self) -> tuple[str, ...]:
        return INPUTS[self.inputs.removesuffix(CONTROL)]

    def fits(self, n: int) -> list[tuple[int, int]]:
        """n fits, or one: the shuffle (-1: the real profiles), what is added to the seed."""
        if self.control:
            return [(i, i) for i in range(n)]
        return [(-1, i) for i in range(n if self.predictor in DRAWN else 1)]

    def start_cost(self, costs: dict[str, Any]) -> float:
        """What a user pays before this prior is there, in full trainings."""
        return float(sum(costs.get(name, 0.0) for name in self._needs()))

    def _needs(self) -> set[str]:
        # Probes are trained for their accuracy and for their layers alike; MI is measured on top.
        needs = set(self.input_names)
        if "mi" in needs:
            needs |= {"accuracy"}
        return needs


def arms(params: dict[str, Any]) -> list[Arm]:
    """The arms of params.yaml's section `predictors`."""
    found = [Arm(name, "nothing") for name in params["baselines"]]
    found += [Arm(name, inputs) for name in params["learned"] for inputs in params["inputs"]]
    return found
