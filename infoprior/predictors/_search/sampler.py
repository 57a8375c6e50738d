"""`PosteriorSampler`: an Optuna sampler that proposes by a performance predictor's posterior."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from infoprior._arguments import check_seed
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import NOTHING, Evidence
from infoprior.predictors._search.candidates import values_near
from infoprior.predictors._search.networks import METRICS, metric_of
from infoprior.predictors._search.study_posterior import (
    ACQUISITIONS,
    Candidate,
    Cost,
    StudyPosterior,
    Varied,
    check_predictor,
)
from infoprior.priors._mixture.sampling import NO_VALUE
from infoprior.priors._search.bases import make_base_sampler
from infoprior.priors._search.random_numbers import uniforms, van_der_corput
from infoprior.priors._search.seeded import MakeSampler
from infoprior.priors._search.wrapping import WrappingSampler, fixed_values
from infoprior.priors._trial import SOURCE, enqueued_values

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from infoprior.predictors._performance import PerformancePredictor

POSTERIOR, BASE = "posterior", "base"  # SOURCEs of a trial
TRUST = "infoprior:trust"  # a trial's user attribute: the trust when it began
MOST_TRUST = 0.95  # so that one trial in twenty is another's: it may know what the predictor cannot
# Where trials stop at rungs, until so many architectures have results (all, if there are fewer) at
# most one trial in two is the posterior's. It trains its favourites, which alone tell late that
# they are none; another's first result costs no more than the lowest rung.
TESTED, UNTESTED_TRUST = 10, 0.5
LEAST_GAIN = 0.01  # of the best score, in its standard deviations: a full training is worth that
_OWN = "_studies", "_plans", "_decided", "_lock"  # what a copy does not take with it
_RUNNING = 1024  # trials whose plan is remembered


class PosteriorSampler(WrappingSampler):
    """Proposes by a performance predictor's posterior of all trials so far.

    At every trial the results so far are evidence: final values and intermediate ones at their
    steps (epochs, from 1), of running and pruned trials, too. Of its candidates (the predictor's
    recorded architectures) the sampler proposes the one whose training is expected to improve what
    would be recommended most, per cost; or the best of a joint draw. Parameters that the predictor
    does not know are the base sampler's; where the study's ranges are narrower, candidates are
    moved into them.

    The first trial is the posterior's. A later one is with the probability that it is right here
    (`trust`: how much better it has predicted the results so far than with its architectures'
    names shuffled), 0.95 at most, and 0.5 at most where trials stop at rungs, until ten
    architectures have results. Otherwise the trial is the base sampler's; so are those for which
    no candidate is worth a training any more.

    Args:
        predictor: a fitted `PerformancePredictor`.
        base_sampler: any other sampler, or a function that makes one from a seed, as of
            `PriorSampler`; None is Optuna's TPE.
        evidence: what is known of the task besides the study: `Evidence(profile)`, say. Give its
            `n_validation`, so that the predictor knows how far to trust validation accuracies.
        acquisition: "improvement" (expected, per cost) or "thompson".
        cost: params -> cost of one epoch, in any unit: a network's multiply-adds, or its seconds;
            None: all cost the same.
        fixed: values of those parameters of the predictor's space that the study does not vary. One
            that is neither fixed nor asked for is taken to be as in the predictor's first choice.
        candidates: points to propose; None: the predictor's recorded architectures.
        metric: what trials report: "accuracy", "error" (1 - accuracy) or "loss" (nats); None:
            "accuracy" where it is maximised, else "error". Losses may be given besides accuracies:
            a trial's user attribute "validation_loss", a dict step -> nats.
        adaptive: whether trials are left to the base sampler as trust falls; False: none is
            (`recommend` weighs raw results all the same).
        seed: of this sampler's draws; taken from the system's entropy where None.
        storage: the study's storage; see `PriorSampler`.

    Raises:
        PredictorError: an argument is of another type or out of its range.
        PriorError: `base_sampler` is none.
    """

    def __init__(
        self,
        predictor: PerformancePredictor,
        base_sampler: BaseSampler | MakeSampler | None = None,
        *,
        evidence: Evidence = NOTHING,
        acquisition: str = "improvement",
        cost: Cost | None = None,
        fixed: Mapping[str, Any] | None = None,
        candidates: Sequence[Mapping[str, Any]] | None = None,
        metric: str | None = None,
        adaptive: bool = True,
        seed: int | None = None,
        storage: BaseStorage | None = None,
    ) -> None:
        check_predictor(predictor, evidence)
        if acquisition not in ACQUISITIONS:
            raise PredictorError(
                f"There is no acquisition {acquisition!r}; choose one of {list(ACQUISITIONS)}."
            )
        if metric is not None and metric not in METRICS:
            raise PredictorError(f"There is no metric {metric!r}; choose one of {list(METRICS)}.")
        if not isinstance(adaptive, bool):
            raise PredictorError(f"adaptive: needs to be True or False, got {adaptive!r}.")
        if cost is not None and not callable(cost):
            raise PredictorError(f"cost: needs a function of params, got {cost!r}.")
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._seed = check_seed(seed, PredictorError)
        super().__init__(make_base_sampler(base_sampler, self._seed), storage)
        self._predictor, self._evidence = predictor, evidence
        self._acquisition, self._adaptive = acquisition, adaptive
        self._space = predictor.space
        self.about = Varied(fixed, candidates, cost)
        self._metric = metric
        StudyPosterior(predictor, evidence, METRICS[0], self.about)  # refused here
        self._shift, _ = uniforms(self._seed, -1, "posterior")
        self._forget()

    def _forget(self) -> None:
        self._studies: WeakKeyDictionary[Study, StudyPosterior] = WeakKeyDictionary()
        # (study, trial number) -> ranking, the best first
        self._plans: dict[tuple[str, int], list[Candidate]] = {}
        self._decided: set[tuple[str, int]] = set()  # decided on, and not begun
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        # A copy reads the study's trials again.
        return {k: v for k, v in self.__dict__.items() if k not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    # ---- what it decides

    def trust(self, study: Study) -> float:
        """The probability that the predictor is to be followed, given a study's trials."""
        with self._lock:
            return self._posterior_of(study, -1).trust()

    def _posterior_of(self, study: Study, number: int) -> StudyPosterior:
        """The study's posterior, up to date but for the trial of a number."""
        # Optuna's Hyperband shows a sampler one bracket, in a new object at every call.
        whole = study if type(study) is optuna.Study else getattr(study, "_study", study)
        known = self._studies.get(whole)
        if known is None:
            metric = metric_of(study, self._metric)
            known = StudyPosterior(self._predictor, self._evidence, metric, self.about)
            self._studies[whole] = known
        known.update(whole.get_trials(deepcopy=False), number)
        return known

    def plan(
        self, study: Study, trial: FrozenTrial, rungs: Sequence[int] | None = None, *,
        first: bool = False,
    ) -> Candidate | None:  # fmt: skip
        """What a trial that begins is to train; None: it is the base sampler's.

        Args:
            study: the study.
            trial: the trial.
            rungs: the steps at which trials stop, and from which they can be continued; None: they
                run to the end.
            first: whether it is the predictor's first choice, trained to the last rung.
        """
        at = study.study_name, trial.number
        self._decided.add(at)
        with self._lock:
            self._plans.pop(at, None)
            posterior = self._posterior_of(study, trial.number)
            trust = posterior.trust() if self._adaptive else 1.0
            notes: dict[str, Any] = {TRUST: round(trust, 4)}
            ranking: list[Candidate] = []
            share = min(trust, self._most(posterior, rungs)) if self._adaptive else 1.0
            if first:
                ranking = self._ranking(study, posterior, trial, (rungs or ())[-1:] or None, "mean")
            elif trial.number == 0 or van_der_corput(trial.number, self._shift) < share:
                ranking = self._ranking(study, posterior, trial, rungs, self._acquisition)
                if rungs is None and ranking and ranking[0].gain < LEAST_GAIN:
                    ranking = []  # the candidates are tried or known to be worse
            if not ranking:
                self.note(study, trial, notes)
                return None
            self._remember(study, trial, ranking)
            self.note(study, trial, {**notes, SOURCE: POSTERIOR})
            return ranking[0]

    @staticmethod
    def _most(posterior: StudyPosterior, rungs: Sequence[int] | None) -> float:
        """The greatest share of trials that is the posterior's."""
        enough = min(TESTED, len(posterior.known_keys()))
        return UNTESTED_TRUST if rungs and len(posterior.runs) < enough else MOST_TRUST

    def _ranking(
        self, study: Study, posterior: StudyPosterior, trial: FrozenTrial,
        rungs: Sequence[int] | None, acquisition: str,
    ) -> list[Candidate]:  # fmt: skip
        rng = np.random.default_rng([self._seed, trial.number])
        running = {
            t.number
            for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if t.number != trial.number
        }
        pending = [
            plan[0].params
            for (name, number), plan in self._plans.items()
            if name == study.study_name and number in running
        ]
        return posterior.ranking(rungs, acquisition, rng, pending)

    def _remember(self, study: Study, trial: FrozenTrial, ranking: list[Candidate]) -> None:
        self._plans[study.study_name, trial.number] = ranking
        while len(self._plans) > _RUNNING:
            self._plans.pop(next(iter(self._plans)), None)

    def _plan_of(self, study: Study, trial: FrozenTrial) -> list[Candidate]:
        """The ranking of a trial that is the posterior's, begun here or in another process."""
        at = study.study_name, trial.number
        with self._lock:
            if at not in self._plans:
                if trial.user_attrs.get(SOURCE) != POSTERIOR:
                    return []
                posterior = self._posterior_of(study, trial.number)
                ranking = self._ranking(study, posterior, trial, None, self._acquisition)
                self._remember(study, trial, ranking)
            return self._plans[at]

    def _value(
        self, study: Study, trial: FrozenTrial, given: Mapping[str, Any], name: str,
        distribution: BaseDistribution,
    ) -> Any:  # fmt: skip
        """The posterior's value of a parameter, given those that the trial has; or NO_VALUE."""
        if name not in self._space or name in fixed_values(study.sampler, self):
            return NO_VALUE
        known = {n: v for n, v in given.items() if n in self._space and n != name}
        ranking = self._plan_of(study, trial)
        nearest = NO_VALUE
        for candidate in ranking:
            params = candidate.params
            if any(params[n] != value for n, value in known.items()):
                continue
            values = values_near(self._space, name, distribution, params[name])
            if values and values[0] == params[name]:
                return values[0]
            if values and nearest is NO_VALUE:
                nearest = values[0]
        if nearest is NO_VALUE and ranking:  # the trial has left all candidates behind
            values = values_near(self._space, name, distribution, ranking[0].params[name])
            nearest = values[0] if values else NO_VALUE
        return nearest

    # ---- Optuna's interface

    @np.errstate(all="ignore")
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides whose the trial is; then the base sampler's."""
        at = study.study_name, trial.number
        if at not in self._decided:  # by who promotes
            self._plans.pop(at, None)  # of another study of this name
            if enqueued_values(trial):
                self.note(study, trial, {SOURCE: POSTERIOR})  # it completes what is not given
            else:
                self.plan(study, trial)
        self._decided.discard(at)
        if trial.user_attrs.get(SOURCE) != POSTERIOR:
            self.base_sampler.before_trial(study, trial)
            if SOURCE not in trial.user_attrs:
                self.note(study, trial, {SOURCE: BASE})

    @np.errstate(all="ignore")
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The base sampler's values, with the posterior's in place of them in its trials."""
        values = dict(self.base_sampler.sample_relative(study, trial, search_space))
        given = {**fixed_values(study.sampler, self), **trial.params}
        for name, distribution in search_space.items():
            value = self._value(study, trial, given, name, distribution)
            if value is not NO_VALUE:
                values[name] = given[name] = value
        return values

    @np.errstate(all="ignore")
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The posterior's value in its trials, if it has one; else the base sampler's."""
        given = {**fixed_values(study.sampler, self), **trial.params}
        value = self._value(study, trial, given, param_name, param_distribution)
        if value is not NO_VALUE:
            return value
        return self.base_sampler.sample_independent(study, trial, param_name, param_distribution)

    @np.errstate(all="ignore")
    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The base sampler's."""
        self._plans.pop((study.study_name, trial.number), None)
        self.base_sampler.after_trial(study, trial, state, values)
