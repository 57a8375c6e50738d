"""The predictors that are compared, each with each of its inputs: a variant, a row of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infoprior.predictors import INFORMATION, INPUTS

WITHOUT_INPUTS = ("uniform", "static", "gaussian")
CONTROL = "-shuffled"
"""Suffix of the inputs whose information (layers' and inputs') is that of other tasks."""
INFORMED = tuple(name for name, groups in INPUTS.items() if set(groups) & set(INFORMATION))
"""Inputs that hold information, and so have a control."""
RANDOMISED = ("trees", "network")
"""Predictors that draw random numbers when they are fitted: another seed, another ranking."""

FITTING = ("candidates", "real_weight")
"""Settings that act while a predictor is fitted; the others act on its scores."""
_JOIN = "__"  # of predictor and inputs in a name


@dataclass(frozen=True)
class Variant:
    """A predictor with an input set.

    Controls are fitted once per shuffle, each with a seed of its own, and so often is whatever
    draws random numbers: fitted once, its luck would count as an effect of its inputs.
    """

    predictor: str
    inputs: str

    @classmethod
    def named(cls, name: str) -> Variant:
        """The variant of a name, or of a file or folder of that name."""
        predictor, _, inputs = name.rpartition("/")[2].removesuffix(".json").partition(_JOIN)
        return cls(predictor, inputs)

    @property
    def name(self) -> str:
        """In the names of files, folders and jobs."""
        return f"{self.predictor}{_JOIN}{self.inputs}"

    @property
    def key(self) -> tuple[str, str]:
        """(predictor, inputs): its columns in tables."""
        return self.predictor, self.inputs

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.predictor} / {self.inputs}"

    @property
    def is_control(self) -> bool:
        return self.inputs.endswith(CONTROL)

    @property
    def control(self) -> Variant:
        """The same with the information of other tasks."""
        return Variant(self.predictor, f"{self.inputs}{CONTROL}")

    @property
    def input_names(self) -> tuple[str, ...]:
        """The groups of inputs that the predictor reads."""
        return INPUTS[self.inputs.removesuffix(CONTROL)]

    def fits(self, n: int) -> list[tuple[int, int]]:
        """n fits, or one: the shuffle (-1: the real profiles), what is added to the seed."""
        if self.is_control:
            return [(i, i) for i in range(n)]
        return [(-1, i) for i in range(n if self.predictor in RANDOMISED else 1)]

    def start_cost(self, costs: Mapping[str, float]) -> float:
        """What a user pays before this prior is there, in full trainings."""
        return float(sum(costs.get(name, 0.0) for name in self._needs()))

    def _needs(self) -> set[str]:
        # Probes are trained for their accuracy and for their layers alike; MI is measured on top.
        needs = set(self.input_names)
        if "mi" in needs:
            needs |= {"accuracy"}
        return needs


UNIFORM, GAUSSIAN = Variant("uniform", "nothing"), Variant("gaussian", "nothing")
STATIC = Variant("static", "nothing")
"""The opponent: the same prior for every data set."""


def variants(params: Mapping[str, Any]) -> list[Variant]:
    """The variants of params.yaml's section `predictors`."""
    baselines = [Variant(name, "nothing") for name in params["baselines"]]
    return baselines + [
        Variant(name, inputs) for name in params["learned"] for inputs in params["inputs"]
    ]
