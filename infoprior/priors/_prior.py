"""A distribution over a search space: what is known beforehand, and what a sampler samples.

p(x) = floor · u(x) + (1 − floor) · Σ_k w_k Π_i K_ki(x_i), with u uniform over the space. The floor
is never zero: where the mixture is wrong, every point keeps at least floor times its
uniform chance, so a wrong prior costs a constant factor of trials at most (the same reasoning as
the uniform fraction of Hyperband-based BOHB, Falkner et al. 2018, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution

from ._errors import PriorError
from ._learning.expert import from_expert
from ._learning.studies import from_studies
from ._learning.trials import from_trials
from ._mixture import algebra, entropy, json_file, marginal, restrict, sampling
from ._mixture.algebra import MAX_COMPONENTS
from ._mixture.axes import Axis, Params, check_names, locate_inside, locate_points, make_axes
from ._mixture.entropy import Entropy
from ._mixture.json_file import check_metadata, check_size
from ._mixture.kernels import SUM_TOLERANCE, Kernels, frozen, make_kernels
from ._mixture.marginal import Marginal
from ._mixture.points import around, moments, shares
from ._mixture.truncated_normal import Array, logsumexp
from ._values import dicts, mapping, share, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_SHOWN = 12  # parameters in the prior's repr


class Prior:
    """A joint, multi-modal distribution over any dict of Optuna distributions.

    Args:
        space: name -> Optuna distribution; a `SearchSpace` is one.
        kernels: name -> the components' kernels on that parameter: for a numeric one the pair
            (centers, widths), each of shape (k,), in unit coordinates (0 is `low`, 1 is `high`,
            on the log scale of a log parameter; a centre may lie outside); for a categorical one
            the probabilities of its choices, shape (k, choices); for an int or stepped float
            either, the latter as {"probabilities": ...}. Every name of the space.
        weights: the components' weights, shape (k,), summing to one.
        floor: the uniform share, in (0, 1].
        metadata: name -> text or number, kept in the file.

    Most callers want `from_studies`, `from_trials`, `from_expert`, `from_points` or `uniform`.
    A prior never changes: `restrict`, `condition`, `mix` and `with_metadata` return new ones.

    Raises:
        PriorError: for anything out of its range, naming it.
    """

    # Densities underflow to zero, and their logarithms to -inf, as they should, whatever a caller
    # has NumPy do then: so here, and wherever a public call computes.
    @np.errstate(all="ignore")
    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        kernels: Mapping[str, Any] | None = None,
        weights: ArrayLike = (),
        *,
        floor: float = 0.1,
        metadata: Mapping[str, str | float | int] | None = None,
    ) -> None:
        self._axes = make_axes(space)
        self._floor = share("floor", floor)
        self._metadata = check_metadata({} if metadata is None else metadata)
        self._weights = w = frozen("weights", weights)
        if w.ndim != 1 or len(w) > MAX_COMPONENTS:
            raise PriorError(f"weights: needs one dimension and at most {MAX_COMPONENTS} entries.")
        if len(w) == 0 and self._floor < 1.0:
            raise PriorError("components: there are none, so the floor needs to be 1.")
        kernels = {} if kernels is None else mapping("kernels", kernels, "kernels")
        if len(w) == 0 and kernels:
            raise PriorError("kernels: are given, but no weights of theirs.")
        if not np.all(w >= 0.0):
            raise PriorError("weights: none may be negative or NaN.")
        if len(w) and not abs(w.sum() - 1.0) <= SUM_TOLERANCE:
            raise PriorError(f"weights: need to sum to one, got {w.sum():.12g}.")
        self._kernels: dict[str, Kernels] = self._stack(kernels) if len(w) else {}
        check_size(self._axes, self._kernels, len(w), self._metadata)
        self._log_weights = frozen("weights", np.log(w) + np.log1p(-self._floor))
        self._log_floor = math.log(self._floor)
        self._shared: dict[Any, Any] = {}  # what `restrict.shared` remembers

    def _stack(self, kernels: Mapping[str, Any]) -> dict[str, Kernels]:
        check_names(self._axes, kernels, "kernels")
        stacked = {name: make_kernels(axis, kernels[name]) for name, axis in self._axes.items()}
        for name, made in stacked.items():
            if len(made) != len(self._weights):
                raise PriorError(
                    f"kernels: {short(name)} has {len(made)} components, "
                    f"weights have {len(self._weights)}."
                )
        return stacked

    # ---- constructors

    @classmethod
    def uniform(cls, space: Mapping[str, BaseDistribution]) -> Prior:
        """Uniform over the space, on the log scale for log parameters: what random search draws."""
        return cls(space, floor=1.0)

    @classmethod
    @np.errstate(all="ignore")
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
        axes = make_axes(space)
        if isinstance(bandwidth, Mapping):
            check_names(axes, bandwidth, "bandwidth")
        points = dicts("points", points)
        normalized = shares(points, weights, MAX_COMPONENTS)
        points = [p for p, w in zip(points, normalized, strict=True) if w > 0.0]
        kernels = around(locate_inside(axes, points), bandwidth)
        return cls(space, kernels, normalized[normalized > 0.0], floor=floor)

    @classmethod
    @np.errstate(all="ignore")
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
        points = dicts("points", points)
        normalized = shares(points, weights, MAX_COMPONENTS)
        kernels = moments(locate_inside(make_axes(space), points), normalized)
        return cls(space, kernels, [1.0], floor=floor)

    # Functions of their own modules, with which they are documented.
    from_studies = staticmethod(from_studies)
    from_trials = staticmethod(from_trials)
    from_expert = staticmethod(from_expert)

    def with_metadata(self, **metadata: str | float | int) -> Prior:
        """The same prior with these entries added to (or replaced in) its metadata."""
        return self._like(self._axes, self._kernels, metadata)

    def _like(
        self,
        axes: Mapping[str, Axis],
        kernels: Mapping[str, Kernels],
        metadata: Mapping[str, Any] | None = None,
    ) -> Prior:
        space = {name: axis.distribution for name, axis in axes.items()}
        merged = {**self._metadata, **(metadata or {})}
        return Prior(space, kernels, self._weights, floor=self._floor, metadata=merged)

    def reweight(self, weights: ArrayLike) -> Prior:
        """The same components with other weights, floor and metadata kept.

        Much quicker than `from_points` anew: kernels are shared, not calculated again.

        Args:
            weights: non-negative, normalised here, shape (k,); components of weight zero are left
                out.

        Raises:
            PriorError: there is not one for each component, none is positive, or it has none.
        """
        if not self._kernels:
            raise PriorError("reweight: a uniform prior has no components.")
        share = shares(range(self.n_components), weights, MAX_COMPONENTS)
        kept = share > 0.0
        kernels = self._kernels
        if not kept.all():
            kernels = {name: made.take(kept) for name, made in kernels.items()}
        return Prior(self.space, kernels, share[kept], floor=self._floor, metadata=self._metadata)

    # ---- reading

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """name -> Optuna distribution, a copy."""
        return {name: axis.distribution for name, axis in self._axes.items()}

    @property
    def floor(self) -> float:
        """The uniform share, in (0, 1]."""
        return self._floor

    @property
    def weights(self) -> Array:
        """The components' weights, shape (k,), summing to one; read-only."""
        return self._weights

    @property
    def metadata(self) -> dict[str, str | float | int]:
        """name -> text or number, a copy."""
        return dict(self._metadata)

    @property
    def n_components(self) -> int:
        """How many components the mixture has; 0 for the uniform prior."""
        return len(self._weights)

    def __repr__(self) -> str:
        shown = [axis.describe() for axis in list(self._axes.values())[:_MAX_SHOWN]]
        more = len(self._axes) - len(shown)
        names = ", ".join([*shown, f"and {more} more"] if more else shown)
        plural = "" if self.n_components == 1 else "s"
        return f"Prior({self.n_components} component{plural}, floor={self.floor:.3g}, over {names})"

    def __eq__(self, other: object) -> bool:
        """The same space, in any order, kernels, weights, floor and metadata."""
        if not isinstance(other, Prior):
            return NotImplemented
        return self is other or self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((frozenset(self._axes), self._floor, self._weights.tobytes()))

    # ---- probability

    def _log_ratio(self, located: Mapping[str, tuple[Axis, Array]], n: int) -> Array:
        if not self._kernels:
            return np.zeros(n)
        terms = np.tile(self._log_weights, (n, 1))
        for name, (_, positions) in located.items():
            terms += self._kernels[name].log_ratio(positions)
        return np.logaddexp(self._log_floor, logsumexp(terms))

    @overload
    def log_ratio(self, params: Params) -> float: ...
    @overload
    def log_ratio(self, params: Sequence[Params]) -> Array: ...
    @np.errstate(all="ignore")
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
    @np.errstate(all="ignore")
    def log_prob(self, params: Params | Sequence[Params]) -> float | Array:
        """log p(x) in nats: a density per unit of each float, a probability for all others.

        A float for one dict, shape (n,) for a list of n. -inf for a point out of range.

        Raises:
            PriorError: where names are missing or unknown, or a value has the wrong type.
        """
        return self._evaluate(params, native=True)

    def _evaluate(self, params: Params | Sequence[Params], *, native: bool) -> float | Array:
        points = [params] if isinstance(params, Mapping) else dicts("params", params)
        located, inside = locate_points(self._axes, points)
        result = self._log_ratio(located, len(points))
        if native:
            for axis, positions in located.values():
                result = result + axis.log_uniform(positions)
        result = np.where(inside, result, -np.inf)
        return float(result[0]) if isinstance(params, Mapping) else result

    @np.errstate(all="ignore")
    def sample(self, n: int, rng: np.random.Generator | int) -> list[dict[str, Any]]:
        """`n` independent points as dicts of Python scalars, all inside the space.

        Args:
            n: how many.
            rng: a generator, or a seed for one.
        """
        return sampling.sample(self, n, rng)

    @np.errstate(all="ignore")
    def marginal(self, name: str) -> Marginal:
        """One parameter's marginal; PriorError for an unknown name or more than 100,000 values."""
        return marginal.marginal(self, name)

    @np.errstate(all="ignore")
    def condition(self, params: Params) -> Prior:
        """The prior over the other parameters, given these; PriorError where they are outside."""
        return algebra.condition(self, params)

    @np.errstate(all="ignore")
    def restrict(self, space: Mapping[str, BaseDistribution]) -> Prior:
        """The prior on the user's own ranges and names: p(x | x in the space), renormalised.

        Args:
            space: name -> Optuna distribution; it may differ from the prior's in range, step,
                log, choices, and between int and float.

        Returns:
            A prior over those of its names that `space` has too, each on the values that both
            have. Left out, and so left to the base sampler by `PriorSampler`, are names that the
            prior does not know, and parameters without a value in common (a number against
            choices too): `space.keys() - result.space.keys()` lists them. Names that `space` does
            not have are integrated out. Where the user's range goes beyond the prior's, the
            prior has nothing to say of the rest: its own end stays the end.

        The weights, of the floor too, change by the mass each has in the space. The values are
        the user's, the scale stays the prior's: a log parameter stays one without log, and ints
        stay ints where a float is asked for. So the result is exact: `log_prob` of points in both
        differs by one constant. Not so where a continuous parameter meets a grid (each value gets
        the mass of its cell, half a step to either side), and where only some values of a log
        parameter are left (its floor becomes uniform over these). A single value in common is
        conditioned on.

        Raises:
            PriorError: where nothing at all is in common, or a table of a parameter's values
                would need more than 500,000 numbers.
        """
        return restrict.restrict(self, space)

    def rename(self, names: Mapping[str, str]) -> Prior:
        """The same prior with other names for some parameters, such as those that a study uses.

        Args:
            names: old name -> new name; two may swap theirs. All others keep their name.

        Raises:
            PriorError: for a name that the prior does not have, or one that two would share.
        """
        return algebra.rename(self, names)

    @np.errstate(all="ignore")
    def mix(self, other: Prior, weight: float = 0.5) -> Prior:
        """(1 − weight) · this prior + weight · the other, exactly.

        Args:
            other: over the same space.
            weight: the other's share, in [0, 1].

        The metadata is that on which both agree.

        Raises:
            PriorError: where the spaces differ (`restrict` both to one first), or the components
                together are more than 10,000: they are never merged.
        """
        return algebra.mix(self, other, weight)

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
                raise PriorError(f"condition: {short(name)} = {short(value)} is outside the space.")
            if position is not None and self._kernels:
                log_weights = log_weights + self._kernels[name].row(position)
        return log_weights, self._log_floor

    @np.errstate(all="ignore")
    def mode(self) -> dict[str, Any]:
        """The component centre with the highest density relative to uniform.

        Relative, so that it does not hang on a parameter's units. The uniform prior has none and
        answers the middle of the space.
        """
        return marginal.mode(self)

    @np.errstate(all="ignore")
    def entropy(
        self,
        name: str | None = None,
        *,
        n: int = 10_000,
        rng: np.random.Generator | int | None = None,
    ) -> Entropy:
        """How much the prior says, in nats: its entropy, and its divergence from uniform.

        Exact for one parameter, for a uniform prior, and for a space of at most 100,000 points;
        otherwise a Monte Carlo estimate with its standard error. The divergence is the better
        number to compare priors by: it does not hang on units or ranges, is 0 for the uniform
        prior, and says by what factor the prior narrows the search, e to its power.

        Args:
            name: of one parameter, for its marginal; the joint by default.
            n: how many samples an estimate takes.
            rng: what draws them, or its seed; 0 by default.

        Raises:
            PriorError: for an unknown name, or fewer than two samples.
        """
        return entropy.entropy(self, name, n, rng)

    @np.errstate(all="ignore")
    def plot(
        self, others: Mapping[str, Prior] | None = None, *, label: str = "prior", title: str = ""
    ) -> Figure:
        """A matplotlib figure of the marginals, one panel a parameter, as times uniform.

        Args:
            others: label -> prior to draw over it, of the same names.
            label: this prior's, in the legend.
            title: above the panels.

        Raises:
            PriorError: where the priors have different names, or two the same label.
            ImportError: where matplotlib is not installed.
        """
        from ._mixture.plot import plot

        return plot(self, others, label, title)

    # ---- files

    def to_dict(self) -> dict[str, Any]:
        """The prior as plain JSON values; `from_dict` gives it back exactly."""
        components = [
            {"weight": w, "kernels": {n: k.to_dict(i) for n, k in self._kernels.items()}}
            for i, w in enumerate(self._weights.tolist())
        ]
        plain = all(kernels.plain for kernels in self._kernels.values())
        version = json_file.PLAIN_VERSION if plain else json_file.VERSION
        return json_file.to_document(self.space, self.floor, components, self.metadata, version)

    @classmethod
    def from_dict(cls, document: Any) -> Prior:
        """A prior from `to_dict`'s document; PriorError naming the field where one is wrong."""
        return cls(**cast(dict[str, Any], json_file.from_document(document, MAX_COMPONENTS)))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the JSON file, whole or not at all; equal priors give equal bytes."""
        json_file.write(json_file.as_path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Prior:
        """Read a file of `save`'s; PriorError naming the field where one is wrong.

        Time and memory are proportional to the file, which is 64 MB at most: a second for 10 MB.
        """
        return cls.from_dict(json_file.read(json_file.as_path(path)))
