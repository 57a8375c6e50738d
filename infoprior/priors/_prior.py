"""A distribution over a search space: what is known beforehand, and what a sampler samples.

p(x) = floor · u(x) + (1 − floor) · Σ_k w_k Π_i K_ki(x_i), with u uniform over the space. The floor
is never zero: where the mixture is wrong, every point keeps at least floor times its uniform
chance, so a wrong prior costs a constant factor of trials at most (the same reasoning as that of
the uniform fraction in BOHB, Falkner et al. 2018, section 4.1).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from os import PathLike
from typing import TYPE_CHECKING, Any, ParamSpec, overload

import numpy as np
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution

from ._adapting import adapt, past_json
from ._adapting.past import PastStudies
from ._errors import PriorError
from ._learning import expert, studies, trials
from ._learning.learn import Learned
from ._mixture import algebra, density, entropy, json_file, marginal, restrict, sampling
from ._mixture.axes import make_axes
from ._mixture.entropy import Entropy
from ._mixture.locate import Params
from ._mixture.marginal import Marginal
from ._mixture.mixture import Mixture, make_mixture
from ._mixture.points import around_points, moments_of_points
from ._values import Array, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Arguments = ParamSpec("_Arguments")


def _constructor(learn: Callable[_Arguments, Learned]) -> Callable[_Arguments, Prior]:
    """A constructor with the arguments, and the documentation, of a function of `_learning`."""

    @wraps(learn)
    def construct(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Prior:
        return Prior._of(*learn(*args, **kwargs))

    vars(construct)["__signature__"] = inspect.signature(learn).replace(return_annotation="Prior")
    return construct


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
        mixture = make_mixture(make_axes(space), kernels, weights, floor)
        self._mixture, self._metadata = mixture, json_file.fitting_metadata(mixture, metadata)
        self._past: PastStudies | None = None

    @classmethod
    def _of(
        cls,
        mixture: Mixture,
        metadata: Mapping[str, Any] | None = None,
        past: PastStudies | None = None,
    ) -> Prior:
        """The prior of a mixture that has been checked."""
        prior = cls.__new__(cls)
        prior._mixture, prior._past = mixture, past
        prior._metadata = json_file.fitting_metadata(mixture, metadata)
        return prior

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
            bandwidth: in (0, 1], one number or one for each name. A numeric kernel's standard
                deviation in unit coordinates; of a categorical one λ in Aitchison and Aitken's
                kernel (1976), the probability of another choice than the point's.
            floor: the uniform share.
        """
        return cls._of(around_points(make_axes(space), points, weights, bandwidth, floor))

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
        return cls._of(moments_of_points(make_axes(space), points, weights, floor))

    from_studies = staticmethod(_constructor(studies.from_studies))
    from_trials = staticmethod(_constructor(trials.from_trials))
    from_expert = staticmethod(_constructor(expert.from_expert))

    def with_metadata(self, **metadata: str | float | int) -> Prior:
        """The same prior with these entries added to (or replaced in) its metadata."""
        return Prior._of(self._mixture, {**self._metadata, **metadata}, self._past)

    @np.errstate(all="ignore")
    def reweight(self, weights: ArrayLike) -> Prior:
        """The same components with other weights, floor and metadata kept.

        Much quicker than `from_points` anew: kernels are shared, not calculated again.

        Args:
            weights: non-negative, normalised here, shape (k,); components of weight zero are left
                out.

        Raises:
            PriorError: there is not one for each component, none is positive, or it has none.
        """
        return Prior._of(algebra.reweight(self._mixture, weights), self._metadata)

    # ---- reading

    @property
    def mixture(self) -> Mixture:
        """The distribution itself, for the modules of `infoprior.priors`."""
        return self._mixture

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """name -> Optuna distribution, a copy."""
        return self._mixture.space

    @property
    def floor(self) -> float:
        """The uniform share, in (0, 1]."""
        return self._mixture.floor

    @property
    def weights(self) -> Array:
        """The components' weights, shape (k,), summing to one; read-only."""
        return self._mixture.weights

    @property
    def metadata(self) -> dict[str, str | float | int]:
        """name -> text or number, a copy."""
        return dict(self._metadata)

    @property
    def n_components(self) -> int:
        """How many components the mixture has; 0 for the uniform prior."""
        return self._mixture.n_components

    def __repr__(self) -> str:
        past = "" if self._past is None else f", learns from {len(self._past.names)} past studies"
        return f"Prior({self._mixture.describe()}{past})"

    def __eq__(self, other: object) -> bool:
        """The same space, in any order, kernels, weights, floor and metadata."""
        if not isinstance(other, Prior):
            return NotImplemented
        return self is other or self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((frozenset(self._mixture.axes), self.floor, self.weights.tobytes()))

    # ---- adapting

    @property
    def past(self) -> PastStudies | None:
        """What it adapts by, for the modules of `infoprior.priors`; None for one that does not."""
        return self._past

    def of_mixture(self, mixture: Mixture) -> Prior:
        """A prior of another mixture with this one's metadata, for the same modules."""
        return Prior._of(mixture, self._metadata)

    @property
    def adapts(self) -> bool:
        """Whether it learns during a search which past studies the present one is like."""
        return self._past is not None

    @np.errstate(all="ignore")
    def adapted(self, trials: Sequence[Params], losses: ArrayLike) -> Prior:
        """The prior given the trials of a search so far; `PriorSampler` asks for it by itself.

        Kernels around the points where the present study, taken for a function like the past
        ones, is expected to improve most: its mean is that of the past studies, its covariance
        theirs, and its own trials say which of them it is like. With fewer than two trials it is
        the prior as it is. A trial that was tried is not proposed again.

        Args:
            trials: dicts, n of them; values outside the space move to the nearest inside.
            losses: shape (n,), lower is better; only their ranks count.

        Raises:
            PriorError: the prior does not adapt (`from_studies(..., adapt=True)` makes one that
                does), or there is no loss for each trial.
        """
        past, evidence = adapt.evidence_of(self._past, trials, losses)
        if len(evidence) < adapt.FEWEST_TRIALS:
            return self
        return self.of_mixture(adapt.mixture_given(past, evidence))

    @np.errstate(all="ignore")
    def study_weights(self, trials: Sequence[Params], losses: ArrayLike) -> dict[str, float]:
        """Past study -> the probability that the present one is like it; as `adapted`.

        Studies that share a name share their weight.
        """
        past, evidence = adapt.evidence_of(self._past, trials, losses)
        return adapt.weights_by_name(past, evidence)

    # ---- probability

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
        return density.log_ratio(self._mixture, params)

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
        return density.log_prob(self._mixture, params)

    @np.errstate(all="ignore")
    def sample(self, n: int, rng: np.random.Generator | int) -> list[dict[str, Any]]:
        """`n` independent points as dicts of Python scalars, all inside the space.

        Args:
            n: how many.
            rng: a generator, or a seed for one.
        """
        return sampling.sample(self._mixture, n, rng)

    @np.errstate(all="ignore")
    def marginal(self, name: str) -> Marginal:
        """One parameter's marginal; PriorError for an unknown name or more than 100,000 values."""
        return marginal.marginal(self._mixture, name)

    @np.errstate(all="ignore")
    def condition(self, params: Params) -> Prior:
        """The prior over the other parameters, given these; PriorError where they are outside."""
        return Prior._of(algebra.condition(self._mixture, params), self._metadata)

    @np.errstate(all="ignore")
    def restrict(self, space: Mapping[str, BaseDistribution]) -> Prior:
        """The prior on the user's own ranges and names: p(x | x in the space), renormalised.

        The values are the user's, the scale stays the prior's: a log parameter stays one without
        log, and ints stay ints where a float is asked for. So the result is exact, weights and
        floor included: `log_prob` of points in both differs by one constant. Not so where a
        continuous parameter meets a grid (each value gets the mass of its cell, half a step to
        either side), and where only some values of a log parameter are left (the floor becomes
        uniform over these). A single value in common is conditioned on.

        Args:
            space: name -> Optuna distribution; it may differ from the prior's in range, step,
                log, choices, and between int and float.

        Returns:
            A prior over those of its names that `space` has too, each on the values that both
            have; beyond its own range it says nothing. Names that `space` does not have are
            integrated out. Left out, and so left to the base sampler by `PriorSampler`, are names
            that the prior does not know and parameters without a value in common (a number against
            choices too): `space.keys() - result.space.keys()` lists them.

        Raises:
            PriorError: where nothing at all is in common, or a table of a parameter's values
                would need more than 500,000 numbers.
        """
        return Prior._of(restrict.restrict(self._mixture, space), self._metadata)

    def rename(self, names: Mapping[str, str]) -> Prior:
        """The same prior with other names for some parameters, such as those that a study uses.

        Args:
            names: old name -> new name; two may swap theirs. All others keep their name.

        Raises:
            PriorError: for a name that the prior does not have, or one that two would share.
        """
        renamed = algebra.rename(self._mixture, names)
        past = None if self._past is None else replace(self._past, axes=renamed.axes)
        return Prior._of(renamed, self._metadata, past)

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
        if not isinstance(other, Prior):
            raise PriorError(f"mix: other needs to be a Prior, got {short(other)}.")
        theirs = other._metadata
        metadata = {k: v for k, v in self._metadata.items() if k in theirs and theirs[k] == v}
        return Prior._of(algebra.mix(self._mixture, other._mixture, weight), metadata)

    @np.errstate(all="ignore")
    def mode(self) -> dict[str, Any]:
        """The component centre with the highest density relative to uniform.

        Relative, so that it does not depend on a parameter's units. The uniform prior has none and
        answers the middle of the space.
        """
        return marginal.mode(self._mixture)

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
        number to compare priors by: it does not depend on units or ranges, is 0 for the uniform
        prior, and says by what factor the prior narrows the search, e to its power.

        Args:
            name: of one parameter, for its marginal; the joint by default.
            n: how many samples an estimate takes.
            rng: what draws them, or its seed; 0 by default.

        Raises:
            PriorError: for an unknown name, or fewer than two samples.
        """
        return entropy.entropy(self._mixture, name, n, rng)

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
        from ._mixture.plot import check_labels, marginals_figure

        others = check_labels(label, title, others, Prior)
        mixtures = {label: self._mixture, **{n: other._mixture for n, other in others.items()}}
        return marginals_figure(mixtures, title)

    # ---- files

    def to_dict(self) -> dict[str, Any]:
        """The prior as plain JSON values; `from_dict` gives it back exactly."""
        document = json_file.to_document(self._mixture, self._metadata)
        if self._past is not None:
            document["past_studies"] = past_json.to_document(self._past)
        return document

    @classmethod
    @np.errstate(all="ignore")
    def from_dict(cls, document: Any) -> Prior:
        """A prior from `to_dict`'s document; PriorError naming the field where one is wrong."""
        rest, past = adapt.without_past(document)
        mixture, metadata = json_file.from_document(rest)
        return cls._of(mixture, metadata, past and past_json.from_document(past, mixture.axes))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the JSON file, whole or not at all; equal priors give equal bytes."""
        json_file.write(json_file.as_path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Prior:
        """Read a file of `save`'s; PriorError naming the field where one is wrong.

        Time and memory are proportional to the file, which is 64 MB at most: a second for 10 MB.
        """
        return cls.from_dict(json_file.read(json_file.as_path(path)))
