"""A distribution over architectures: what a predictor returns and a sampler samples.

p(x) = floor · u(x) + (1 − floor) · Σ_k w_k Π_i K_ki(x_i), with u uniform over the space. The floor
is never zero: where the mixture is wrong, every architecture keeps at least floor times its
uniform chance, so a wrong prior costs a constant factor of trials at most (the same reasoning as
the uniform fraction of Hyperband-based BOHB, Falkner et al. 2018, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import BaseDistribution

from . import _file
from ._axes import Axis, CategoricalAxis, locate, make_axis
from ._errors import PriorError
from ._fit import around, moments, shares
from ._kernels import SUM_TOLERANCE, CategoricalKernels, Kernels, NumericKernels, frozen
from ._marginal import Marginal

Array = NDArray[np.float64]
Params = Mapping[str, Any]

MAX_COMPONENTS = 10_000
_MAX_VALUES = 100_000  # the most values a marginal lists


def _logsumexp(x: Array) -> Array:
    """log Σ exp over the last axis; -inf where every term is."""
    peak = np.max(x, axis=-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - peak), axis=-1)) + peak[..., 0]


class Prior:
    """A joint, multi-modal distribution over any dict of Optuna distributions.

    Args:
        space: name -> Optuna distribution; a `SearchSpace` is one.
        kernels: name -> the components' kernels on that parameter: for a numeric one the pair
            (centers, widths), each of shape (k,), in unit coordinates (0 is `low`, 1 is `high`,
            on the log scale of a log parameter); for a categorical one the probabilities of its
            choices, shape (k, choices). Every name of the space.
        weights: the components' weights, shape (k,), summing to one.
        floor: the uniform share, in (0, 1].
        metadata: name -> text or number, kept in the file.

    Most callers want `uniform`, `from_points` or `gaussian`.

    Raises:
        PriorError: for anything out of its range, naming it.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        kernels: Mapping[str, Any] | None = None,
        weights: ArrayLike = (),
        *,
        floor: float = 0.1,
        metadata: Mapping[str, str | float | int] | None = None,
    ) -> None:
        self._axes: dict[str, Axis] = {n: make_axis(n, d) for n, d in space.items()}
        if not self._axes:
            raise PriorError("space: needs at least one parameter.")
        self.floor = _file.number("floor", floor)
        if not 0.0 < self.floor <= 1.0:
            raise PriorError(f"floor: needs to be in (0, 1], got {floor!r}.")
        self.metadata = _file.check_metadata(metadata or {})
        self.weights = frozen(weights)
        if self.weights.ndim != 1 or len(self.weights) > MAX_COMPONENTS:
            raise PriorError(f"weights: needs one dimension and at most {MAX_COMPONENTS} entries.")
        if len(self.weights) == 0 and self.floor < 1.0:
            raise PriorError("components: there are none, so the floor needs to be 1.")
        if not np.all(self.weights >= 0.0):
            raise PriorError("weights: none may be negative or NaN.")
        if len(self.weights) and not abs(self.weights.sum() - 1.0) <= SUM_TOLERANCE:
            raise PriorError(f"weights: need to sum to one, got {self.weights.sum():.12g}.")
        self._kernels: dict[str, Kernels] = self._stack(kernels or {}) if len(self.weights) else {}
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(self.weights) + np.log1p(-self.floor)
        self._log_floor = math.log(self.floor)

    def _stack(self, kernels: Mapping[str, Any]) -> dict[str, Kernels]:
        self._check_names(kernels, "kernels")
        stacked: dict[str, Kernels] = {}
        for name, axis in self._axes.items():
            kernel = kernels[name]
            if isinstance(axis, CategoricalAxis):
                stacked[name] = CategoricalKernels(axis, kernel)
            else:
                stacked[name] = NumericKernels(axis, *kernel)
            if len(stacked[name]) != len(self.weights):
                raise PriorError(
                    f"kernels: {name!r} has {len(stacked[name])} components, "
                    f"weights have {len(self.weights)}."
                )
        return stacked

    # ---- constructors

    @classmethod
    def uniform(cls, space: Mapping[str, BaseDistribution]) -> Prior:
        """Uniform over the space, on the log scale for log parameters: what random search draws."""
        return cls(space, floor=1.0)

    @classmethod
    def from_points(
        cls,
        space: Mapping[str, BaseDistribution],
        points: Sequence[Params],
        weights: ArrayLike | None = None,
        *,
        bandwidth: float | Mapping[str, float] = 0.15,
        floor: float = 0.1,
    ) -> Prior:
        """One component around each point.

        Args:
            points: dicts with every name of the space, values inside it.
            weights: non-negative, normalised here, shape (n,); equal by default. Points of weight
                zero are left out.
            bandwidth: a numeric kernel's standard deviation in unit coordinates, and the
                probability a categorical kernel moves from the point's choice to all others
                together; one number, or one for each name.
            floor: the uniform share.
        """
        base = cls.uniform(space)
        if isinstance(bandwidth, Mapping):
            base._check_names(bandwidth, "bandwidth")
        share = shares(points, weights, MAX_COMPONENTS)
        points = [p for p, w in zip(points, share, strict=True) if w > 0.0]
        kernels = around(base._inside(points), bandwidth)
        return cls(space, kernels, share[share > 0.0], floor=floor)

    @classmethod
    def gaussian(
        cls,
        space: Mapping[str, BaseDistribution],
        points: Sequence[Params],
        weights: ArrayLike | None = None,
        *,
        floor: float = 0.1,
    ) -> Prior:
        """One product component with the moments of the weighted points.

        Mean and standard deviation in unit coordinates (at least 0.02) for numeric parameters,
        weighted frequencies for categorical ones. The thesis' static opponent (Kossmann, Mutual
        information for fine-grained analysis of neural networks, ETH Zurich 2019) is this over
        all data sets.
        """
        share = shares(points, weights, MAX_COMPONENTS)
        kernels = moments(cls.uniform(space)._inside(points), share)
        return cls(space, kernels, [1.0], floor=floor)

    def with_metadata(self, **metadata: str | float | int) -> Prior:
        """The same prior with these entries added to (or replaced in) its metadata."""
        return self._like(self._axes, self._kernels, self.weights, self.floor, metadata)

    def _like(
        self,
        axes: Mapping[str, Axis],
        kernels: Mapping[str, Kernels],
        weights: ArrayLike,
        floor: float,
        metadata: Mapping[str, str | float | int],
    ) -> Prior:
        arrays = {
            n: k.probabilities if isinstance(k, CategoricalKernels) else (k.centers, k.widths)
            for n, k in kernels.items()
        }
        space: dict[str, BaseDistribution] = {n: a.distribution for n, a in axes.items()}
        merged = {**self.metadata, **metadata}
        return Prior(space, arrays, weights, floor=floor, metadata=merged)

    # ---- reading

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """name -> Optuna distribution, a copy."""
        return {name: axis.distribution for name, axis in self._axes.items()}

    @property
    def n_components(self) -> int:
        """How many components the mixture has; 0 for the uniform prior."""
        return len(self.weights)

    def __repr__(self) -> str:
        names = ", ".join(self._axes)
        return f"Prior({self.n_components} components, floor={self.floor:g}, over {names})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prior) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((tuple(sorted(self._axes)), self.floor, self.weights.tobytes()))

    def _check_names(self, mapping: Any, where: str) -> None:
        if not isinstance(mapping, Mapping):
            raise PriorError(f"{where}: needs a dict of names, got {type(mapping).__name__}.")
        if mapping.keys() != self._axes.keys():
            missing = sorted(self._axes.keys() - mapping.keys())
            unknown = sorted(str(n) for n in mapping.keys() - self._axes.keys())
            raise PriorError(f"{where}: parameters missing: {missing}, unknown: {unknown}.")

    def _locate(
        self, points: Sequence[Params]
    ) -> tuple[dict[str, tuple[Axis, Array]], NDArray[np.bool_]]:
        """({name: (axis, positions (n,))}, which points are inside (n,))."""
        for point in points:
            self._check_names(point, "point")
        located: dict[str, tuple[Axis, Array]] = {}
        inside = np.ones(len(points), dtype=np.bool_)
        for name, axis in self._axes.items():
            positions, contained = locate(axis, (p[name] for p in points))
            located[name] = axis, positions
            inside &= contained
        return located, inside

    def _inside(self, points: Sequence[Params]) -> dict[str, tuple[Axis, Array]]:
        located, inside = self._locate(points)
        if not inside.all():
            i = int(np.flatnonzero(~inside)[0])
            raise PriorError(f"points: number {i} is outside the space: {dict(points[i])}.")
        return located

    # ---- probability

    def _log_ratio(self, located: Mapping[str, tuple[Axis, Array]], n: int) -> Array:
        if not self._kernels:
            return np.zeros(n)
        terms = np.tile(self._log_weights, (n, 1))
        for name, (_, positions) in located.items():
            terms += self._kernels[name].log_ratio(positions)
        return np.logaddexp(self._log_floor, _logsumexp(terms))

    @overload
    def log_ratio(self, params: Params) -> float: ...
    @overload
    def log_ratio(self, params: Sequence[Params]) -> Array: ...
    def log_ratio(self, params: Params | Sequence[Params]) -> float | Array:
        """log p(x) − log u(x) in nats, u uniform over the space; at least log(floor) inside it.

        A float for one dict, shape (n,) for a list of n. -inf for a point out of range.

        Raises:
            PriorError: where names are missing or unknown, or a value has the wrong type.
        """
        return self._evaluate(params, native=False)

    @overload
    def log_prob(self, params: Params) -> float: ...
    @overload
    def log_prob(self, params: Sequence[Params]) -> Array: ...
    def log_prob(self, params: Params | Sequence[Params]) -> float | Array:
        """log p(x) in nats: a density per unit of each float, a probability for all others.

        A float for one dict, shape (n,) for a list of n. -inf for a point out of range.

        Raises:
            PriorError: where names are missing or unknown, or a value has the wrong type.
        """
        return self._evaluate(params, native=True)

    def _evaluate(self, params: Params | Sequence[Params], *, native: bool) -> float | Array:
        points = [params] if isinstance(params, Mapping) else list(params)
        located, inside = self._locate(points)
        result = self._log_ratio(located, len(points))
        if native:
            for axis, positions in located.values():
                result = result + axis.log_uniform(positions)
        result = np.where(inside, result, -np.inf)
        return float(result[0]) if isinstance(params, Mapping) else result

    def sample(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        """`n` independent points as dicts of Python scalars, all inside the space."""
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise PriorError(f"sample: needs a number of points, got {n!r}.")
        # One uniform number for the component and one for each parameter, always.
        q = rng.random((int(n), len(self._axes) + 1))
        chances = np.concatenate([[self.floor], (1.0 - self.floor) * self.weights])
        edges = np.cumsum(chances)
        component = np.searchsorted(edges, q[:, 0] * edges[-1], side="right") - 1
        component = np.minimum(component, self.n_components - 1)
        columns: dict[str, list[Any]] = {}
        for i, (name, axis) in enumerate(self._axes.items(), start=1):
            positions = axis.from_unit(q[:, i])
            mixed = np.flatnonzero(component >= 0)
            if len(mixed):
                kernels = self._kernels[name]
                drawn = kernels.draw(component[mixed], q[mixed, i])
                if isinstance(kernels, NumericKernels):
                    drawn = kernels.axis.from_unit(drawn)
                positions = positions.copy()
                positions[mixed] = drawn
            columns[name] = axis.values(positions)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def marginal(self, name: str) -> Marginal:
        """One parameter's marginal; PriorError for an unknown name or more than 100,000 values."""
        if name not in self._axes:
            raise PriorError(f"marginal: parameter {name!r} is unknown; there are {[*self._axes]}.")
        axis = self._axes[name]
        if axis.discrete and axis.n_values > _MAX_VALUES:
            raise PriorError(f"marginal: parameter {name!r} has {axis.n_values} values to list.")
        positions = (
            np.arange(axis.n_values, dtype=float) if axis.discrete else np.linspace(0, 1, 512)
        )
        values = axis.values(positions)
        p = np.exp(self._log_ratio({name: (axis, positions)}, len(values)))
        p = p * np.exp(axis.log_uniform(positions))
        log = bool(getattr(axis.distribution, "log", False))
        if axis.discrete:
            return Marginal(name, values, p, None, log)
        return Marginal(name, values, None, p, log)

    def condition(self, params: Params) -> Prior:
        """The prior over the other parameters, given these; PriorError where they are outside."""
        unknown = sorted(str(n) for n in params.keys() - self._axes.keys())
        rest = {n: a for n, a in self._axes.items() if n not in params}
        if unknown or not rest:
            raise PriorError(f"condition: unknown: {unknown}; {len(rest)} parameters left.")
        log_weights, log_floor = self._given(params, strict=True)
        total = np.logaddexp(log_floor, _logsumexp(log_weights)) if self._kernels else log_floor
        floor = float(np.clip(np.exp(log_floor - total), np.finfo(float).tiny, 1.0))
        weights = np.exp(log_weights - np.max(log_weights, initial=-np.inf))
        if not self._kernels or not np.sum(weights) > 0.0:
            return Prior(
                {n: a.distribution for n, a in rest.items()}, floor=1.0, metadata=self.metadata
            )
        kernels = {n: self._kernels[n] for n in rest}
        return self._like(rest, kernels, weights / weights.sum(), floor, {})

    def _given(self, params: Params, *, strict: bool = False) -> tuple[Array, float]:
        """log weight of each component (k,) and of the floor, joint with these values.

        Values are relative to uniform; outside the space they say nothing, or raise if `strict`.
        """
        log_weights = self._log_weights
        for name, value in params.items():
            try:
                position = self._axes[name].find(value)
            except PriorError:
                if strict:
                    raise
                continue
            if position is None and strict:
                raise PriorError(f"condition: {name!r} = {value!r} is outside the space.")
            if position is not None and self._kernels:
                log_weights = log_weights + self._kernels[name].row(position)
        return log_weights, self._log_floor

    def mode(self) -> dict[str, Any]:
        """The component centre with the highest density relative to uniform.

        Relative, so that it does not hang on a parameter's units. The uniform prior has none and
        answers the middle of the space.
        """
        if not self._kernels:
            middle = {n: a.from_unit(np.array([0.5])) for n, a in self._axes.items()}
            return {n: a.values(middle[n])[0] for n, a in self._axes.items()}
        k = self.n_components
        located = {
            n: (self._axes[n], np.concatenate([kernels.peak(i) for i in range(k)]))
            for n, kernels in self._kernels.items()
        }
        best = int(np.argmax(self._log_ratio(located, k)))
        return {n: a.values(positions[best : best + 1])[0] for n, (a, positions) in located.items()}

    # ---- files

    def to_dict(self) -> dict[str, Any]:
        """The prior as plain JSON values; `from_dict` gives it back exactly."""
        components = [
            {"weight": w, "kernels": {n: k.to_dict(i) for n, k in self._kernels.items()}}
            for i, w in enumerate(self.weights.tolist())
        ]
        return _file.to_document(self.space, self.floor, components, self.metadata)

    @classmethod
    def from_dict(cls, document: Any) -> Prior:
        """A prior from `to_dict`'s document; PriorError naming the field where one is wrong."""
        return cls(**cast(dict[str, Any], _file.from_document(document, MAX_COMPONENTS)))

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all; equal priors give equal bytes."""
        _file.write(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Prior:
        """Read a file of `save`'s; PriorError naming the field where one is wrong."""
        return cls.from_dict(_file.read(Path(path)))
