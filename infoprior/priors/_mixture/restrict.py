"""A mixture on the user's own ranges and names.

p(x | x in the space) does not depend on how the space measures a parameter, so the result is
exact, but for what `intersection` says of continuous parameters on grids, and of some values of a
log parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._values import listed, mapping
from .axes import Axis, make_axis
from .kernels import Kernels
from .mixture import Mixture, normalized
from .truncation import truncate


def restrict(mixture: Mixture, space: Mapping[str, BaseDistribution]) -> Mixture:
    """The mixture on the values of its parameters that the space has too; see `Prior.restrict`.

    Raises:
        PriorError: where nothing at all is in common, or there are too many values.
    """
    mapping("restrict", space, "distributions")
    log_weights, log_floor = mixture.log_weights, mixture.log_floor
    axes: dict[str, Axis] = {}
    kernels: dict[str, Kernels] = {}
    for name, axis in mixture.axes.items():
        if name not in space:
            continue  # a product's marginal: the kernels are left out
        truncated = truncate(axis, make_axis(name, space[name]), mixture.kernels.get(name))
        if truncated is None:
            continue
        axes[name] = truncated.axis
        log_weights = log_weights + truncated.log_mass
        log_floor = log_floor + truncated.log_uniform
        if truncated.kernels is not None:
            kernels[name] = truncated.kernels
    if not axes:
        raise PriorError(
            f"restrict: the space, {listed(sorted(map(str, space)))}, has no name with a value in "
            f"common with the prior, {listed(sorted(mixture.axes))}."
        )
    if all(axes[n].distribution == mixture.axes[n].distribution for n in axes):
        return Mixture(axes, kernels, mixture.weights, mixture.floor)  # nor do the weights change
    return normalized(axes, kernels, log_weights, log_floor)
