"""An Optuna sampler that mutates the best points so far, and draws uniform ones otherwise.

PriorBand (Mallik et al., NeurIPS 2023, section 5.1) searches around its incumbent so: half of the
parameters change, by a normal step or to another choice; and the more a trial costs before anything
is known of it, the less often it is a uniform one.
"""

from __future__ import annotations

import itertools
import math
import threading
import zlib
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from .._checks import whole
from .._errors import PriorError
from .._mixture.sampling import NO_VALUE, own_value
from .._prior import Prior
from .._trial import RUNG, feasible, resumed_from
from .finished import NewlyFinished
from .wrapping import WrappingSampler

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

N_BEST = 5  # points of which one is mutated
MUTATION_RATE = 0.5  # of the parameters, at least one
MUTATION_STD = 0.25  # standard deviation of a number's, in units of the range
_TRIES = 16  # mutations of which the first that leads to a point not yet tried is taken


@dataclass(frozen=True)
class _Mutation:
    """Where a trial goes.

    Attributes:
        point: name -> value; empty for a uniform trial.
        parent: the trial that is mutated.
        changed: the names of the parameters that change.
        new: whether the point is new for certain, since a float without steps changed.
    """

    point: dict[str, Any] = field(default_factory=dict)
    parent: FrozenTrial | None = None
    changed: frozenset[str] = frozenset()
    new: bool = False


def make_local_search(seed: int, lowest_rung: int = 1) -> BaseSampler:
    """A `LocalSearchSampler`."""
    return LocalSearchSampler(seed, lowest_rung)


class LocalSearchSampler(WrappingSampler):
    """Some trials are uniform, the others mutations of one of the five best points.

    Of the trials that stop at step r, 1 / (1 + r / lowest_rung) are uniform (PriorBand's fraction):
    half at the lowest rung, and half where trials have no rung. Mutations to a point that a trial
    has had already are drawn again (in conditional spaces, as far as the point is foreseen).

    The best are those that were trained longest, and among these those of the best value; a trial
    that another one continues does not count beside it. In a study of several objectives all
    trials are uniform.

    Args:
        seed: of one trial's draws, below 2**32, see `SeededSampler`.
        lowest_rung: its step, at least 1.

    Raises:
        PriorError: an argument is out of its range.
    """

    def __init__(self, seed: int, lowest_rung: int = 1) -> None:
        self._seed = whole("seed", seed, 0, most=2**32 - 1)
        self._lowest_rung = whole("lowest_rung", lowest_rung, 1)
        super().__init__(RandomSampler(seed=self._seed))
        self._begun: dict[int, _Mutation] = {}  # of the latest trial

    @np.errstate(all="ignore")
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The mutation's value; a uniform one where there is none, or nothing to mutate."""
        if trial.number not in self._begun:
            self._begun = {trial.number: self._begin(study, trial)}
        mutation, value = self._begun[trial.number], NO_VALUE
        if param_name in mutation.point:
            value = self._value(mutation, trial.number, param_name, param_distribution)
        if value is not NO_VALUE:
            return value
        return self.base_sampler.sample_independent(study, trial, param_name, param_distribution)

    def _value(
        self, mutation: _Mutation, number: int, name: str, distribution: BaseDistribution
    ) -> Any:
        """The mutation's value, or NO_VALUE; it is drawn anew where the range is another one."""
        parent = mutation.parent
        assert parent is not None
        if distribution == parent.distributions[name]:
            return own_value(name, distribution, mutation.point[name])
        value = own_value(name, distribution, parent.params[name])
        if value is NO_VALUE or name not in mutation.changed:
            return value
        key = zlib.crc32(name.encode("utf-8", "surrogatepass"))
        return _mutated(name, distribution, value, np.random.default_rng([self._seed, number, key]))

    def _begin(self, study: Study, trial: FrozenTrial) -> _Mutation:
        """A mutation of one of the best; an empty one for a uniform trial."""
        rng = np.random.default_rng([self._seed, trial.number])
        rung = trial.user_attrs.get(RUNG, self._lowest_rung)
        uniform = 1.0 / (1.0 + rung / self._lowest_rung)
        best = [] if rng.random() < uniform else best_trials(study, N_BEST)
        if not best:
            return _Mutation()
        parent = best[rng.integers(len(best))]
        mutation = _Mutation()
        for _ in range(_TRIES):
            mutation = _mutation(parent, rng)
            if mutation.new or not _ranked(study).has(mutation.point):
                break
        return mutation


