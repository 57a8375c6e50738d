"""The kernels of a mixture's components on one parameter, stacked over the components.

Every density here is relative to the uniform one on the unit interval, so that a product over
parameters is a log ratio to the uniform prior, whatever the parameters' units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._errors import PriorError
from .._values import Array, numbers, short
from .axes import Axis, CategoricalAxis, ContinuousAxis, GridAxis, NumericAxis, all_positions
from .truncated_normal import (
    LOG_SQRT_2PI,
    log_interval,
    logsumexp,
    truncated_ppf,
    truncated_quantile,
)

SMALLEST_WIDTH, LARGEST_WIDTH = 1e-3, 1e2  # of a numeric kernel, in unit coordinates
WIDEST = 1e12  # the largest width on a range that was made narrower: flat to twelve digits
FARTHEST_CENTER = 1e4  # how many widths a centre may lie outside the unit interval
MAX_TABLE = 500_000  # numbers in one parameter's tables: about 10 MB as JSON
LONGEST_NUMBER = 26  # characters of "-2.2250738585072014e-308, " in a file
_CACHE_ENTRIES = 1_000_000
SUM_TOLERANCE = 1e-9  # how far weights and probabilities may be from summing to one


def frozen(where: str, values: ArrayLike) -> Array:
    """A read-only float64 copy."""
    array = numbers(where, values)
    array.setflags(write=False)
    return array


class NumericKernels:
    """Gaussians truncated to the unit interval, of k components.

    A centre may lie outside: a Gaussian on a narrower range is the same Gaussian in that range's
    unit coordinates.

    Args:
        axis: of the parameter.
        centers: in unit coordinates, shape (k,).
        widths: standard deviations before truncation, in unit coordinates, shape (k,).

    Raises:
        PriorError: they are of different shapes or out of their ranges, naming the parameter.
    """

    def __init__(self, axis: NumericAxis, centers: ArrayLike, widths: ArrayLike) -> None:
        self.axis, name = axis, short(axis.name)
        self.centers = frozen(f"kernels: {name}: centers", centers)
        self.widths = frozen(f"kernels: {name}: widths", widths)
        if self.centers.ndim != 1 or self.centers.shape != self.widths.shape:
            raise PriorError(f"kernels: {name} needs as many centers as widths.")
        # Negated comparisons, so that NaN is refused as well.
        if not np.all((self.widths >= SMALLEST_WIDTH) & (self.widths <= WIDEST)):
            raise PriorError(
                f"kernels: {name} has a width outside [{SMALLEST_WIDTH:g}, {WIDEST:g}]."
            )
        outside = np.maximum(-self.centers, self.centers - 1.0)
        if not np.all(outside <= FARTHEST_CENTER * self.widths):
            raise PriorError(
                f"kernels: {name} has a center more than {FARTHEST_CENTER:g} widths outside [0, 1]."
            )
        self._log_total = log_interval(
            -self.centers / self.widths, (1 - self.centers) / self.widths, 1 / self.widths
        )
        # Masses of cells cost far more than densities: a small grid's are computed once.
        self._table: Array | None = None
        self._log_peak = -LOG_SQRT_2PI - np.log(self.widths) - self._log_total

    def __len__(self) -> int:
        return len(self.centers)

    def log_mass(self, low: ArrayLike, high: ArrayLike, width: ArrayLike | None = None) -> Array:
        """log probability of intervals in unit coordinates, in nats, shape (n, k).

        Args:
            low, high: the intervals' ends, shape (n,).
            width: high − low, shape (n,), where it is known to more digits than the difference.
        """
        low, high = np.asarray(low)[..., None], np.asarray(high)[..., None]
        width = high - low if width is None else np.asarray(width)[..., None]
        a, b = (low - self.centers) / self.widths, (high - self.centers) / self.widths
        return log_interval(a, b, width / self.widths) - self._log_total

    def _cells(self, index: Array) -> Array:
        assert isinstance(self.axis, GridAxis)
        mass = self.log_mass(*self.axis.edges(index), self.axis.cell_widths(index))
        return mass - self.axis.log_uniform(index)[:, None]

    def log_ratio(self, positions: Array) -> Array:
        """log kernel − log uniform, in nats, shape (n, k), at positions of shape (n,)."""
        if isinstance(self.axis, GridAxis):
            if self._table is None and self.axis.n_values * len(self) <= _CACHE_ENTRIES:
                self._table = self._cells(all_positions(self.axis))
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

    def positions(self, component: NDArray[np.int64], q: Array) -> Array:
        """Positions at quantiles of the kernels, shape (n,).

        Args:
            component: whose kernel each one is of, shape (n,).
            q: in [0, 1), shape (n,).
        """
        center, width = self.centers[component], self.widths[component]
        z = truncated_ppf(q, -center / width, (1.0 - center) / width)
        return self.axis.from_unit(np.clip(center + width * z, 0.0, 1.0))

    def position(self, component: int, q: float) -> Array:
        """`positions` of a single number, shape (1,), several times quicker."""
        center, width = float(self.centers[component]), float(self.widths[component])
        z = truncated_quantile(q, -center / width, (1.0 - center) / width)
        return self.axis.from_unit(np.array([min(max(center + width * z, 0.0), 1.0)]))

    def peak(self, component: int) -> Array:
        """The position where the component is densest, shape (1,)."""
        return self.axis.from_unit(np.clip(self.centers[component : component + 1], 0.0, 1.0))

    def take(self, components: Any) -> NumericKernels:
        """The kernels of these components only."""
        return NumericKernels(self.axis, self.centers[components], self.widths[components])

    def arrays(self) -> tuple[Array, Array]:
        """What the prior's constructor takes."""
        return self.centers, self.widths

    @property
    def plain(self) -> bool:
        """Is this what version 1 of the file can hold?"""
        inside = (self.centers >= 0.0) & (self.centers <= 1.0)
        return bool(np.all(inside & (self.widths <= LARGEST_WIDTH)))

    @property
    def json_size(self) -> int:
        """The most characters that one component's kernel has as JSON."""
        return 32 + 2 * LONGEST_NUMBER

    def to_dict(self, component: int) -> dict[str, Any]:
        """The component's kernel as JSON."""
        return {
            "center": float(self.centers[component]),
            "width": float(self.widths[component]),
        }


