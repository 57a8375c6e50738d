"""Priors made of priors: given some values, and mixtures of two."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import PriorError
from .._values import listed, mapping, number, short
from .axes import Axis, ContinuousAxis, GridAxis
from .kernels import Kernels, NumericKernels, TableKernels, check_table, every
from .truncated_normal import Array, logsumexp

if TYPE_CHECKING:
    from .._prior import Prior

MAX_COMPONENTS = 10_000


def assemble(
    axes: Mapping[str, Axis],
    kernels: Mapping[str, Kernels],
    log_weights: Array,
    log_floor: float,
    metadata: Mapping[str, Any],
) -> Prior:
    """The prior of these parts, normalised; components whose weight underflows are left out.

    Args:
        axes: of the result.
        kernels: of every name in `axes`; no name at all for a prior without components.
        log_weights: the components' log weights, shape (k,), on the scale of `log_floor`.
        log_floor: the floor's log weight.
    """
    from .._prior import Prior

    space = {n: a.distribution for n, a in axes.items()}
    share = np.exp(log_floor - np.logaddexp(log_floor, logsumexp(log_weights)) if kernels else 0.0)
    floor = float(np.clip(share, np.finfo(float).tiny, 1.0))
    if floor == 1.0:
        return Prior(space, floor=1.0, metadata=metadata)
    weights = np.exp(log_weights - np.max(log_weights))
    kept = weights > 0.0
    arrays = {n: (k if kept.all() else k.take(kept)).arrays() for n, k in kernels.items()}
    return Prior(space, arrays, weights[kept] / weights[kept].sum(), floor=floor, metadata=metadata)


def condition(prior: Prior, params: Mapping[str, Any]) -> Prior:
    """`Prior.condition`."""
    mapping("condition", params, "names and values")
    unknown = sorted(str(n) for n in params.keys() - prior._axes.keys())
    rest = {n: a for n, a in prior._axes.items() if n not in params}
    if unknown or not rest:
        raise PriorError(f"condition: unknown: {listed(unknown)}; {len(rest)} parameters left.")
    log_weights, log_floor = prior._given(params, strict=True)
    kernels = {n: k for n, k in prior._kernels.items() if n in rest}
    return assemble(rest, kernels, log_weights, log_floor, prior.metadata)


def rename(prior: Prior, names: Mapping[str, str]) -> Prior:
    """`Prior.rename`."""
    mapping("rename", names, "old names and new ones")
    if unknown := [name for name in names if name not in prior._axes]:
        near = difflib.get_close_matches(str(unknown[0]), prior._axes, 1)
        raise PriorError(
            f"rename: there is no parameter {short(unknown[0])}"
            + (f"; did you mean {short(near[0])}?" if near else f", only {listed(prior._axes)}.")
        )
    for name, new in names.items():
        if not isinstance(new, str):
            raise PriorError(f"rename: {short(name)} needs text as its new name, got {short(new)}.")
    renamed = {name: names.get(name, name) for name in prior._axes}
    counts = Counter(renamed.values())
    if twice := [new for new, n in counts.items() if n > 1]:
        olds = listed(old for old, new in renamed.items() if new == twice[0])
        raise PriorError(f"rename: {olds} would all be named {short(twice[0])}.")
    return prior._like(
        {renamed[n]: axis for n, axis in prior._axes.items()},
        {renamed[n]: kernels for n, kernels in prior._kernels.items()},
    )


def mix(prior: Prior, other: Prior, weight: float) -> Prior:
    """`Prior.mix`."""
    if not isinstance(other, type(prior)):
        raise PriorError(f"mix: other needs to be a Prior, got {short(other)}.")
    weight = number("mix: weight", weight)
    if not 0.0 <= weight <= 1.0:
        raise PriorError(f"mix: weight needs to be in [0, 1], got {weight!r}.")
    _same_space(prior.space, other.space)
    sides = [(p, w) for p, w in ((prior, 1.0 - weight), (other, weight)) if w > 0.0]
    mixed = [(p, w) for p, w in sides if p.n_components]
    n = sum(p.n_components for p, _ in mixed)
    if n > MAX_COMPONENTS:
        raise PriorError(
            f"mix: {n} components are more than {MAX_COMPONENTS}; "
            "make the priors of fewer points first."
        )
    kernels = {
        name: _stacked(axis, [p._kernels[name] for p, _ in mixed])
        for name, axis in (prior._axes.items() if mixed else ())
    }
    log_weights = np.concatenate([np.zeros(0), *(p._log_weights + math.log(w) for p, w in mixed)])
    log_floor = math.log(sum(w * p.floor for p, w in sides))
    theirs = other.metadata
    shared = {k: v for k, v in prior.metadata.items() if k in theirs and theirs[k] == v}
    return assemble(prior._axes, kernels, log_weights, log_floor, shared)


def _same_space(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    if ours.keys() != theirs.keys():
        raise PriorError(
            f"mix: the priors are over different parameters, {listed(sorted(ours))} and "
            f"{listed(sorted(theirs))}; restrict both to those they share first."
        )
    for name, distribution in ours.items():
        if distribution != theirs[name]:
            raise PriorError(
                f"mix: {short(name)} is {short(distribution)} in one prior and "
                f"{short(theirs[name])} in the other; "
                "restrict both to the values they share first."
            )


def _stacked(axis: Axis, parts: list[Kernels]) -> Kernels:
    """The kernels of several priors under each other; tables for all where one has tables."""
    gaussians = [part for part in parts if isinstance(part, NumericKernels)]
    if len(gaussians) == len(parts):
        return NumericKernels(
            gaussians[0].axis,
            np.concatenate([part.centers for part in gaussians]),
            np.concatenate([part.widths for part in gaussians]),
        )
    discrete = next(part.axis for part in parts if isinstance(part, TableKernels))
    if isinstance(discrete, GridAxis):
        check_table(discrete, sum(len(part) for part in parts))
    return TableKernels(discrete, np.concatenate([table(part)[0] for part in parts]))


def table(kernels: Kernels, positions: Array | None = None) -> tuple[Array, Array]:
    """Kernels of a discrete parameter as probabilities, given that it has one of these values.

    Args:
        kernels: on an axis with finitely many values.
        positions: the values' indices, shape (n,); all by default.

    Returns:
        (probabilities of shape (k, n), log mass of these values in each kernel, shape (k,)). A
        kernel without mass there has equal probabilities.
    """
    if isinstance(kernels, TableKernels) and positions is None:
        return kernels.probabilities, np.zeros(len(kernels))
    axis = kernels.axis
    assert not isinstance(axis, ContinuousAxis)
    positions = every(axis) if positions is None else positions
    logs = (kernels.log_ratio(positions) + axis.log_uniform(positions)[:, None]).T
    log_mass = logsumexp(logs)
    shift = np.where(np.isfinite(log_mass), log_mass, 0.0)[:, None]
    rows = np.where(np.isfinite(log_mass)[:, None], np.exp(logs - shift), 1.0)
    return rows / rows.sum(axis=1, keepdims=True), log_mass
