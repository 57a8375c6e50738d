"""`recommend`: which architecture to keep after a search, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from infoprior._ambient import default_settings
from infoprior._arguments import instance_of, real_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import NOTHING, Evidence
from infoprior.predictors._posterior import ACCURACY
from infoprior.predictors._search.networks import metric_of
from infoprior.predictors._search.sampler import PosteriorSampler
from infoprior.predictors._search.study_posterior import StudyPosterior, Varied, check_predictor
from infoprior.priors._search.wrapping import nested

if TYPE_CHECKING:
    from infoprior.predictors._performance import PerformancePredictor
    from infoprior.predictors._posterior import Posterior

# The least trust at which the predictor has a say. A mixture lets a predictor that is wrong still
# choose, and one that takes architectures for alike names untrained ones: on recorded curves both
# cost misled studies more than raw results did.
FOLLOWED = 0.5
# Architectures with results at the latest epoch, from which on these have a say beside expected
# scores, and alone. With fewer the best of them is too often none that is good: the first one is
# the predictor's first choice, which a misleading one trains to the end.
COMPARED, COMPARED_ALONE = 5, 3


@dataclass(frozen=True, repr=False)
class Recommendation:
    """The architecture to keep.

    Attributes:
        params: the architecture, in the predictor's space.
        accuracy: its expected test accuracy, fully trained.
        low, high: ends of the central interval that holds its test accuracy with the probability
            `level`.
        level: see there.
        runner_up: the second best architecture; None where there is one only.
        probability_better: that it is better than the runner-up.
        trial: the number of the trial in which it was trained last; None: in none.
        epochs: that it was trained for there.
        trust: how far the predictor was followed, from 0 to 1.
    """

    params: dict[str, Any]
    accuracy: float
    low: float
    high: float
    level: float
    runner_up: dict[str, Any] | None
    probability_better: float
    trial: int | None
    epochs: int
    trust: float

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        lines = [
            f"Recommendation({shown})",
            f"  test accuracy {self.accuracy:.3f}, {100 * self.level:.0f} % interval "
            f"{self.low:.3f} to {self.high:.3f}",
        ]
        if self.runner_up is not None:
            other = ", ".join(
                f"{name}={_short(value)}"
                for name, value in self.runner_up.items()
                if self.params[name] != value
            )
            lines.append(
                f"  better than the runner-up ({other}) with probability "
                f"{self.probability_better:.2f}"
            )
        where = "not trained yet"
        if self.trial is not None:
            where = f"trained for {self.epochs} epochs, last in trial {self.trial}"
        return "\n".join([*lines, f"  {where}; trust in the predictor {self.trust:.2f}"])


@default_settings()
def recommend(
    study: optuna.Study,
    predictor: PerformancePredictor | None = None,
    *,
    evidence: Evidence | None = None,
    fixed: Mapping[str, Any] | None = None,
    candidates: Sequence[Mapping[str, Any]] | None = None,
    metric: str | None = None,
    level: float = 0.8,
    trained_only: bool = False,
) -> Recommendation:
    """The architecture of the highest expected score, given a study's trials.

    Expected is a mixture, weighted by trust (see `PosteriorSampler`), of the predictor's posterior
    and of that of the same predictor which takes all architectures for alike. Once five
    architectures have results at the latest epoch that the study has reached, the choice is among
    these, by the expected score plus the raw result in its standard errors, those that the rows
    leave it. Where the study's results speak against the predictor, at a trust below one half, it
    has no say in that: from three architectures on, the best raw result at that epoch is named, as
    Hyperband does. Accuracy, interval and probability are the mixture's, whoever chose.

    Args:
        study: any study over the predictor's space, or a part of it; its trials may have come from
            any sampler.
        predictor: a fitted one; None: that of the study's `PosteriorSampler`, with its settings.
        evidence: what is known of the task besides the study; None: as the sampler has it.
        fixed, candidates, metric: see `PosteriorSampler`; None: as the sampler has it.
        level: of the interval, above 0 and below 1.
        trained_only: whether it has to be an architecture that the study has trained.

    Raises:
        PredictorError: an argument is of another type or out of range, or there is none to
            recommend.
    """
    instance_of(study, optuna.Study, "study", "give an Optuna study", PredictorError)
    level = real_number(level, "level", 0.0, 1.0, above=True, below=True, error=PredictorError)
    own = next((s for s in nested(study.sampler) if isinstance(s, PosteriorSampler)), None)
    adaptive = True
    if predictor is None:
        if own is None:
            raise PredictorError(
                "predictor: give one; the study's sampler, a "
                f"{type(study.sampler).__name__}, has none."
            )
        predictor, adaptive = own._predictor, own._adaptive
        evidence = own._evidence if evidence is None else evidence
        fixed = own.about.fixed if fixed is None else fixed
        candidates = own.about.candidates if candidates is None else candidates
        metric = own._metric if metric is None else metric
    evidence = NOTHING if evidence is None else evidence
    check_predictor(predictor, evidence)
    about = StudyPosterior(predictor, evidence, metric_of(study, metric), Varied(fixed, candidates))
    about.update(study.get_trials(deepcopy=False))
    keys = about.known_keys(trained_only)
    if not keys:
        raise PredictorError("The study has trained no architecture of the predictor's space yet.")
    points = [dict(key) for key in keys]
    trust = about.trust() if adaptive else 1.0
    mixture = [(trust, about.posterior), (1.0 - trust, about.without_names())]
    score = np.asarray(sum(weight * p.mean(points, of="score") for weight, p in mixture))
    order = np.argsort(-score, kind="stable")
    results = about.results(keys)
    compared = np.isfinite(results).sum()
    if trust < FOLLOWED and compared >= COMPARED_ALONE:
        order = np.lexsort((-score, -results))
    elif trust >= FOLLOWED and compared >= COMPARED:
        order = np.lexsort((-score, -(score + results)))
    best = points[order[0]]
    other = points[order[1]] if len(order) > 1 else None
    probability = 1.0
    if other is not None:
        probability = sum(weight * p.probability_better(best, other) for weight, p in mixture)
    low, high = _interval(mixture, best, level)
    latest = about.latest(keys[order[0]])
    return Recommendation(
        params={name: best[name] for name in predictor.space},
        accuracy=float(sum(weight * p.mean([best])[0] for weight, p in mixture)),
        low=low,
        high=high,
        level=level,
        runner_up=None if other is None else {name: other[name] for name in predictor.space},
        probability_better=float(probability),
        trial=None if latest is None else latest.trial.number,
        epochs=0 if latest is None else latest.reached,
        trust=trust,
    )


def _interval(
    mixture: Sequence[tuple[float, Posterior]], point: Mapping[str, Any], level: float
) -> tuple[float, float]:
    """Central interval of a mixture of accuracies."""
    parts = []
    for weight, posterior in mixture:
        centre, spread = posterior._marginals([point], ACCURACY)
        parts.append((weight, float(centre[0]), float(spread[0])))

    def quantile(q: float) -> float:
        ends = [c + s * float(ndtri(q)) for _, c, s in parts]

        def above(x: float) -> float:
            return sum(w * float(ndtr((x - c) / s)) for w, c, s in parts) - q

        low, high = min(ends) - 1e-6, max(ends) + 1e-6
        x = float(brentq(above, low, high))
        return float(mixture[0][1]._result(np.array(x), ACCURACY))

    return quantile((1.0 - level) / 2.0), quantile((1.0 + level) / 2.0)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
