"""The kernels of a mixture's components on one parameter, stacked over the components.

Every density here is relative to the uniform one on the unit interval, so that a product over
parameters is a log ratio to the uniform prior, whatever the parameters' units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._axes import CategoricalAxis, GridAxis, NumericAxis
from ._errors import PriorError
from ._normal import LOG_SQRT_2PI, Array, log_interval, truncated_ppf, truncated_quantile

SMALLEST_WIDTH, LARGEST_WIDTH = 1e-3, 1e2  # of a numeric kernel, in unit coordinates
_TABLE_ENTRIES = 1_000_000
SUM_TOLERANCE = 1e-9  # how far weights and probabilities may be from summing to one


def frozen(values: ArrayLike) -> Array:
    """A read-only float64 copy."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


class NumericKernels:
    """Gaussians truncated to the unit interval; `centers` and `widths` of shape (k,)."""

    def __init__(self, axis: NumericAxis, centers: ArrayLike, widths: ArrayLike) -> None:
        self.axis, self.centers, self.widths = axis, frozen(centers), frozen(widths)
        if self.centers.ndim != 1 or self.centers.shape != self.widths.shape:
            raise PriorError(f"kernels: {axis.name!r} needs as many centers as widths.")
        # Negated comparisons, so that NaN is refused as well.
        if not np.all((self.centers >= 0.0) & (self.centers <= 1.0)):
            raise PriorError(f"kernels: {axis.name!r} has a center outside [0, 1].")
        if not np.all((self.widths >= SMALLEST_WIDTH) & (self.widths <= LARGEST_WIDTH)):
            raise PriorError(
                f"kernels: {axis.name!r} has a width outside [{SMALLEST_WIDTH}, {LARGEST_WIDTH}]."
            )
        self._log_total = log_interval(
            -self.centers / self.widths, (1 - self.centers) / self.widths
        )
        # Masses of cells cost far more than densities: a small grid's are computed once.
        self._table: Array | None = None
        self._log_peak = -LOG_SQRT_2PI - np.log(self.widths) - self._log_total

    def __len__(self) -> int:
        return len(self.centers)

    def log_mass(self, low: ArrayLike, high: ArrayLike) -> Array:
        """log probability of the unit intervals [low, high], shape (n, k) for bounds of (n,)."""
        low, high = np.asarray(low)[..., None], np.asarray(high)[..., None]
        a, b = (low - self.centers) / self.widths, (high - self.centers) / self.widths
        return log_interval(a, b) - self._log_total

    def _cells(self, index: Array) -> Array:
        assert isinstance(self.axis, GridAxis)
        return self.log_mass(*self.axis.edges(index)) - self.axis.log_uniform(index)[:, None]

    def log_ratio(self, positions: Array) -> Array:
        """log kernel − log uniform at the axis' positions, shape (n, k) for positions of (n,)."""
        if isinstance(self.axis, GridAxis):
            if self._table is None and self.axis.n_values * len(self) <= _TABLE_ENTRIES:
                self._table = self._cells(np.arange(self.axis.n_values, dtype=np.float64))
            if self._table is not None:
                return self._table[np.asarray(positions).astype(np.int64)]
            cells, inverse = np.unique(positions, return_inverse=True)
            return self._cells(cells)[inverse]
        z = (np.asarray(positions)[..., None] - self.centers) / self.widths
        return self._log_peak - 0.5 * z * z

    def row(self, position: float) -> Array:
        """`log_ratio` at a single position, shape (k,), several times quicker."""
        if self._table is not None:
            return self._table[int(position)]
        if isinstance(self.axis, GridAxis):
            return self.log_ratio(np.array([position]))[0]
        z = (position - self.centers) / self.widths
        return self._log_peak - 0.5 * z * z

    def draw(
        self, component: NDArray[np.int64], q: Array, low: Any = 0.0, high: Any = 1.0
    ) -> Array:
        """Unit coordinates at quantiles q of the components' kernels truncated to [low, high]."""
        center, width = self.centers[component], self.widths[component]
        z = truncated_ppf(q, (low - center) / width, (high - center) / width)
        return np.clip(center + width * z, low, high)

    def draw_one(self, component: int, q: float, low: float, high: float) -> float:
        """`draw` of a single number."""
        center, width = float(self.centers[component]), float(self.widths[component])
        z = truncated_quantile(q, (low - center) / width, (high - center) / width)
        return min(max(center + width * z, low), high)

    def peak(self, component: int) -> Array:
        """The position of the component's centre, shape (1,)."""
        return self.axis.from_unit(self.centers[component : component + 1])

    def to_dict(self, component: int) -> dict[str, Any]:
        """The component's kernel as JSON."""
        return {
            "center": float(self.centers[component]),
            "width": float(self.widths[component]),
        }


class CategoricalKernels:
    """Probability vectors over the choices; `probabilities` of shape (k, choices)."""

    def __init__(self, axis: CategoricalAxis, probabilities: ArrayLike) -> None:
        self.axis, self.probabilities = axis, frozen(probabilities)
        shape = self.probabilities.shape
        if len(shape) != 2 or shape[1] != axis.n_values:
            raise PriorError(
                f"kernels: {axis.name!r} needs {axis.n_values} probabilities for a component."
            )
        if not np.all((self.probabilities >= 0.0) & (self.probabilities <= 1.0)):
            raise PriorError(f"kernels: {axis.name!r} has a probability outside [0, 1].")
        if np.any(np.abs(self.probabilities.sum(axis=1) - 1.0) > SUM_TOLERANCE):
            raise PriorError(f"kernels: {axis.name!r} has probabilities that do not sum to one.")
        with np.errstate(divide="ignore"):  # a choice may have probability 0: the floor is left
            self.log_probabilities = np.log(self.probabilities)
            self._log_ratio = np.ascontiguousarray(
                np.log(self.probabilities.T) + np.log(axis.n_values)
            )
        self._cumulative = np.cumsum(self.probabilities, axis=1)

    def __len__(self) -> int:
        return len(self.probabilities)

    def log_ratio(self, positions: Array) -> Array:
        """log kernel − log uniform at choice indices, shape (n, k) for indices of shape (n,)."""
        return self._log_ratio[np.asarray(positions).astype(np.int64)]

    def row(self, position: float) -> Array:
        """`log_ratio` at a single choice index, shape (k,)."""
        return self._log_ratio[int(position)]

    def draw(self, component: NDArray[np.int64], q: Array) -> Array:
        """Choice indices at quantiles q of the components' kernels, never one of probability 0."""
        cumulative = self._cumulative[component]
        q = np.minimum(q * cumulative[:, -1], np.nextafter(cumulative[:, -1], 0.0))
        return (cumulative <= q[:, None]).sum(axis=1).astype(np.float64)

    def peak(self, component: int) -> Array:
        """The component's likeliest choice, shape (1,)."""
        return np.array([np.argmax(self.probabilities[component])], dtype=np.float64)

    def to_dict(self, component: int) -> dict[str, Any]:
        """The component's kernel as JSON."""
        return {"probabilities": self.probabilities[component].tolist()}


Kernels = NumericKernels | CategoricalKernels
