"""Hyperband whose promotions a performance predictor decides: freeze-thaw by its posterior.

At every trial all that could be trained next compete: a new architecture up to the lowest rung, or
any paused network up to its next one (Swersky, Snoek and Adams, arXiv 1406.3896). Trials that are
not the predictor's are those of Hyperband's schedule, promotions by raw results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from infoprior.fingerprints import fingerprint
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import NOTHING, Evidence
from infoprior.predictors._search.sampler import PosteriorSampler
from infoprior.priors import Promotion
from infoprior.priors._search.promotion import PromotingSampler
from infoprior.priors._trial import enqueued_values

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from infoprior.predictors._performance import PerformancePredictor


class PosteriorPromotion(Promotion):
    """Lets a predictor decide what a Hyperband study trains next: `hyperband_study(promote=...)`.

    Args:
        predictor: a fitted `PerformancePredictor`.
        evidence: what is known of the task besides the study, see `PosteriorSampler`.
        first_full: whether the first trial trains the predictor's first choice to the end: so a
            study has a finished network from then on.
        **settings: of `PosteriorSampler`: acquisition, cost, fixed, candidates, metric, adaptive.

    Raises:
        PredictorError: an argument is of another type or out of its range.

    Example:
        >>> from infoprior.priors import hyperband_study
        >>> promotion = PosteriorPromotion(predictor)  # doctest: +SKIP
        >>> study = hyperband_study(
        ...     predictor.posterior().prior(), name="mine", max_resource=27, direction="maximize",
        ...     promote=promotion)  # doctest: +SKIP
    """

    def __init__(
        self, predictor: PerformancePredictor, evidence: Evidence = NOTHING, *,
        first_full: bool = True, **settings: Any,
    ) -> None:  # fmt: skip
        allowed = {"acquisition", "cost", "fixed", "candidates", "metric", "adaptive"}
        if unknown := sorted(set(settings) - allowed):
            raise PredictorError(
                f"PosteriorPromotion has no setting {unknown[0]!r}; it has {sorted(allowed)}."
            )
        if not isinstance(first_full, bool):
            raise PredictorError(f"first_full: needs to be True or False, got {first_full!r}.")
        PosteriorSampler(predictor, seed=0, evidence=evidence, **settings)  # refused here
        self._predictor, self._evidence = predictor, evidence
        self._first_full, self._settings = first_full, settings

    def settings(self, direction: str) -> dict[str, Any]:
        """What a study keeps: a checksum of the predictor, and how it is asked.

        Raises:
            PredictorError: what trials report needs the other direction.
        """
        metric = self._settings.get("metric")
        if metric is not None and (metric == "accuracy") != (direction == "maximize"):
            raise PredictorError(f"The metric {metric!r} does not go with {direction!r}.")
        model = self._predictor._require_fitted().model
        arrays = [*dataclasses.astuple(model.factors), *dataclasses.astuple(model.noise)]
        if model.auxiliary is not None:
            arrays += dataclasses.astuple(model.auxiliary)
        text = repr((model.names, model.points, self._evidence, self._evidence.records))
        own = dict(self._settings)
        cost = own.pop("cost", None)
        return {
            "predictor": fingerprint(text, *[np.asarray(a).tobytes().hex() for a in arrays]),
            "first_full": self._first_full,
            "cost": None if cost is None else getattr(cost, "__qualname__", type(cost).__name__),
            "settings": repr(sorted(own.items())),
        }

    def sampler(
        self, base_sampler: BaseSampler, rungs: Sequence[int], eta: int, storage: BaseStorage,
        seed: int,
    ) -> PromotingSampler:  # fmt: skip
        """The study's sampler."""
        inner = PosteriorSampler(
            self._predictor, base_sampler, evidence=self._evidence, seed=seed, storage=storage,
            **self._settings,
        )  # fmt: skip
        return PosteriorPromotingSampler(inner, rungs, eta, storage, first_full=self._first_full)


class PosteriorPromotingSampler(PromotingSampler):
    """What a `PosteriorSampler` plans, and else the schedule's promotions.

    Args:
        base_sampler: plans, and proposes new configurations.
        rungs, eta, storage: as of `PromotingSampler`.
        first_full: whether the first trial is trained to the last rung.
    """

    base_sampler: PosteriorSampler

    def __init__(
        self, base_sampler: PosteriorSampler, rungs: Sequence[int], eta: int, storage: BaseStorage,
        *, first_full: bool,
    ) -> None:  # fmt: skip
        super().__init__(base_sampler, rungs, eta, storage)
        self._first = first_full

    @property
    def first_full(self) -> int:
        """The number of the first trial that is certain to be trained to the end."""
        return 0 if self._first else super().first_full

    def decide(self, study: Study, trial: FrozenTrial) -> tuple[int, FrozenTrial | None]:
        """What the posterior plans; what the schedule says where it leaves the trial to that."""
        if enqueued_values(trial) or trial.params:
            return super().decide(study, trial)
        first = self._first and all(
            enqueued_values(t)
            for t in study.get_trials(deepcopy=False)[: trial.number]
        )  # fmt: skip
        planned = self.base_sampler.plan(study, trial, self._rungs, first=first)
        if planned is None:
            return super().decide(study, trial)
        paused = None if planned.network is None else planned.network.trial
        return self._rungs.index(planned.epochs[-1]), paused
