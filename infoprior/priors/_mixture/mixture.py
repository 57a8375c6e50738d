"""A weighted mixture of product kernels with a uniform floor: the value that everything acts on.

p(x) = floor · u(x) + (1 − floor) · Σ_k w_k Π_i K_ki(x_i), with u uniform over the space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._values import Array, mapping, positive_fraction, short
from .axes import Axis, make_axis
from .kernels import SUM_TOLERANCE, Kernels, frozen, make_kernels
from .locate import Located, Params, check_names
from .truncated_normal import logsumexp
from .truncation import Truncated, truncate

MAX_COMPONENTS = 10_000
_MAX_SHOWN = 12  # parameters in a description
_MAX_TRUNCATED = 64  # distributions of which it is remembered what the kernels become on them


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture over a space; `make_mixture` checks what comes from outside.

    Attributes:
        axes: name -> axis, in the order of the space.
        kernels: name -> the components' kernels, of every name; empty where there are none.
        weights: the components', shape (k,), float64, summing to one; read-only.
        floor: the uniform share, in (0, 1]; 1 where there are no components.
        log_weights: log((1 − floor) · weights), shape (k,), float64, in nats; read-only.
        log_floor: log(floor), in nats.

    Weights and floor are kept beside their logarithms, since a file holds them to the last digit,
    and the exponential of a logarithm does not give that back.
    """

    axes: Mapping[str, Axis]
    kernels: Mapping[str, Kernels]
    weights: Array
    floor: float
    log_weights: Array = field(init=False, repr=False)
    log_floor: float = field(init=False, repr=False)
    _truncated: dict[Any, Any] = field(init=False, repr=False, default_factory=dict)

    @np.errstate(all="ignore")
    def __post_init__(self) -> None:
        weights = frozen("weights", self.weights)
        log_weights = frozen("weights", np.log(weights) + np.log1p(-self.floor))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "log_weights", log_weights)
        object.__setattr__(self, "log_floor", math.log(self.floor))

    @property
    def n_components(self) -> int:
        """How many components there are."""
        return len(self.weights)

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """name -> Optuna distribution, a new dict."""
        return {name: axis.distribution for name, axis in self.axes.items()}

    def describe(self) -> str:
        """How many components there are, the floor, and the first of the parameters."""
        shown = [axis.describe() for axis in list(self.axes.values())[:_MAX_SHOWN]]
        more = len(self.axes) - len(shown)
        names = ", ".join([*shown, f"and {more} more"] if more else shown)
        plural = "" if self.n_components == 1 else "s"
        return f"{self.n_components} component{plural}, floor={self.floor:.3g}, over {names}"

    def log_ratio(self, located: Located, n: int) -> Array:
        """log p(x) − log u(x) in nats, shape (n,), of n points inside; marginal over other names.

        Args:
            located: name -> (axis, positions of shape (n,)).
            n: how many points.
        """
        if not self.kernels:
            return np.zeros(n)
        terms = np.tile(self.log_weights, (n, 1))  # (n, k)
        for name, (_, positions) in located.items():
            terms += self.kernels[name].log_ratio(positions)
        return np.logaddexp(self.log_floor, logsumexp(terms))

    def log_joint(self, params: Params, *, strict: bool = False) -> tuple[Array, float]:
        """log weight of each component, shape (k,), and of the floor, joint with some values.

        Values are relative to uniform, in nats; those outside the space say nothing.

        Args:
            params: name -> value, of names in the space.
            strict: raise for values outside the space.

        Raises:
            PriorError: `strict`, and a value is outside, naming it.
        """
        log_weights = self.log_weights
        for name, value in params.items():
            try:
                position = self.axes[name].find(value)
            except PriorError:
                if strict:
                    raise
                continue
            if position is None and strict:
                raise PriorError(f"condition: {short(name)} = {short(value)} is outside the space.")
            if position is not None and self.kernels:
                log_weights = log_weights + self.kernels[name].row(position)
        return log_weights, self.log_floor

    def truncated(self, name: str, asked: BaseDistribution) -> tuple[Truncated, Axis] | None:
        """A parameter on the values that an asked-for distribution has too, and that one's axis.

        None where the two have none in common, or too many to list. It is remembered, since a
        study asks for the same distribution in every trial.
        """
        key = name, asked
        try:
            hash(key)
        except TypeError:  # choices that are lists: no prior has those
            return None
        if key not in self._truncated:
            try:
                axis = make_axis(name, asked)
                truncated = truncate(self.axes[name], axis, self.kernels.get(name))
            except PriorError:
                truncated = None
            if len(self._truncated) >= _MAX_TRUNCATED:  # ranges that change with every trial
                self._truncated.clear()
            self._truncated[key] = None if truncated is None else (truncated, axis)
        return self._truncated[key]


def make_mixture(
    axes: Mapping[str, Axis], kernels: Any = None, weights: ArrayLike = (), floor: Any = 1.0
) -> Mixture:
    """The mixture of what `Prior`'s constructor takes, all of it checked.

    Raises:
        PriorError: for anything out of its range, naming it.
    """
    floor = positive_fraction("floor", floor)
    weights = frozen("weights", weights)
    if weights.ndim != 1 or len(weights) > MAX_COMPONENTS:
        raise PriorError(f"weights: needs one dimension and at most {MAX_COMPONENTS} entries.")
    if len(weights) == 0 and floor < 1.0:
        raise PriorError("components: there are none, so the floor needs to be 1.")
    kernels = {} if kernels is None else mapping("kernels", kernels, "kernels")
    if len(weights) == 0 and kernels:
        raise PriorError("kernels: are given, but no weights of theirs.")
    if not np.all(weights >= 0.0):
        raise PriorError("weights: none may be negative or NaN.")
    if len(weights) and not abs(weights.sum() - 1.0) <= SUM_TOLERANCE:
        raise PriorError(f"weights: need to sum to one, got {weights.sum():.12g}.")
    if len(weights) == 0:
        return Mixture(axes, {}, weights, floor)
    check_names(axes, kernels, "kernels")
    stacked = {name: make_kernels(axis, kernels[name]) for name, axis in axes.items()}
    for name, stack in stacked.items():
        if len(stack) != len(weights):
            raise PriorError(
                f"kernels: {short(name)} has {len(stack)} components, weights have {len(weights)}."
            )
    return Mixture(axes, stacked, weights, floor)


def normalized(
    axes: Mapping[str, Axis], kernels: Mapping[str, Kernels], log_weights: Array, log_floor: float
) -> Mixture:
    """The mixture with these log weights, normalised; components that underflow are left out.

    Args:
        axes: of the result.
        kernels: of every name in `axes`; no name at all for a mixture without components.
        log_weights: the components' log weights, shape (k,), on the scale of `log_floor`.
        log_floor: the floor's log weight.
    """
    log_share = log_floor - np.logaddexp(log_floor, logsumexp(log_weights)) if kernels else 0.0
    floor = float(np.clip(np.exp(log_share), np.finfo(float).tiny, 1.0))
    if floor == 1.0:
        return Mixture(axes, {}, np.zeros(0), 1.0)
    weights = np.exp(log_weights - np.max(log_weights))
    kept = weights > 0.0
    if not kept.all():
        kernels = {name: stack.take(kept) for name, stack in kernels.items()}
    return Mixture(axes, kernels, weights[kept] / weights[kept].sum(), floor)
