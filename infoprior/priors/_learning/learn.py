"""A prior from the best trials of past studies: a component around each, all studies alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._mixture.axes import make_axes
from .._mixture.json_file import Metadata
from .._mixture.mixture import MAX_COMPONENTS, Mixture, make_mixture
from .._values import share, short, whole
from .joint_space import placed
from .leave_one_out import FLOOR_OF_FEW, NARROWEST, NARROWEST_OF_FEW, HeldOut, Points
from .leave_one_out import bandwidths as rule
from .leave_one_out import kernels as around
from .ranking import Best
from .similarity import Array, distances, kernel

FEWEST_STUDIES = 3  # to hold one out of
FEWEST_DESCRIBED = 5  # studies, to choose the scale of a distance between them
MOST_POINTS = 384  # compared with each other in choosing


def learn(
    found: Sequence[Best],
    space: Mapping[str, BaseDistribution],
    *,
    bandwidth: float | None,
    floor: float | None,
    max_components: int,
    metafeatures: Mapping[str, Any] | None = None,
    target: Any = None,
    metadata: Metadata,
) -> tuple[Mixture, Metadata]:
    """The prior of `from_studies`, which says what the arguments are."""
    axes = make_axes(space)
    found = [b for b in found if any(n in axes for p in b.params for n in p)]
    if not found:
        raise PriorError("space: no study has a good trial with one of its parameters.")
    if metafeatures is None and target is not None:
        raise PriorError("target: is given without metafeatures= of the past studies.")
    between, nearness = None, None
    if metafeatures is not None:
        names = [b.name for b in found]
        if twice := sorted(name for name, n in Counter(names).items() if n > 1):
            raise PriorError(f"metafeatures: several studies have the name {short(twice[0])}.")
        between, nearness = distances(names, metafeatures, target)
    positions, moved = placed(axes, [p for b in found for p in b.params])
    points = Points(
        axes,
        positions,
        np.repeat(np.arange(len(found)), [len(b.params) for b in found]),
        np.concatenate([b.weights for b in found]),
        np.array([b.reliability for b in found]),
    )
    extra: Metadata = {"values_moved": moved}
    multipliers, scale, chosen = _choose(points, between, extra)
    weights = points.reliability * (1.0 if nearness is None else kernel(nearness, scale))
    joint = points.joint(weights)
    narrowest = NARROWEST if len(found) >= FEWEST_STUDIES else NARROWEST_OF_FEW
    # Of all studies alike, as they were in choosing.
    widths = rule(points, points.joint(points.reliability), multipliers, narrowest)
    if bandwidth is not None:
        widths = dict.fromkeys(axes, float(bandwidth))
    index, weights_kept = thinned(joint, max_components)
    made = {n: around(axis, positions[n][index], widths[n]) for n, axis in axes.items()}
    extra["studies_effective"] = round(float(weights.sum() ** 2 / (weights @ weights)), 3)
    mixture = make_mixture(axes, made, weights_kept, chosen if floor is None else floor)
    return mixture, {**metadata, **extra}


def check_settings(bandwidth: Any, floor: Any, max_components: Any) -> None:
    """PriorError for one out of its range, before anything is read."""
    if bandwidth is not None:
        share("bandwidth", bandwidth)
    if floor is not None:
        share("floor", floor)
    whole("max_components", max_components, 1, MAX_COMPONENTS)


def _choose(
    points: Points, between: Array | None, extra: Metadata
) -> tuple[dict[str, float], float, float]:
    """(multipliers of the bandwidths, scale of the distances, floor); how goes into `extra`."""
    n_studies = len(points.reliability)
    default = math.inf
    if between is not None and n_studies < FEWEST_DESCRIBED:
        # Too few to learn it from: beside a study right at the target, its neighbour weighs e^-2.
        apart = between[between > 0.0]
        default = 0.5 * float(apart.min()) if len(apart) else math.inf
    if n_studies < FEWEST_STUDIES:
        extra["chosen_by"] = "rule"
        return dict.fromkeys(points.axes, 1.0), default, FLOOR_OF_FEW
    index, studies = few(points.study, MOST_POINTS)
    held_out = HeldOut(
        points.subset(index, studies),
        None if between is None else between[np.ix_(studies, studies)],
        default if n_studies < FEWEST_DESCRIBED else None,
    )
    gain = held_out.choose()
    extra["chosen_by"] = "held-out studies"
    extra["held_out_log_ratio"] = round(gain, 6)
    if between is not None and math.isfinite(held_out.scale):
        extra["metafeature_scale"] = held_out.scale
    return held_out.multipliers, held_out.scale, held_out.floor


def few(study: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(indices of about n points, the studies they are of): evenly spread studies, their best.

    `study` is each point's study, sorted; a study's points have the best first.
    """
    counts = np.bincount(study)
    s = len(counts)
    each = max(n // s, 3)
    studies = np.unique(np.linspace(0, s - 1, min(s, max(n // each, 1))).round().astype(np.int64))
    starts = np.cumsum(counts) - counts
    index = [starts[i] + np.arange(min(counts[i], each)) for i in studies]
    return np.concatenate(index), studies


def thinned(weights: Array, most: int) -> tuple[NDArray[np.int64], Array]:
    """(indices, weights) of at most `most` points that stand for all of them.

    Systematic resampling (Kitagawa 1996, appendix) with its offset fixed in the middle:
    deterministic, and the weight of any run of consecutive points is right to 1/most.
    """
    if np.count_nonzero(weights) <= most:
        index = np.flatnonzero(weights)
        return index, weights[index] / weights[index].sum()
    edges = np.cumsum(weights)
    picked = np.searchsorted(edges, (np.arange(most) + 0.5) / most * edges[-1], side="right")
    index, counts = np.unique(np.minimum(picked, len(weights) - 1), return_counts=True)
    return index, counts / most