def _mutation(parent: FrozenTrial, rng: np.random.Generator) -> _Mutation:
    """A point beside the parent."""
    names = sorted(parent.params)
    changed = [n for n, u in zip(names, rng.random(len(names)), strict=True) if u < MUTATION_RATE]
    if names and not changed:  # the parent once more would say nothing new
        changed = [names[rng.integers(len(names))]]
    point, new = dict(parent.params), False
    for name in changed:
        value, distribution = parent.params[name], parent.distributions[name]
        point[name] = _mutated(name, distribution, value, rng)
        floats = isinstance(distribution, FloatDistribution) and distribution.step is None
        new |= floats and point[name] not in (value, NO_VALUE)
    return _Mutation(point, parent, frozenset(changed), new)


def _mutated(
    name: str, distribution: BaseDistribution, value: Any, rng: np.random.Generator
) -> Any:
    """Another choice, or a number a normal step away; NO_VALUE where a prior can't have it."""
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        here = distribution.to_internal_repr(value)  # its index
        others = [c for i, c in enumerate(choices) if i != here]
        return others[rng.integers(len(others))] if others else value
    space, point = {name: distribution}, {name: value}
    try:
        near = Prior.from_points(space, [point], bandwidth=MUTATION_STD, floor=1e-6)
    except PriorError:  # e.g. ints beyond 2**53
        return NO_VALUE
    return near.sample(1, rng)[0][name]


class _Ranked:
    """The trials of one study from the best to the worst, and their points, kept up to date.

    Args:
        sign: 1 where small values are good, -1 where large ones are.
    """

    def __init__(self, sign: float) -> None:
        self._sign, self._new, self._lock = sign, NewlyFinished(), threading.Lock()
        self._trials: list[tuple[float, float, int, FrozenTrial]] = []
        self._continued: set[int] = set()
        self._points: set[Any] = set()
        self._unhashable: list[dict[str, Any]] = []  # points with choices that are lists
        self._unfinished: list[FrozenTrial] = []

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take account of all trials of the study."""
        with self._lock:
            ended, self._unfinished = self._new.update(trials)
            for trial in ended:
                try:
                    self._points.add(frozenset(trial.params.items()))
                except TypeError:
                    self._unhashable.append(trial.params)
                if trial.state != TrialState.FAIL:
                    self._rank(trial)

    def _rank(self, trial: FrozenTrial) -> None:
        paused = resumed_from(trial)
        if paused is not None:
            self._continued.add(paused.number)
        if not feasible(trial):
            return
        if trial.state == TrialState.COMPLETE:
            step, value = math.inf, trial.value
        elif trial.last_step is not None:
            step, value = float(trial.last_step), trial.intermediate_values[trial.last_step]
        else:
            return
        if value is not None and not math.isnan(value):
            insort(self._trials, (-step, self._sign * value, trial.number, trial))

    def best(self, n: int) -> list[FrozenTrial]:
        """The n best that no other trial continues."""
        with self._lock:
            own = (t for *_, number, t in self._trials if number not in self._continued)
            return list(itertools.islice(own, n))

    def has(self, point: dict[str, Any]) -> bool:
        """Whether a trial has had these parameters, or has them now."""
        with self._lock:
            if any(trial.params == point for trial in self._unfinished):
                return True
            try:
                return frozenset(point.items()) in self._points
            except TypeError:
                return point in self._unhashable


# Not kept in a LocalSearchSampler, which lives for one trial only.
_RANKED: WeakKeyDictionary[Study, _Ranked] = WeakKeyDictionary()


def _ranked(study: Study) -> _Ranked:
    """What is kept of a study with one objective, up to date."""
    ranked = _RANKED.get(study)
    if ranked is None:
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        ranked = _RANKED.setdefault(study, _Ranked(sign))
    ranked.update(study.get_trials(deepcopy=False))
    return ranked


def best_trials(study: Study, n: int) -> list[FrozenTrial]:
    """The n best finished trials of a study with one objective, the best first."""
    return _ranked(study).best(n) if len(study.directions) == 1 else []
