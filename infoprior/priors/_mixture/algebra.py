"""Mixtures made of mixtures: given some values, with other names or weights, and of two."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._errors import PriorError
from .._values import listed, mapping, number, short
from .axes import GridAxis, make_axes
from .kernels import Kernels, NumericKernels, TableKernels, check_table, table
from .locate import Params
from .mixture import MAX_COMPONENTS, Mixture, normalized
from .points import normalized_weights


def condition(mixture: Mixture, params: Params) -> Mixture:
    """The mixture over the other parameters, given these; see `Prior.condition`.

    Raises:
        PriorError: an unknown name, a value outside, or no other parameter.
    """
    mapping("condition", params, "names and values")
    unknown = sorted(str(n) for n in params.keys() - mixture.axes.keys())
    rest = {n: a for n, a in mixture.axes.items() if n not in params}
    if unknown or not rest:
        raise PriorError(f"condition: unknown: {listed(unknown)}; {len(rest)} parameters left.")
    log_weights, log_floor = mixture.log_joint(params, strict=True)
    kernels = {n: k for n, k in mixture.kernels.items() if n in rest}
    return normalized(rest, kernels, log_weights, log_floor)


def rename(mixture: Mixture, names: Mapping[str, str]) -> Mixture:
    """The mixture with other names for some parameters; see `Prior.rename`.

    Raises:
        PriorError: for an unknown name, or one that two would share.
    """
    mapping("rename", names, "old names and new ones")
    if unknown := [name for name in names if name not in mixture.axes]:
        near = difflib.get_close_matches(str(unknown[0]), mixture.axes, 1)
        raise PriorError(
            f"rename: there is no parameter {short(unknown[0])}"
            + (f"; did you mean {short(near[0])}?" if near else f", only {listed(mixture.axes)}.")
        )
    for name, new in names.items():
        if not isinstance(new, str):
            raise PriorError(f"rename: {short(name)} needs text as its new name, got {short(new)}.")
    renamed = {name: names.get(name, name) for name in mixture.axes}
    counts = Counter(renamed.values())
    if twice := [new for new, n in counts.items() if n > 1]:
        olds = listed(old for old, new in renamed.items() if new == twice[0])
        raise PriorError(f"rename: {olds} would all be named {short(twice[0])}.")
    axes = make_axes({renamed[n]: axis.distribution for n, axis in mixture.axes.items()})
    kernels = {renamed[n]: kernels for n, kernels in mixture.kernels.items()}
    return Mixture(axes, kernels, mixture.weights, mixture.floor)


def mix(mixture: Mixture, other: Mixture, weight: float) -> Mixture:
    """(1 − weight) · mixture + weight · other, over the same space; see `Prior.mix`.

    Raises:
        PriorError: the weight is none, the spaces differ, or there are too many components.
    """
    weight = number("mix: weight", weight)
    if not 0.0 <= weight <= 1.0:
        raise PriorError(f"mix: weight needs to be in [0, 1], got {weight!r}.")
    _check_same_space(mixture.space, other.space)
    sides = [(m, w) for m, w in ((mixture, 1.0 - weight), (other, weight)) if w > 0.0]
    with_kernels = [(m, w) for m, w in sides if m.n_components]
    n = sum(m.n_components for m, _ in with_kernels)
    if n > MAX_COMPONENTS:
        raise PriorError(
            f"mix: {n} components are more than {MAX_COMPONENTS}; "
            "make the priors of fewer points first."
        )
    kernels = {
        name: _stacked([m.kernels[name] for m, _ in with_kernels])
        for name in (mixture.axes if with_kernels else ())
    }
    log_weights = np.concatenate(
        [np.zeros(0), *(m.log_weights + math.log(w) for m, w in with_kernels)]
    )
    log_floor = math.log(sum(w * m.floor for m, w in sides))
    return normalized(mixture.axes, kernels, log_weights, log_floor)


def _check_same_space(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
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


def _stacked(several: list[Kernels]) -> Kernels:
    """The kernels of several mixtures under each other; tables for all where one has tables."""
    gaussians = [kernels for kernels in several if isinstance(kernels, NumericKernels)]
    if len(gaussians) == len(several):
        return NumericKernels(
            gaussians[0].axis,
            np.concatenate([kernels.centers for kernels in gaussians]),
            np.concatenate([kernels.widths for kernels in gaussians]),
        )
    discrete = next(kernels.axis for kernels in several if isinstance(kernels, TableKernels))
    if isinstance(discrete, GridAxis):
        check_table(discrete, sum(len(kernels) for kernels in several))
    return TableKernels(discrete, np.concatenate([table(kernels)[0] for kernels in several]))


def reweight(mixture: Mixture, weights: ArrayLike) -> Mixture:
    """The same components with other weights; see `Prior.reweight`.

    Raises:
        PriorError: there are no components, or not a weight for each, or none is positive.
    """
    if not mixture.kernels:
        raise PriorError("reweight: a uniform prior has no components.")
    normalized = normalized_weights(mixture.n_components, weights)
    kept = normalized > 0.0
    kernels = mixture.kernels
    if not kept.all():
        kernels = {name: stack.take(kept) for name, stack in kernels.items()}
    return Mixture(mixture.axes, kernels, normalized[kept], mixture.floor)