class TableKernels:
    """Probability vectors over a discrete axis' values, of k components.

    A categorical parameter always has them; an int or stepped float where its kernels are no
    Gaussians, such as those of a finer grid.

    Args:
        axis: of the parameter.
        probabilities: shape (k, values), each row summing to one.

    Raises:
        PriorError: they are of another shape, or no probabilities, naming the parameter.
    """

    def __init__(self, axis: CategoricalAxis | GridAxis, probabilities: ArrayLike) -> None:
        self.axis, name = axis, short(axis.name)
        self.probabilities = frozen(f"kernels: {name}: probabilities", probabilities)
        shape = self.probabilities.shape
        if len(shape) != 2 or shape[1] != axis.n_values:
            raise PriorError(
                f"kernels: {name} needs {axis.n_values} probabilities for a component."
            )
        if isinstance(axis, GridAxis):
            check_table(axis, len(self))
        if not np.all((self.probabilities >= 0.0) & (self.probabilities <= 1.0)):
            raise PriorError(f"kernels: {name} has a probability outside [0, 1].")
        if np.any(np.abs(self.probabilities.sum(axis=1) - 1.0) > SUM_TOLERANCE):
            raise PriorError(f"kernels: {name} has probabilities that do not sum to one.")
        with np.errstate(divide="ignore"):  # a value may have probability 0: the floor is left
            log_probabilities = np.log(self.probabilities.T)
        self._log_ratio = np.ascontiguousarray(
            log_probabilities - axis.log_uniform(all_positions(axis))[:, None]
        )
        self._cumulative = np.cumsum(self.probabilities, axis=1)

    def __len__(self) -> int:
        return len(self.probabilities)

    def log_ratio(self, positions: Array) -> Array:
        """log kernel − log uniform, in nats, shape (n, k), at value indices of shape (n,)."""
        return self._log_ratio[np.asarray(positions).astype(np.int64)]

    def row(self, position: float) -> Array:
        """`log_ratio` at a single value index, shape (k,)."""
        return self._log_ratio[int(position)]

    def positions(self, component: NDArray[np.int64], q: Array) -> Array:
        """Value indices at quantiles of the kernels, shape (n,), never one of probability 0.

        Args:
            component: whose kernel each one is of, shape (n,).
            q: in [0, 1), shape (n,).
        """
        cumulative = self._cumulative[component]
        q = np.minimum(q * cumulative[:, -1], np.nextafter(cumulative[:, -1], 0.0))
        return (cumulative <= q[:, None]).sum(axis=1).astype(np.float64)

    def position(self, component: int, q: float) -> Array:
        """`positions` of a single number, shape (1,)."""
        edges = self._cumulative[component]
        index = edges.searchsorted(min(q * edges[-1], np.nextafter(edges[-1], 0.0)), side="right")
        return np.array([index], dtype=np.float64)

    def peak(self, component: int) -> Array:
        """The index of the component's value likeliest relative to uniform, shape (1,)."""
        return np.array([np.argmax(self._log_ratio[:, component])], dtype=np.float64)

    def take(self, components: Any) -> TableKernels:
        """The kernels of these components only."""
        return TableKernels(self.axis, self.probabilities[components])

    def arrays(self) -> Any:
        """What the prior's constructor takes."""
        if isinstance(self.axis, GridAxis):
            return {"probabilities": self.probabilities}
        return self.probabilities

    @property
    def plain(self) -> bool:
        """Is this what version 1 of the file can hold?"""
        return isinstance(self.axis, CategoricalAxis)

    @property
    def json_size(self) -> int:
        """The most characters that one component's kernel has as JSON."""
        return 32 + self.axis.n_values * LONGEST_NUMBER

    def to_dict(self, component: int) -> dict[str, Any]:
        """The component's kernel as JSON."""
        return {"probabilities": self.probabilities[component].tolist()}


