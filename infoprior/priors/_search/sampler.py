"""An Optuna sampler that proposes from a prior some of the time, and from any other the rest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from .._checks import flag, share, study_of, trial_of, whole
from .._errors import PriorError
from .._mixture.axes import make_axis
from .._mixture.sampling import NO_VALUE, ConditionalPrior, draw, own_value
from .._prior import Prior
from .._trial import (
    ENQUEUED,
    PROMOTES,
    SOURCE,
    TRUST,
    check_storage,
    enqueued_values,
)
from .adaptive_weights import LEAST, MOST, Shares
from .bases import DealingSampler, make_base_sampler
from .mismatch import MismatchWarning, has_values
from .seeded import MakeSampler
from .trial_history import Evidence
from .wrapping import WrappingSampler, fixed_values, nested

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


def _turn(number: int, shift: float) -> float:
    """The trial's place in van der Corput's sequence, shifted, in [0, 1).

    Where those below a share are one source's, these are spread over the trials as evenly as can
    be, so that a source soon has others to be compared with.
    """
    return (int(f"{number & 0xFFFFFFFF:032b}"[::-1], 2) / 2**32 + shift) % 1.0


_SOON = 64  # trials within which the mode has its turn, or else it has none
_RUNNING = 1024  # trials of which it is remembered what is known


class PriorSampler(WrappingSampler):
    """Draws a share of a study's trials from a prior, and leaves the rest to a base sampler.

    In a trial that is the prior's, every parameter the prior knows is drawn from it, jointly, each
    value given the ones the trial has already and restricted to the distribution the trial asks
    for. What the prior cannot propose is left to the base sampler: names it does not know, and
    distributions with which it has no value in common; a warning says so, once a study, where
    that looks like a mistake. All other trials are the base sampler's alone. The base sampler sees
    every trial, and learns from the prior's as from its own.

    With the valve (the default) the share is learned. There are three sources then: the prior's
    kernels, uniform sampling (which takes the place of the prior's floor) and the base sampler. The
    kernels' share starts at `weight` times one minus the floor, and the first of their trials is
    the prior's mode. Once a trial of theirs has finished beside another source's, the trials are
    ranked, and the share is the probability that the kernels' are the better ones, from even odds
    (or `weight`, if that is more), between 0.03 and 0.8. So a good prior shows soon what it is
    worth, and a bad one costs few trials. What you enqueue keeps
    its values, is completed by the prior, and counts for no source ("enqueued").

    A trial's draw depends on the seed, the trial's number, the values it has and the trials that
    have finished. So workers do not propose the same points, and a study resumed with the same
    seed continues as it would have (on a file or database this needs `storage`).

    Args:
        prior: what to draw from; its names are the study's parameter names.
        base: any other sampler, or a function that makes one from a seed, which is called anew for
            every trial; None is Optuna's TPE, made so. A sampler that is passed in has its own
            random state: its draws are repeated by a run that is not resumed and has one worker.
            A `PartialFixedSampler`'s values are kept in every trial, and the prior is conditioned
            on them. A `QMCSampler`, `GridSampler` or `BruteForceSampler` is asked for its own
            trials only and loses none of its points; the latter two do not end the study, have
            all trials that are not the prior's as long as there are points left, and so a fifth of
            them at least.
        weight: the share of the prior's trials, in [0, 1]; with the valve, at the start. At 0 the
            base sampler is alone.
        seed: of this sampler's draws and of the base samplers made here; taken from the system's
            entropy where None.
        valve: whether the share is learned; False keeps it at `weight`, and every draw is one
            from the prior, the first one too.
        storage: the study's storage, the same object that the study was created with. With it
            the attributes below are written into it, and under Hyperband the valve learns from all
            brackets from the first trial on.

    Raises:
        PriorError: where an argument is out of its range.

    Which source proposed a trial is its user attribute `PriorSampler.SOURCE`: "prior", "uniform" or
    "base" (a trial of which the prior had no value to give becomes the base sampler's when it
    ends); the prior's share at that time is `PriorSampler.TRUST`. Optuna gives a sampler no way
    of its own to write into a study: in memory these attributes are kept, in a file or database
    only where `storage` is given, as `hyperband_study` does.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior, PriorSampler
        >>> space = {"depth": optuna.distributions.IntDistribution(1, 5)}
        >>> prior = Prior.from_points(space, [{"depth": 2}])
        >>> study = optuna.create_study(sampler=PriorSampler(prior, seed=0))
        >>> study.optimize(lambda trial: trial.suggest_int("depth", 1, 5), n_trials=3)
        >>> study.trials[0].user_attrs["infoprior:source"]
        'prior'
    """

    SOURCE, TRUST = SOURCE, TRUST

    def __init__(
        self,
        prior: Prior,
        base: BaseSampler | MakeSampler | None = None,
        weight: float = 0.25,
        seed: int | None = None,
        *,
        valve: bool = True,
        storage: BaseStorage | None = None,
    ) -> None:
        if not isinstance(prior, Prior):
            raise PriorError(
                f"prior: needs a Prior, got {type(prior).__name__}; Prior.load reads a file."
            )
        self._weight = share("weight", weight)
        valve = flag("valve", valve)
        if storage is not None and not isinstance(storage, BaseStorage):
            raise PriorError(
                "storage: needs the storage object that the study is created with, "
                f"got {type(storage).__name__}."
            )
        self._prior, self._names = prior, frozenset(prior.space)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(2, np.uint64)[0])
        self._seed = whole("seed", seed, 0)
        super().__init__(make_base_sampler(base, self._seed), storage)
        if any(isinstance(sampler, PriorSampler) for sampler in nested(self.base_sampler)):
            raise PriorError("base: holds a PriorSampler itself; mix the two priors (Prior.mix).")
        start = self._weight * (1.0 - prior.floor) if prior.n_components else self._weight
        self._evidence = Evidence(prior, start, storage) if valve and self._weight > 0.0 else None
        self._checked: str | None = None  # the study that the storage was seen to hold
        self._begun: dict[int, ConditionalPrior] = {}  # trial number -> what is known of it
        self._fixed: dict[int, dict[str, Any]] = {}  # trial number -> values fixed by samplers
        self._mismatch = MismatchWarning(prior)
        # The prior's share is its starting one until a trial of its own has finished.
        first = min(max(start, LEAST), MOST)
        mode = self._evidence is not None and prior.n_components > 0
        shift = self._uniforms(-1, "")[0]
        self._turns = [n for n in range(_SOON) if mode and _turn(n, shift) < first]
        self._modes: set[int] = set()  # numbers of trials that are to have the mode

    def __str__(self) -> str:
        valve = "" if self._evidence is None else ", valve=True"
        return f"{type(self).__name__}({self.base_sampler}, weight={self._weight:g}{valve})"

    # ---- what it decides

    @np.errstate(all="ignore")
    def trust(self, study: Study) -> float:
        """The prior's share of the next trials of a study."""
        study_of("study", study)
        return self._shares(study, len(study.get_trials(deepcopy=False))).prior

    def _shares(self, study: Study, number: int) -> Shares:
        if self._evidence is None:
            return Shares(self._weight, 0.0, 1.0 - self._weight)
        return self._evidence.shares(study, number)

    def source(self, trial: Any) -> str:
        """Which source proposes or proposed a `Trial` or `FrozenTrial`.

        Raises:
            PriorError: it is no trial, or does not say, because its study's storage was not given
                to the sampler.
        """
        source = trial_of("trial", trial).user_attrs.get(SOURCE)
        if source is None:
            raise PriorError(
                f"trial {trial.number} has no user attribute {SOURCE!r}; give PriorSampler "
                "the study's storage, and it is kept."
            )
        return str(source)

    def _source(self, study: Study, trial: FrozenTrial) -> str:
        source = trial.user_attrs.get(SOURCE)
        return self._decide(study, trial) if source is None else str(source)

    def _decide(self, study: Study, trial: FrozenTrial) -> str:
        """The source of a trial that is beginning, noted in it."""
        if self.storage is not None and self._checked != study.study_name:
            check_storage(self.storage, study, trial)
            self._checked = study.study_name
        shares = self._shares(study, trial.number)
        v, _ = self._uniforms(trial.number, "")
        if enqueued_values(trial) and self._weight > 0.0:
            source = ENQUEUED
        elif _turn(trial.number, self._uniforms(-1, "")[0]) < shares.prior:
            source = "prior"
        else:
            source = "uniform" if v * (1.0 - shares.prior) < shares.uniform else "base"
            if isinstance(self.base_sampler, DealingSampler) and self.base_sampler.exhaustive:
                source = "base" if self.base_sampler.needs_trials(study) else "uniform"
        if trial.number == 0:
            self._modes = set()  # another study
        if source == "prior" and self._is_mode(study, trial.number):
            self._modes.add(trial.number)
        self.note(study, trial, {SOURCE: source, TRUST: round(shares.prior, 4)})
        return source

    def _is_mode(self, study: Study, number: int) -> bool:
        """Whether all turns of the prior before this one were somebody else's."""
        if number not in self._turns:
            return False
        before = self._turns[: self._turns.index(number)]
        if not before:
            return True
        if self.storage is None:
            trials = study.get_trials(deepcopy=False)
        else:
            of_study = self.storage.get_study_id_from_name(study.study_name)
            trials = self.storage.get_all_trials(of_study, deepcopy=False)
        others = {
            trial.number
            for trial in trials
            if trial.user_attrs.get(SOURCE) == ENQUEUED
            or trial.user_attrs.get(PROMOTES) is not None
        }
        return others.issuperset(before)

    def _uniforms(self, number: int, name: str) -> tuple[float, float]:
        """Two uniform numbers in [0, 1), a function of the seed, trial number and parameter.

        A keyed hash is a counter-based generator: nothing to lock, copy or reseed. numpy's
        generators take ten times as long to seed.
        """
        key = f"{self._seed}/{number}/{name}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(key, digest_size=16).digest()
        first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        return math.ldexp(first >> 11, -53), math.ldexp(second >> 11, -53)

    def _uniform(self, trial: FrozenTrial, name: str, live: BaseDistribution) -> Any:
        try:
            axis = make_axis(name, live)
        except PriorError:  # e.g. choices that are objects
            return NO_VALUE
        u, _ = self._uniforms(trial.number, f"/{name}")
        return axis.values(axis.from_unit(np.array([u])))[0]

    def _proposed(
        self,
        study: Study,
        trial: FrozenTrial,
        given: ConditionalPrior,
        name: str,
        live: BaseDistribution,
    ) -> Any:
        """The prior's value of a parameter it knows, or NO_VALUE."""
        if trial.number in self._modes:
            value = own_value(name, live, self._mode_given(study, trial).get(name, NO_VALUE))
            if value is not NO_VALUE:
                return value
        return draw(given, name, live, *self._uniforms(trial.number, f"/{name}"))

    @cached_property
    def _mode(self) -> dict[str, Any]:
        return self._prior.mode()

    def _mode_given(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """The mode of the prior given the values that samplers fix."""
        fixes = self._fixed_in(study, trial)
        if not fixes:
            return self._mode
        inside = {
            name: fixes[name]
            for name, axis in self._prior.mixture.axes.items()
            if name in fixes and own_value(name, axis.distribution, fixes[name]) is not NO_VALUE
        }
        if len(inside) == len(self._names):
            return {}
        return (self._prior.condition(inside) if inside else self._prior).mode()

    def _fixed_in(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """The values that partially fixed samplers give a trial."""
        fixes = self._fixed.get(trial.number)
        if fixes is None:
            fixes = self._fixed[trial.number] = fixed_values(study.sampler, self)
            while len(self._fixed) > _RUNNING:
                self._fixed.pop(next(iter(self._fixed)), None)
        return fixes

    def _given(self, study: Study, trial: FrozenTrial, name: str = "") -> ConditionalPrior:
        """The prior given what the trial has, or is going to have, of other names than this."""
        given = self._begun.get(trial.number)
        if given is None or (name in given.names and name not in trial.params):
            known = {**self._fixed_in(study, trial), **enqueued_values(trial), **trial.params}
            known = {n: value for n, value in known.items() if n in self._names and n != name}
            given = ConditionalPrior(self._prior.mixture, known, floor=self._evidence is None)
            self._begun[trial.number] = given
            while len(self._begun) > _RUNNING:
                self._begun.pop(next(iter(self._begun)), None)
        for other in trial.params.keys() & self._names - given.names:
            given.add(other, trial.params[other])
        return given

    # ---- Optuna's interface

    @np.errstate(all="ignore")
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The base sampler's values, with the prior's in place of them in the prior's trials."""
        source, drawn = self._source(study, trial), {}
        fixes = self._fixed_in(study, trial)
        asked = {name: live for name, live in search_space.items() if name not in fixes}
        if source == "uniform":
            drawn = {name: self._uniform(trial, name, live) for name, live in asked.items()}
            drawn = {name: value for name, value in drawn.items() if value is not NO_VALUE}
        elif source != "base":
            # Parameters that are asked one by one are drawn given these, asked for by then or not.
            given = self._given(study, trial)
            for name, live in asked.items():
                if name in self._names:
                    value = self._proposed(study, trial, given, name, live)
                    if value is not NO_VALUE:
                        drawn[name] = value
                        given.add(name, value)
        # The base is always asked: some samplers (NSGA-II, CMA-ES) enter a trial into their
        # population here, and would not learn from the prior's trials otherwise.
        return {**super().sample_relative(study, trial, search_space), **drawn}

    @np.errstate(all="ignore")
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of the trial's source; the base sampler's where that has none."""
        source, value = self._source(study, trial), NO_VALUE
        if param_name in self._fixed_in(study, trial):
            pass  # the base sampler's, which fixes it
        elif source == "uniform":
            value = self._uniform(trial, param_name, param_distribution)
        elif source in ("prior", ENQUEUED) and param_name in self._names:
            given = self._given(study, trial, param_name)
            value = self._proposed(study, trial, given, param_name, param_distribution)
        if value is not NO_VALUE:
            return value
        return super().sample_independent(study, trial, param_name, param_distribution)

    @np.errstate(all="ignore")
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides whose the trial is; then the base sampler's."""
        self._begun.pop(trial.number, None)  # of another study
        self._fixed.pop(trial.number, None)
        source = self._decide(study, trial)
        if source == "base" or not isinstance(self.base_sampler, DealingSampler):
            super().before_trial(study, trial)

    @np.errstate(all="ignore")
    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The base sampler's; then learns from the trial."""
        self._begun.pop(trial.number, None)
        self._label(study, trial)
        self._fixed.pop(trial.number, None)
        super().after_trial(study, trial, state, values)
        if self._evidence is not None:
            self._evidence.add(study, trial, state, values)
        if self._weight > 0.0:
            self._mismatch.look_at(study.study_name, trial, lambda: self._began(study))

    def _label(self, study: Study, trial: FrozenTrial) -> None:
        """Say of a trial that was to be the prior's, and had none of its values, whose it was."""
        attributes = trial.user_attrs
        if attributes.get(SOURCE) != "prior" or attributes.get(PROMOTES) is not None:
            return  # a promotion's are those of the trial that was paused
        fixes = self._fixed_in(study, trial)
        if not any(
            name not in fixes and not live.single() and has_values(self._prior, name, live)
            for name, live in trial.distributions.items()
        ):
            self.note(study, trial, {SOURCE: "base"})

    def _began(self, study: Study) -> object:
        """When the study's first trial began, which tells studies of one name apart."""
        if self.storage is None:
            return None
        of_study = self.storage.get_study_id_from_name(study.study_name)
        first = self.storage.get_trial_id_from_study_id_trial_number(of_study, 0)
        return self.storage.get_trial(first).datetime_start
