"""What a prior of past studies would have been worth to each of them.

How wide kernels are, how near a study has to be and how large the uniform share is are chosen by
leaving out one study at a time: its best trials are predicted from the *other* studies, which is
the use that a prior is put to. Within a study nothing could be learned of that, since its best
trials were proposed together and lie together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .._values import Array
from .bandwidths import FLAT, NARROWEST, Points, log_kernels, scott_bandwidths
from .similarity import kernel, scales

FLOORS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
FLOOR_OF_FEW = 0.2  # where no study can be left out: how well they transfer is not known
_COMMON = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # multipliers of all bandwidths
_SINGLE = (0.5, 0.7, 1.4, 2.0)  # and of one, times that


class LeaveOneStudyOut:
    """What choices are worth: each study's best trials under the prior of all other studies.

    Args:
        points: the best trials of s studies.
        between: distances between the studies, shape (s, s); None where they are not described.
        scale: of the kernel of these distances, where it is not to be chosen.

    Attributes:
        multipliers: name -> what Scott's bandwidth is multiplied by; FLAT for a flat kernel.
        scale: of the distances' kernel.
        floor: the uniform share.
    """

    def __init__(
        self, points: Points, between: Array | None = None, scale: float | None = None
    ) -> None:
        self.points = points
        s = len(points.reliability)
        self.between = np.zeros((s, s)) if between is None else between.copy()
        np.fill_diagonal(self.between, np.inf)  # a study does not predict itself
        self.scale = FLAT if scale is None else scale
        self._scale_is_given = scale is not None
        self.multipliers = dict.fromkeys(points.axes, 1.0)
        self.floor = FLOOR_OF_FEW
        self._joint = points.joint(points.reliability)
        self._study_weights = points.reliability / points.reliability.sum()

    def _matrix(self, name: str, multipliers: Mapping[str, float]) -> Array:
        width = scott_bandwidths(self.points, self._joint, multipliers, NARROWEST)[name]
        return log_kernels(self.points.axes[name], self.points.positions[name], width)

    def _scores(self, total: Array, scale: float) -> tuple[Array, float]:
        """(mean log ratio of each study's best under the others, at the best floor; that floor)."""
        p = self.points
        near = p.reliability * kernel(self.between, scale)
        near = near / near.sum(axis=1, keepdims=True)
        log_near = np.where(near > 0.0, np.log(np.where(near > 0.0, near, 1.0)), -np.inf)
        x = total + log_near[p.study][:, p.study] + np.log(p.weights)
        peak = x.max(axis=1)
        ratio = np.exp(x - peak[:, None]).sum(axis=1)
        mixed = np.exp(np.minimum(np.log(ratio) + peak, 700.0))
        best: Array | None = None
        chosen = FLOORS[0]
        for floor in FLOORS:
            each = np.log(floor + (1.0 - floor) * mixed)
            scores = np.bincount(p.study, p.weights * each, len(p.reliability)).astype(np.float64)
            if best is None or self._study_weights @ scores > self._study_weights @ best:
                best, chosen = scores, floor
        assert best is not None
        return best, chosen

    def _gain(self, new: Array, old: Array) -> tuple[float, float]:
        """(mean gain over the studies, its standard error)."""
        d = new - old
        mean = float(self._study_weights @ d)
        effective = 1.0 / float(self._study_weights @ self._study_weights)
        error = math.sqrt(float(self._study_weights @ (d - mean) ** 2) / max(effective - 1.0, 1.0))
        return mean, error

    def choose(self) -> float:
        """Choose multipliers, scale and floor.

        First one multiplier for all bandwidths, then each in turn, then the metafeatures' scale. A
        choice that makes the prior sharper has to be better by one standard error over studies; a
        parameter is made flat wherever that costs nothing.

        Returns:
            The mean log ratio of the studies' best trials under the prior of the others, in nats.
        """
        names = [*self.points.axes]
        best: tuple[Array, float] | None = None
        total = np.zeros((len(self.points.study),) * 2)
        for c in (FLAT, *reversed(_COMMON)):
            tried = dict.fromkeys(names, c)
            candidate = np.sum([self._matrix(n, tried) for n in names], axis=0)
            scores, floor = self._scores(candidate, self.scale)
            if best is None or self._study_weights @ scores > self._study_weights @ best[0]:
                best, self.multipliers, total = (scores, floor), tried, candidate
        assert best is not None
        for _ in range(2):
            for name in names:
                best, total = self._refine(name, best, total)
            best = self._rescale(best, total)
        self.floor = best[1]
        return float(self._study_weights @ best[0])

    def _refine(
        self, name: str, best: tuple[Array, float], total: Array
    ) -> tuple[tuple[Array, float], Array]:
        """Another bandwidth for one parameter, where that is better."""
        now = self.multipliers[name]
        rest = total - self._matrix(name, self.multipliers)
        sharper = (2.0, 1.0, 0.5) if math.isinf(now) else (FLAT, *(now * s for s in _SINGLE))
        for c in sharper:
            tried = {**self.multipliers, name: c}
            candidate = rest + self._matrix(name, tried)
            scores = self._scores(candidate, self.scale)
            mean, error = self._gain(scores[0], best[0])
            if mean >= 0.0 if math.isinf(c) else mean > error:
                best, total, self.multipliers = scores, candidate, tried
        return best, total

    def _rescale(self, best: tuple[Array, float], total: Array) -> tuple[Array, float]:
        """Another scale of the metafeatures' kernel, where that is better."""
        if self._scale_is_given:
            return best
        for scale in reversed(scales(self.between)):
            scores = self._scores(total, scale)
            mean, error = self._gain(scores[0], best[0])
            if mean > error:
                best, self.scale = scores, scale
        return best
