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


@dataclass(frozen=True)
class Arm:
    """A predictor with an input set; controls are fitted once per shuffle."""

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

    def shuffles(self, n: int) -> list[int]:
        """Numbers of the shuffles to fit on; -1 stands for the real profiles."""
        return list(range(n)) if self.control else [-1]

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
