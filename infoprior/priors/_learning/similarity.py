"""How near past studies are to the one to come, by numbers that describe each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._errors import PriorError
from .._values import Array, is_missing, items, listed, number, short

Features = Sequence[float] | Mapping[str, float] | Array

_FARTHEST = 5.0  # robust standard deviations: more is no farther
_TO_NORMAL = 1.349  # a normal distribution's interquartile range


def _named(where: str, features: Any) -> dict[str, float]:
    """name -> number, without the missing ones (None or NaN); a vector's names are its indices."""
    if isinstance(features, Mapping):
        items = [(str(name), value) for name, value in features.items()]
    else:
        items = [(str(i), value) for i, value in enumerate(features)]
    if len({name for name, _ in items}) < len(items):
        raise PriorError(f"{where}: two features have the same name as text.")
    known = [(n, v) for n, v in items if not is_missing(v)]
    return {name: number(f"{where}: {short(name)}", value) for name, value in known}


def _vectors(where: str, features: Any) -> Any:
    """The features as a dict, or as a list whose length can be compared."""
    if isinstance(features, Mapping):
        return features
    return items(where, features, "a vector or a dict of numbers")


def _vectors_agree(metafeatures: Mapping[str, Any], target: Any) -> None:
    described = [("the target", target), *((short(n), f) for n, f in metafeatures.items())]
    if len({isinstance(features, Mapping) for _, features in described}) > 1:
        raise PriorError("metafeatures: vectors and dicts of numbers cannot be mixed.")
    for name, features in () if isinstance(target, Mapping) else described:
        if len(features) != len(target):
            raise PriorError(
                f"metafeatures: {name} has {len(features)} numbers, the target {len(target)}."
            )


def distances(
    names: Sequence[str], metafeatures: Mapping[str, Any], target: Any
) -> tuple[Array, Array]:
    """(between studies, shape (s, s); to the target, shape (s,)).

    Every feature is centred on the studies' median and divided by their interquartile range as a
    normal distribution's standard deviation, or by the standard deviation itself where more than
    half are equal; features equal in all studies are left out. A distance is the root mean square
    over the features that both have. Where they share none, it is the median of the known ones.

    Raises:
        PriorError: where there is no target, no study has features, or one is no number.
    """
    if not isinstance(metafeatures, Mapping):
        raise PriorError("metafeatures: needs a dict, study name -> vector or dict of numbers.")
    if target is None:
        raise PriorError("target: metafeatures need those of the study to come, as target=.")
    known = {
        name: _vectors(f"metafeatures: {short(name)}", metafeatures[name])
        for name in names
        if name in metafeatures
    }
    if not known:
        raise PriorError(
            f"metafeatures: there are none of these studies, only of {listed(metafeatures)}."
        )
    target = _vectors("target", target)
    _vectors_agree(known, target)
    wanted = _named("target", target)
    rows = [_named(f"metafeatures: {short(n)}", known[n]) if n in known else {} for n in names]
    features = list(dict.fromkeys(f for row in rows for f in row))
    table = np.array([[row.get(f, math.nan) for f in features] for row in [*rows, wanted]])
    table = _standardised(table.reshape(len(rows) + 1, len(features)))
    both = _pairwise(table)
    missing = np.isnan(both)
    if not missing.all():
        both[missing] = float(np.median(both[~missing]))
    both = np.nan_to_num(both)  # no two share a feature: all are equally far
    np.fill_diagonal(both, 0.0)
    return both[:-1, :-1], both[:-1, -1]


def _standardised(table: Array) -> Array:
    """Columns centred and scaled by the rows but the last, which is the target's."""
    kept = []
    for column in table.T:
        seen = column[:-1][~np.isnan(column[:-1])]
        if not len(seen):
            continue
        middle = float(np.median(seen))
        low, high = np.quantile(seen, [0.25, 0.75])
        scale = float(high - low) / _TO_NORMAL or float(np.std(seen))
        if scale > 0.0:
            kept.append(np.clip((column - middle) / scale, -_FARTHEST, _FARTHEST))
    return np.array(kept).T if kept else np.full((len(table), 0), math.nan)


def _pairwise(table: Array) -> Array:
    """Root mean squares over shared features, shape (n, n), NaN where none is shared."""
    known = ~np.isnan(table)
    x, seen = np.where(known, table, 0.0), known.astype(np.float64)
    # Σ (x − y)² over the features that both have, without an (n, n, features) array.
    squares = (x * x) @ seen.T
    total = squares + squares.T - 2.0 * (x @ x.T)
    shared = seen @ seen.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(shared > 0, np.maximum(total, 0.0) / shared, math.nan)
    return np.sqrt(mean)


def kernel(distance: Array, scale: float) -> Array:
    """Gaussian weights of shape (..., s) that are 1 for the nearest; all 1 for an infinite scale.

    Infinite distances (a study itself, left out) get weight 0.
    """
    nearest = np.min(distance, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        exponent = (distance**2 - nearest**2) / (2.0 * scale**2)
    weights = np.exp(-np.where(np.isnan(exponent), 0.0, exponent))
    return np.where(np.isinf(distance), 0.0, weights)


def scales(between: Array) -> list[float]:
    """Kernel widths worth trying: multiples of how far a study's nearest neighbour is.

    `between` has infinities on its diagonal. None where all studies are in one place.
    """
    nearest = float(np.median(between.min(axis=1)))
    if not 0.0 < nearest < math.inf:
        positive = between[(between > 0.0) & np.isfinite(between)]
        nearest = float(positive.min()) if len(positive) else 0.0
    return [nearest * c for c in (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)] if nearest > 0.0 else []
