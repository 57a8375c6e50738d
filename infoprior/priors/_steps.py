"""An Optuna sampler that takes steps from the best points so far, and uniform draws otherwise.

PriorBand (Mallik et al., NeurIPS 2023, section 5.1) searches around its incumbent so: half of the
parameters change, by a normal step or to another choice; and the more a trial costs before anything
is known of it, the less often it is a uniform one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ._draw import NOTHING, own_value
from ._errors import PriorError
from ._evidence import CONTINUES
from ._prior import Prior
from ._promote import RUNG
from ._valve import feasible

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

BEST = 5  # a step begins at one of so many
CHANGED = 0.5  # of the parameters, at least one
STEP = 0.25  # standard deviation, in units of the range
_TRIES = 16  # steps of which the first that leads to a point not yet tried is taken


def make_steps(seed: int, first: int = 1) -> BaseSampler:
    """A `StepSampler`."""
    return StepSampler(seed, first)


class StepSampler(BaseSampler):
    """Some trials are uniform, the others a step from one of the five best points.

    Half of the trials that stop at the first rung are uniform, 1 / (1 + r / first) of those that
    stop at step r (PriorBand's share), and half where trials have no rung.

    The best are those that were trained longest, and among these those of the best value; a trial
    that another one went on from does not count beside it. In a study of several objectives all
    trials are uniform.

    Args:
        seed: of one trial's draws, see `SeededSampler`.
        first: the step of the lowest rung.
    """

    def __init__(self, seed: int, first: int = 1) -> None:
        self._seed, self._first = seed, first
        self._uniform = RandomSampler(seed=seed)
        self._begun: dict[int, dict[str, Any]] = {}

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
        """The step's value; a uniform one where there is no step or its value is not to be had."""
        if trial.number not in self._begun:
            self._begun = {trial.number: self._begin(study, trial)}
        point, value = self._begun[trial.number], NOTHING
        if param_name in point:
            value = own_value(param_name, param_distribution, point[param_name])
        if value is not NOTHING:
            return value
        return self._uniform.sample_independent(study, trial, param_name, param_distribution)

    def _begin(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """A point one step away from one of the best; empty for a uniform trial."""
        rng = np.random.default_rng([self._seed, trial.number])
        uniform = 1.0 / (1.0 + trial.user_attrs.get(RUNG, self._first) / self._first)
        best = [] if rng.random() < uniform else best_trials(study, BEST)
        if not best:
            return {}
        parent = best[rng.integers(len(best))]
        point = dict(parent.params)
        for _ in range(_TRIES):
            point, new = _step(parent, rng)
            if new or all(t.params != point for t in study.get_trials(deepcopy=False)):
                break
        return point

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: it learns from the study's trials."""


def _step(parent: FrozenTrial, rng: np.random.Generator) -> tuple[dict[str, Any], bool]:
    """A point beside the parent, and whether it is new for certain: a float without steps moved."""
    names = sorted(parent.params)
    changed = [n for n, u in zip(names, rng.random(len(names)), strict=True) if u < CHANGED]
    if names and not changed:  # the parent once more would say nothing new
        changed = [names[rng.integers(len(names))]]
    point, new = dict(parent.params), False
    for name in changed:
        value, distribution = parent.params[name], parent.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            here = distribution.to_internal_repr(value)  # its index
            others = [c for i, c in enumerate(distribution.choices) if i != here]
            if others:
                point[name] = others[rng.integers(len(others))]
            continue
        try:
            near = Prior.from_points(
                {name: distribution}, [{name: value}], bandwidth=STEP, floor=1e-6
            )
        except PriorError:  # e.g. ints beyond 2**53: uniform
            del point[name]
            continue
        point[name] = near.sample(1, rng)[0][name]
        new |= getattr(distribution, "step", None) is None and point[name] != value
    return point, new


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
