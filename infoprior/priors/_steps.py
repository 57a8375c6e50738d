"""An Optuna sampler that takes steps from the best points so far, and uniform draws otherwise.

PriorBand (Mallik et al., NeurIPS 2023, section 5.1) searches around its incumbent so: half of the
parameters change, by a normal step or to another choice.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ._draw import NOTHING, own_value
from ._evidence import CONTINUES
from ._prior import Prior
from ._valve import feasible

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

UNIFORM = 0.5  # of the trials
BEST = 5  # a step begins at one of so many
CHANGED = 0.5  # of the parameters, at least one
STEP = 0.25  # standard deviation, in units of the range


def make_steps(seed: int) -> BaseSampler:
    """A `StepSampler`."""
    return StepSampler(seed)


class StepSampler(BaseSampler):
    """Half of the trials are uniform, the others a step from one of the five best points.

    The best are those that were trained longest, and among these those of the best value; a trial
    that another one went on from does not count beside it. In a study of several objectives all
    trials are uniform.

    Args:
        seed: of one trial's draws, see `SeededSampler`.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._uniform = RandomSampler(seed=seed)
        self._begun: dict[int, tuple[Mapping[str, Any], frozenset[str]]] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """None: parameters are drawn one by one."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The parent's value or a step from it; a uniform one where there is no parent."""
        parent, changed = self._begin(study, trial.number)
        value: Any = NOTHING
        if param_name in parent:
            value = own_value(param_name, param_distribution, parent[param_name])
        if value is NOTHING:
            return self._uniform.sample_independent(study, trial, param_name, param_distribution)
        if param_name not in changed:
            return value
        name = zlib.crc32(param_name.encode("utf-8", "surrogatepass"))
        rng = np.random.default_rng([self._seed, trial.number, name])
        if isinstance(param_distribution, CategoricalDistribution):
            choices = param_distribution.choices
            here = param_distribution.to_internal_repr(value)  # its index
            others = [c for i, c in enumerate(choices) if i != here]
            return others[rng.integers(len(others))] if others else value
        near = Prior.from_points(
            {param_name: param_distribution}, [{param_name: value}], bandwidth=STEP, floor=1e-6
        )
        return near.sample(1, rng)[0][param_name]

    def _begin(self, study: Study, number: int) -> tuple[Mapping[str, Any], frozenset[str]]:
        """The parent's parameters, none of them in a uniform trial, and which of them change."""
        if number not in self._begun:
            rng = np.random.default_rng([self._seed, number])
            best = [] if rng.random() < UNIFORM else best_trials(study, BEST)
            parent = best[rng.integers(len(best))].params if best else {}
            names = sorted(parent)
            changed = {n for n, u in zip(names, rng.random(len(names)), strict=True) if u < CHANGED}
            if names and not changed:  # the parent once more would say nothing new
                changed = {names[rng.integers(len(names))]}
            self._begun = {number: (parent, frozenset(changed))}
        return self._begun[number]

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: it learns from the study's trials."""


def best_trials(study: Study, n: int) -> list[FrozenTrial]:
    """The n best finished trials of a study with one objective, the best first."""
    if len(study.directions) > 1:
        return []
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    finished = study.get_trials(deepcopy=False, states=states)
    continued = {t.user_attrs.get(CONTINUES) for t in finished}
    ranked = []
    for trial in filter(feasible, finished):
        if trial.state == TrialState.COMPLETE:
            step, value = math.inf, trial.value
        elif trial.last_step is not None:
            step, value = float(trial.last_step), trial.intermediate_values[trial.last_step]
        else:
            continue
        if trial.number not in continued and value is not None and not math.isnan(value):
            ranked.append((-step, sign * value, trial.number, trial))
    return [entry[3] for entry in sorted(ranked)[:n]]
