"""An Optuna sampler that proposes from a prior some of the time, and otherwise asks another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from .._checks import flag, fraction, study_of, trial_of, whole
from .._errors import PriorError
from .._mixture.sampling import NO_VALUE
from .._prior import Prior
from .._trial import ENQUEUED, PRIOR_WEIGHT, PROMOTES, SOURCE, check_storage, enqueued_values
from .adapting import StudyPrior
from .adaptive_weights import SourceWeights
from .bases import DealingSampler, make_base_sampler
from .first_trial import FirstTrial
from .mismatch import MismatchWarning, has_values
from .proposals import PriorProposal, Proposal, UniformProposal
from .random_numbers import uniforms, van_der_corput
from .seeded import MakeSampler
from .trial_history import TrialHistory
from .wrapping import WrappingSampler, fixed_values, nested

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


_RUNNING = 1024  # trials whose proposals are remembered; the oldest go first


class PriorSampler(WrappingSampler):
    """Draws some of a study's trials from a prior, and leaves the rest to a base sampler.

    In a trial that is the prior's, every parameter the prior knows is drawn from it, jointly, each
    value given the ones the trial has already and restricted to the distribution the trial asks
    for. What the prior cannot propose is left to the base sampler: names it does not know, and
    distributions with which it has no value in common; a warning says so, once a study, where
    that looks like a mistake. All other trials are the base sampler's alone. The base sampler sees
    every trial, and learns from the prior's as from its own.

    The first trial of a study is the prior's mode, whatever its weight (at 0 there is none): the
    first that is neither enqueued nor promotes one that was. A value of the mode that the trial's
    range does not have is drawn, and the others are the mode given that one. From the second trial
    on the prior's are a fraction of the trials, its weight, spread evenly.

    The weight is adaptive unless you say otherwise. There are three sources then: the prior's
    kernels, uniform sampling (which takes the place of the prior's floor) and the base sampler. The
    kernels' weight starts at `weight` times one minus the floor. Once a trial of theirs has
    finished beside another source's, the trials are ranked, and the weight is the probability that
    the kernels' are the better ones: one half before they are seen (or `weight`, if that is more),
    and always between 0.03 and 0.8. So a good prior shows soon what it is worth, and a bad one
    costs few trials. What you enqueue keeps its values, is completed by the prior, and counts for
    no source ("enqueued").

    A trial's draw depends on the seed, the trial's number, the values it has and the trials that
    have finished. So workers do not propose the same points, and a study resumed with the same
    seed continues as it would have (on a file or database this needs `storage`).

    Args:
        prior: what to draw from; its names are the study's parameter names.
        base_sampler: any other sampler, or a function that makes one from a seed, which is called
            anew for every trial; None is Optuna's TPE, made so. A sampler that is passed in has its
            own random state: its draws are repeated by a run that is not resumed and has one
            worker. A `PartialFixedSampler`'s values are kept in every trial, and the prior is
            conditioned on them. A `QMCSampler`, `GridSampler` or `BruteForceSampler` is asked for
            its own trials only and loses none of its points; the latter two do not end the study,
            have all trials that are not the prior's as long as there are points left, and so a
            fifth of them at least.
        weight: of the prior, the fraction of the trials that it proposes, in [0, 1]; at the start
            where it is adaptive. At 0 the base sampler is alone.
        seed: of this sampler's draws and of the base samplers made here; taken from the system's
            entropy where None.
        adaptive: whether the weight is learned; False keeps it, and the prior's floor is drawn
            from as a part of the prior.
        storage: the study's storage, the same object that the study was created with. With it
            the attributes below are written into it, and under Hyperband the weight is learned
            from all brackets from the first trial on.

    Raises:
        PriorError: where an argument is out of its range.

    Which source proposed a trial is its user attribute `PriorSampler.SOURCE`: "prior", "uniform" or
    "base" (a trial of which the prior had no value to give becomes the base sampler's when it
    ends); the prior's weight at that time is `PriorSampler.PRIOR_WEIGHT`. Optuna gives a sampler no
    way of its own to write into a study: in memory these attributes are kept, in a file or database
    only where `storage` is given, as `hyperband_study` does.

    Adaptive weights: Mallik et al., PriorBand, NeurIPS 2023, section 5, made for what a sampler
    sees.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior, PriorSampler
        >>> space = {"depth": optuna.distributions.IntDistribution(1, 5)}
        >>> prior = Prior.from_points(space, [{"depth": 2}])
        >>> study = optuna.create_study(sampler=PriorSampler(prior, seed=0))
        >>> study.optimize(lambda trial: trial.suggest_int("depth", 1, 5), n_trials=3)
        >>> study.trials[0].params, study.trials[0].user_attrs["infoprior:source"]
        ({'depth': 2}, 'prior')
    """

    SOURCE, PRIOR_WEIGHT = SOURCE, PRIOR_WEIGHT

    def __init__(
        self,
        prior: Prior,
        base_sampler: BaseSampler | MakeSampler | None = None,
        weight: float = 0.25,
        seed: int | None = None,
        *,
        adaptive: bool = True,
        storage: BaseStorage | None = None,
    ) -> None:
        if not isinstance(prior, Prior):
            raise PriorError(
                f"prior: needs a Prior, got {type(prior).__name__}; Prior.load reads a file."
            )
        self._weight = fraction("weight", weight)
        adaptive = flag("adaptive", adaptive)
        if storage is not None and not isinstance(storage, BaseStorage):
            raise PriorError(
                "storage: needs the storage object that the study is created with, "
                f"got {type(storage).__name__}."
            )
        self._prior = prior
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(2, np.uint64)[0])
        self._seed = whole("seed", seed, 0)
        super().__init__(make_base_sampler(base_sampler, self._seed), storage)
        if any(isinstance(sampler, PriorSampler) for sampler in nested(self.base_sampler)):
            raise PriorError(
                "base_sampler: holds a PriorSampler itself; mix the two priors (Prior.mix)."
            )
        self._history: TrialHistory | None = None
        if adaptive and self._weight > 0.0:
            kernels = 1.0 - prior.floor if prior.n_components else 1.0
            self._history = TrialHistory(prior, self._weight * kernels, storage)
        self._checked: str | None = None  # the study that the storage was seen to hold
        self._first = FirstTrial(storage)
        self._proposals: dict[int, Proposal] = {}  # trial number -> what the prior proposes
        self._mismatch = MismatchWarning(prior)
        self._study_prior = StudyPrior(prior, storage)
        # A study's sources begin at a place of their own in van der Corput's sequence.
        self._shift, _ = uniforms(self._seed, -1, "")

    def __str__(self) -> str:
        adaptive = "" if self._history is None else ", adaptive=True"
        return f"{type(self).__name__}({self.base_sampler}, weight={self._weight:g}{adaptive})"

    # ---- what it decides

    @np.errstate(all="ignore")
    def prior_weight(self, study: Study) -> float:
        """The fraction of a study's next trials that the prior is to propose."""
        study_of("study", study)
        return self._source_weights(study, len(study.get_trials(deepcopy=False))).prior

    def _source_weights(self, study: Study, number: int) -> SourceWeights:
        if self._history is None:
            return SourceWeights(self._weight, 0.0, 1.0 - self._weight)
        return self._history.source_weights(study, number)

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

    def _begin(self, study: Study, trial: FrozenTrial) -> str:
        """Decide whose a trial is, and note it in the trial."""
        if self.storage is not None and self._checked != study.study_name:
            check_storage(self.storage, study, trial)
            self._checked = study.study_name
        weights = self._source_weights(study, trial.number)
        mode = self._weight > 0.0 and self._prior.n_components > 0
        mode = mode and self._first.is_first(study, trial)
        place = van_der_corput(trial.number, self._shift)
        if self._weight > 0.0 and enqueued_values(trial):
            source = ENQUEUED
        elif mode or place < weights.prior:
            source = "prior"
        else:
            source = self._other_source(study, trial, weights)
        self._proposals.pop(trial.number, None)  # of another study
        if mode:
            self._propose(study, trial, source, mode=True)
        self.note(study, trial, {SOURCE: source, PRIOR_WEIGHT: round(weights.prior, 4)})
        return source

    def _other_source(self, study: Study, trial: FrozenTrial, weights: SourceWeights) -> str:
        """Whose a trial is that is not the prior's."""
        if isinstance(self.base_sampler, DealingSampler) and self.base_sampler.exhaustive:
            return "base" if self.base_sampler.needs_trials(study) else "uniform"
        u, _ = uniforms(self._seed, trial.number, "")
        return "uniform" if u * (1.0 - weights.prior) < weights.uniform else "base"

    def _proposal(self, study: Study, trial: FrozenTrial) -> Proposal | None:
        """What the source of a trial proposes, begun here or elsewhere; None for the base."""
        source = trial.user_attrs.get(SOURCE) or self._begin(study, trial)
        if source == "base":
            return None
        return self._proposals.get(trial.number) or self._propose(study, trial, source)

    def _propose(
        self, study: Study, trial: FrozenTrial, source: str, *, mode: bool = False
    ) -> Proposal:
        fixed = fixed_values(study.sampler, self)
        proposal: Proposal
        if source == "uniform":
            proposal = UniformProposal(self._seed, fixed)
        else:
            floor = self._history is None  # otherwise it is a source of its own
            prior = self._prior if mode else self._study_prior.given(study, trial)
            proposal = PriorProposal(prior, self._seed, fixed, mode=mode, floor=floor)
        self._proposals[trial.number] = proposal
        while len(self._proposals) > _RUNNING:
            self._proposals.pop(next(iter(self._proposals)), None)
        return proposal

    # ---- Optuna's interface

    @np.errstate(all="ignore")
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The base sampler's values, with those of the trial's source in place of them."""
        proposal = self._proposal(study, trial)
        values = {} if proposal is None else proposal.joint(trial, search_space)
        # The base is always asked: some samplers (NSGA-II, CMA-ES) enter a trial into their
        # population here, and would not learn from the prior's trials otherwise.
        return {**self.base_sampler.sample_relative(study, trial, search_space), **values}

    @np.errstate(all="ignore")
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of the trial's source; the base sampler's where that has none, or fixes it."""
        proposal = self._proposal(study, trial)
        if proposal is not None:
            value = proposal.single(trial, param_name, param_distribution)
            if value is not NO_VALUE:
                return value
        return self.base_sampler.sample_independent(study, trial, param_name, param_distribution)

    @np.errstate(all="ignore")
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides whose the trial is; then the base sampler's."""
        source = self._begin(study, trial)
        if source == "base" or not isinstance(self.base_sampler, DealingSampler):
            self.base_sampler.before_trial(study, trial)

    @np.errstate(all="ignore")
    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The base sampler's; then learns from the trial."""
        self._correct_source(study, trial)
        self._proposals.pop(trial.number, None)
        self.base_sampler.after_trial(study, trial, state, values)
        if self._history is not None:
            self._history.add(study, trial, state, values)
        if self._weight > 0.0:
            self._mismatch.look_at(study.study_name, trial, lambda: self._study_began(study))

    def _correct_source(self, study: Study, trial: FrozenTrial) -> None:
        """A trial that was to be the prior's, and had none of its values, is the base's."""
        attributes = trial.user_attrs
        if attributes.get(SOURCE) != "prior" or attributes.get(PROMOTES) is not None:
            return  # a promotion's are those of the trial that was paused
        proposal = self._proposal(study, trial)
        assert proposal is not None
        if not any(
            name not in proposal.fixed
            and not distribution.single()
            and has_values(self._prior, name, distribution)
            for name, distribution in trial.distributions.items()
        ):
            self.note(study, trial, {SOURCE: "base"})

    def _study_began(self, study: Study) -> object:
        """When the study's first trial began, which tells studies of one name apart."""
        if self.storage is None:
            return None
        of_study = self.storage.get_study_id_from_name(study.study_name)
        first = self.storage.get_trial_id_from_study_id_trial_number(of_study, 0)
        return self.storage.get_trial(first).datetime_start