Kernels = NumericKernels | TableKernels


def check_table(axis: Axis, n_components: int) -> None:
    """PriorError where a table over these components would be too large to keep."""
    if axis.n_values * n_components > MAX_TABLE:
        raise PriorError(
            f"kernels: {short(axis.name)} would need {axis.n_values * n_components} probabilities, "
            f"more than {MAX_TABLE}: use fewer components, or a coarser step."
        )


def make_kernels(axis: Axis, kernel: Any) -> Kernels:
    """Kernels of what `Prior`'s constructor takes for one parameter; ready ones are kept."""
    if isinstance(kernel, NumericKernels | TableKernels):
        if kernel.axis.distribution != axis.distribution:
            raise PriorError(f"kernels: those of {axis.name!r} are on another distribution.")
        return kernel
    if isinstance(axis, CategoricalAxis):
        return TableKernels(axis, kernel)
    if isinstance(kernel, Mapping):
        if kernel.keys() != {"probabilities"} or not isinstance(axis, GridAxis):
            raise PriorError(f"kernels: {short(axis.name)} needs centers and widths.")
        return TableKernels(axis, kernel["probabilities"])
    try:
        centers, widths = kernel
    except (TypeError, ValueError):
        raise PriorError(f"kernels: {short(axis.name)} needs centers and widths.") from None
    return NumericKernels(axis, centers, widths)


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
    positions = all_positions(axis) if positions is None else positions
    logs = (kernels.log_ratio(positions) + axis.log_uniform(positions)[:, None]).T
    log_mass = logsumexp(logs)
    shift = np.where(np.isfinite(log_mass), log_mass, 0.0)[:, None]
    rows = np.where(np.isfinite(log_mass)[:, None], np.exp(logs - shift), 1.0)
    return rows / rows.sum(axis=1, keepdims=True), log_mass
