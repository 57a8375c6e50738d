"""The model of BOHB (Falkner, Klein & Hutter, ICML 2018, section 4 and its reference code) as an
Optuna sampler: multivariate kernel densities of the good and the other trials, over all brackets,
at the highest budget that has enough of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from infoprior.priors import Prior

RANDOM, TOP, CANDIDATES, WIDENING, NARROWEST = 1 / 3, 0.15, 64, 3.0, 1e-3


class BOHBSampler(BaseSampler):
    """A third of the trials uniform; the others maximise good(x) / other(x) over 64 draws.

    At a budget (a rung), the best 15 % of its trials are good and the rest is not, each side of at
    least d + 1 trials where there are that many; the model is that of the highest budget with more
    than d + 2. Bandwidths follow the normal reference rule; draws come from the good density with
    bandwidths three times as wide. Kernels are Gaussians truncated to the unit interval, as in
    `Prior.from_points`.

    Args:
        space: what is searched.
        seed: of its draws.
    """

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        self.space, self._rng = space, np.random.default_rng(seed)
        self._uniform, self._least = RandomSampler(seed=seed), len(space) + 1
        self._prior = Prior.uniform(space)
        # Under Hyperband a sampler is shown its bracket's trials only; BOHB's model is of all.
        self.whole: Study | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        whole = self.whole or study
        rung = None if self._rng.random() < RANDOM else self._model_rung(whole)
        if rung is None:
            return self._prior.sample(1, self._rng)[0]
        points, losses = rung
        order = np.argsort(losses, kind="stable")
        n_good = max(self._least, int(TOP * len(order)))
        n_other = max(self._least, len(order) - int(TOP * len(order)))
        good = [points[i] for i in order[:n_good]]
        other = [points[i] for i in order[-n_other:]]
        draws = self._density(good, WIDENING).sample(CANDIDATES, self._rng)
        gain = self._density(good).log_ratio(draws) - self._density(other).log_ratio(draws)
        return draws[int(np.argmax(gain))]

    def _model_rung(self, study: Study) -> tuple[list[dict[str, Any]], NDArray[np.float64]] | None:
        """Points and losses at the highest budget with enough trials."""
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        rungs: dict[int, list[tuple[dict[str, Any], float]]] = {}
        for trial in study.get_trials(deepcopy=False):
            for step, value in trial.intermediate_values.items():
                rungs.setdefault(step, []).append((trial.params, sign * value))
        for step in sorted(rungs, reverse=True):
            if len(rungs[step]) > self._least + 1:
                points, losses = zip(*rungs[step], strict=True)
                return list(points), np.array(losses)
        return None

    def _density(self, points: list[dict[str, Any]], wider: float = 1.0) -> Prior:
        """Scott's rule on each unit coordinate: 1.06 s n^(-1 / (4 + d))."""
        factor = wider * 1.06 * len(points) ** (-1.0 / (4 + len(self.space)))
        bandwidth = {}
        for name, d in self.space.items():
            values = [point[name] for point in points]
            if isinstance(d, CategoricalDistribution):
                spread = float(np.std([d.choices.index(v) for v in values])) / len(d.choices)
            else:
                x, low, high = np.array(values, dtype=float), float(d.low), float(d.high)  # type: ignore[attr-defined]
                if d.log:  # type: ignore[attr-defined]
                    x, low, high = np.log(x), np.log(low), np.log(high)
                spread = float(np.std(x)) / (high - low)
            bandwidth[name] = min(max(factor * spread, NARROWEST), 1.0)
        return Prior.from_points(self.space, points, bandwidth=bandwidth, floor=1e-6)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._uniform.sample_independent(study, trial, param_name, param_distribution)
