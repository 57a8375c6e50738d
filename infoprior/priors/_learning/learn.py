"""A prior from the best trials of past studies: a component around each, all studies alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from .._adapting.past import History, PastStudies, fit_past
from .._errors import PriorError
from .._mixture.axes import Axis, make_axes
from .._mixture.json_file import Metadata
from .._mixture.mixture import MAX_COMPONENTS, Mixture, make_mixture
from .._mixture.truncated_normal import ppf
from .._values import Array, one_of, positive_fraction, short, whole
from .bandwidths import (
    NARROWEST,
    NARROWEST_OF_FEW,
    Points,
    kernels_around_points,
    scott_bandwidths,
)
from .joint_space import locate_or_move
from .leave_one_out import FLOOR_OF_FEW, LeaveOneStudyOut
from .ranking import TopTrials
from .similarity import distances, kernel


class Learned(NamedTuple):
    """What `Prior` makes a prior of; `past` is what it adapts by, where it does."""

    mixture: Mixture
    metadata: Metadata
    past: PastStudies | None = None


FEWEST_STUDIES = 3  # to hold one out of
FEWEST_DESCRIBED = 5  # studies, to choose the scale of a distance between them
MOST_POINTS = 384  # compared with each other in choosing


def learn(
    best: Sequence[TopTrials],
    space: Mapping[str, BaseDistribution],
    *,
    bandwidth: float | None,
    floor: float | None,
    max_components: int,
    metafeatures: Mapping[str, Any] | None = None,
    target: Any = None,
    metadata: Metadata,
) -> Learned:
    """The prior of `from_studies`, which says what the arguments are.

    Returns:
        The mixture, `metadata` and how the mixture was chosen, and the past studies themselves if
        their trials of all ranks were kept.

    Raises:
        PriorError: no study has one of the space's parameters, or the metafeatures are wrong.
    """
    axes = make_axes(space)
    best = [study for study in best if any(n in axes for p in study.params for n in p)]
    if not best:
        raise PriorError("space: no study has a good trial with one of its parameters.")
    if metafeatures is None and target is not None:
        raise PriorError("target: is given without metafeatures= of the past studies.")
    between, to_target = None, None
    if metafeatures is not None:
        names = [study.name for study in best]
        if twice := sorted(name for name, n in Counter(names).items() if n > 1):
            raise PriorError(f"metafeatures: several studies have the name {short(twice[0])}.")
        between, to_target = distances(names, metafeatures, target)
    positions, moved = locate_or_move(axes, [p for study in best for p in study.params])
    points = Points(
        axes,
        positions,
        np.repeat(np.arange(len(best)), [len(study.params) for study in best]),
        np.concatenate([study.weights for study in best]),
        np.array([study.reliability for study in best]),
    )
    multipliers, scale, learned_floor, how = _choose(points, between)
    weights = points.reliability * (1.0 if to_target is None else kernel(to_target, scale))
    narrowest = NARROWEST if len(best) >= FEWEST_STUDIES else NARROWEST_OF_FEW
    # Of all studies alike, as they were in choosing.
    alike = points.joint(points.reliability)
    bandwidths = scott_bandwidths(points, alike, multipliers, narrowest)
    if bandwidth is not None:
        bandwidths = dict.fromkeys(axes, float(bandwidth))
    index, kept_weights = thinned(points.joint(weights), max_components)
    kernels = {
        name: kernels_around_points(axis, positions[name][index], bandwidths[name])
        for name, axis in axes.items()
    }
    effective = round(float(weights.sum() ** 2 / (weights @ weights)), 3)
    mixture = make_mixture(axes, kernels, kept_weights, learned_floor if floor is None else floor)
    past = _past(axes, best, weights)
    metadata = {**metadata, "values_moved": moved, **how, "studies_effective": effective}
    return Learned(mixture, metadata, past)


def _past(
    axes: Mapping[str, Axis], best: Sequence[TopTrials], weights: Array
) -> PastStudies | None:
    """What a prior adapts by; None where the trials of all ranks were not kept."""
    histories = []
    for study in best:
        if study.every is None:
            return None
        positions, _ = locate_or_move(axes, study.every.params)
        scores = ppf(1.0 - study.every.ranks)
        histories.append(History(study.name, np.stack([*positions.values()], axis=1), scores))
    return fit_past(axes, histories, weights / weights.sum())


def source_metadata(
    source: str, n_studies: int, best: Sequence[TopTrials], counts: Mapping[str, int]
) -> Metadata:
    """Metadata: how many studies and trials there were, and what became of the trials."""
    metadata: Metadata = {"source": source, "studies": n_studies, "studies_used": len(best)}
    return metadata | {f"trials_{reason}": count for reason, count in sorted(counts.items())}


def check_settings(
    top: Any, outside: Any, bandwidth: Any, floor: Any, max_components: Any, adapt: Any
) -> None:
    """PriorError for one out of its range, before anything is read."""
    positive_fraction("top", top)
    one_of("outside", outside, ("move", "drop"))
    if bandwidth is not None:
        positive_fraction("bandwidth", bandwidth)
    if floor is not None:
        positive_fraction("floor", floor)
    whole("max_components", max_components, 1, MAX_COMPONENTS)
    if not isinstance(adapt, (bool, np.bool_)):
        raise PriorError(f"adapt: needs to be True or False, got {short(adapt)}.")


def _choose(
    points: Points, between: Array | None
) -> tuple[dict[str, float], float, float, Metadata]:
    """(multipliers of the bandwidths, scale of the distances, floor, how they were chosen)."""
    n_studies = len(points.reliability)
    default = math.inf
    if between is not None and n_studies < FEWEST_DESCRIBED:
        # Too few to learn it from: beside a study right at the target, its neighbour weighs e^-2.
        apart = between[between > 0.0]
        default = 0.5 * float(apart.min()) if len(apart) else math.inf
    if n_studies < FEWEST_STUDIES:
        return dict.fromkeys(points.axes, 1.0), default, FLOOR_OF_FEW, {"chosen_by": "rule"}
    index, studies = few(points.study, MOST_POINTS)
    choice = LeaveOneStudyOut(
        points.subset(index, studies),
        None if between is None else between[np.ix_(studies, studies)],
        default if n_studies < FEWEST_DESCRIBED else None,
    )
    log_ratio = round(choice.choose(), 6)
    how: Metadata = {"chosen_by": "held-out studies", "held_out_log_ratio": log_ratio}
    if between is not None and math.isfinite(choice.scale):
        how["metafeature_scale"] = choice.scale
    return choice.multipliers, choice.scale, choice.floor, how


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
