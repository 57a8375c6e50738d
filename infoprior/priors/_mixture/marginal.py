"""What a mixture says of one parameter by itself, and where it is densest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import PriorError
from .._values import listed, number, short
from .axes import ContinuousAxis, all_positions
from .mixture import Mixture

_MAX_VALUES = 100_000  # the most values a marginal lists


@dataclass(frozen=True, eq=False)
class Marginal:
    """One parameter's marginal distribution under a prior.

    Attributes:
        name: of the parameter.
        values: every value of a discrete parameter, m of them; of a continuous one a grid of 512
            from low to high, in even steps, on the log scale of a log parameter.
        probabilities: of a discrete parameter's values, shape (m,), float64, summing to one; None
            for a continuous one.
        density: of a continuous parameter, per unit of it, shape (512,), float64; None for a
            discrete one.
        log: whether it is a log parameter.
    """

    name: str
    values: list[Any]
    probabilities: NDArray[np.float64] | None
    density: NDArray[np.float64] | None
    log: bool

    @np.errstate(all="ignore")
    def quantile(self, q: float) -> Any:
        """The smallest value that holds at least a share `q` of the mass (on the grid).

        Raises:
            PriorError: q lies outside [0, 1], or the parameter is categorical and has no order.
        """
        q = number("quantile: q", q)
        if not 0.0 <= q <= 1.0:
            raise PriorError(f"quantile: q = {q} does not lie between 0 and 1.")
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in self.values):
            raise PriorError(
                f"quantile: {short(self.name)} is categorical: its values have no order."
            )
        if self.probabilities is not None:
            mass = self.probabilities
        else:
            assert self.density is not None
            mass = self.density * np.gradient(np.asarray(self.values, dtype=np.float64))
        cumulative = np.cumsum(mass)
        index = int(np.searchsorted(cumulative, q * cumulative[-1] - 1e-12))
        return self.values[min(index, len(self.values) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        body = self.probabilities if self.probabilities is not None else self.density
        key = "probabilities" if self.probabilities is not None else "density"
        assert body is not None
        return {"name": self.name, "log": self.log, "values": self.values, key: body.tolist()}


def marginal(mixture: Mixture, name: str) -> Marginal:
    """One parameter's marginal; PriorError for an unknown name or too many values."""
    if not (isinstance(name, str) and name in mixture.axes):
        raise PriorError(
            f"marginal: parameter {short(name)} is unknown; there are {listed(mixture.axes)}."
        )
    axis = mixture.axes[name]
    if axis.n_values > _MAX_VALUES:
        raise PriorError(f"marginal: parameter {short(name)} has {axis.n_values} values to list.")
    positions = np.linspace(0, 1, 512) if isinstance(axis, ContinuousAxis) else all_positions(axis)
    values = axis.values(positions)
    p = np.exp(mixture.log_ratio({name: (axis, positions)}, len(values)))
    p = p * np.exp(axis.log_uniform(positions))
    log = bool(getattr(axis.distribution, "log", False))
    if axis.discrete:
        return Marginal(name, values, p, None, log)
    return Marginal(name, values, None, p, log)


def mode(mixture: Mixture) -> dict[str, Any]:
    """The component centre with the highest density relative to uniform; see `Prior.mode`."""
    if not mixture.kernels:
        middle = {n: a.from_unit(np.array([0.5])) for n, a in mixture.axes.items()}
        return {n: a.values(middle[n])[0] for n, a in mixture.axes.items()}
    k = mixture.n_components
    located = {
        n: (mixture.axes[n], np.concatenate([kernels.peak(i) for i in range(k)]))
        for n, kernels in mixture.kernels.items()
    }
    best = int(np.argmax(mixture.log_ratio(located, k)))
    return {n: a.values(positions[best : best + 1])[0] for n, (a, positions) in located.items()}
