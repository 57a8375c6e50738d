"""`SearchSpace`: sampling, encoding and building the points of a dict of Optuna distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, whole_number
from infoprior.spaces._values import contains, values_at

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

INPUTS = "inputs"
"""The parameter that says how a space with an encoder encodes rows, and the layer that it gives."""

Params = dict[str, Any]
Shape = int | Sequence[int]
"""Of what a network reads: a number of columns, or (C, H, W)."""


class SpaceError(ValueError):
    """A point or a name that does not fit the search space."""


class SearchSpace(Mapping[str, BaseDistribution]):
    """An immutable, named dict of Optuna distributions whose points build networks.

    It is a mapping, so it can be handed to whatever takes a dict of distributions
    (`study.ask(fixed_distributions=dict(space))`, for one).

    Args:
        name: what the space is called in files and on the command line.
        distributions: the parameters, in the order in which they are suggested and encoded.
        builder: `builder(params, n_features, n_classes, seed) -> nn.Module`; spaces without one can
            be sampled and encoded, but not built. With an `encoder`, its fifth argument is that.
        defaults: training settings that the space does not vary (learning rate, ...).
        encoder: `encoder(inputs, x) -> InputEncoder`, fitted on training rows x, (n, d): what every
            network begins with. Its first argument is the parameter `inputs`, which a space with an
            encoder has to have.

    Raises:
        SpaceError: the name is no text, there are no parameters, one is no Optuna distribution, or
            the builder, the defaults or the encoder are of another type.
    """

    def __init__(
        self,
        name: str,
        distributions: Mapping[str, BaseDistribution],
        builder: Callable[..., Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        encoder: Callable[[Any, np.ndarray], Any] | None = None,
    ) -> None:
        instance_of(name, str, "The name of a search space", "give a text", SpaceError)
        _check_distributions(name, distributions)
        if builder is not None and not callable(builder):
            raise SpaceError(f"The builder of the space {name!r} is {builder!r}; give a function.")
        if defaults is not None and not isinstance(defaults, Mapping):
            raise SpaceError(f"The defaults of the space {name!r} are {defaults!r}; give a dict.")
        if encoder is not None and (not callable(encoder) or INPUTS not in distributions):
            raise SpaceError(
                f"The encoder of the space {name!r} is {encoder!r}; give a function of the "
                f"parameter {INPUTS!r} and training rows, and that parameter."
            )
        self.name = name
        self._distributions = MappingProxyType(dict(distributions))
        self._builder = builder
        self.defaults: Mapping[str, Any] = MappingProxyType(dict(defaults or {}))
        self._encoder = encoder

    # The mapping -----------------------------------------------------------------------------

    def __getitem__(self, key: str) -> BaseDistribution:
        return self._distributions[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._distributions)

    def __len__(self) -> int:
        return len(self._distributions)

    def __repr__(self) -> str:
        return f"SearchSpace({self.name!r}, {list(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # How it travels to worker processes: mappingproxies cannot.
        return SearchSpace, (
            self.name, dict(self._distributions), self._builder, dict(self.defaults),
            self._encoder,
        )  # fmt: skip

    # Points ----------------------------------------------------------------------------------

    def validate(self, params: Mapping[str, Any]) -> Params:
        """The point as a new dict in the space's order.

        Args:
            params: parameter -> value.

        Raises:
            SpaceError: not a dict, a name is missing or unknown, or a value lies outside its
                distribution.
        """
        instance_of(params, Mapping, "The point", "give a dict of parameters", SpaceError)
        unknown = sorted(map(str, set(params) - set(self)))
        missing = [name for name in self if name not in params]
        if unknown or missing:
            raise SpaceError(
                f"The point does not fit the space {self.name!r}: "
                f"missing {missing}, unknown {unknown}; its parameters are {list(self)}."
            )
        for name, distribution in self.items():
            value = params[name]
            if not contains(distribution, value):
                raise SpaceError(
                    f"{name} = {value!r} lies outside {distribution!r} of the space {self.name!r}."
                )
        return {name: params[name] for name in self}

    @default_settings()
    def from_unit(self, unit: np.ndarray) -> list[Params]:
        """Points from the unit cube, so that a uniform cube gives what Optuna calls uniform.

        Args:
            unit: shape (n, len(self)), float64 in [0, 1), one column a parameter.

        Raises:
            SpaceError: another shape, or a value outside [0, 1].
        """
        unit = np.asarray(unit)
        if unit.dtype.kind not in "fiu":
            raise SpaceError(f"from_unit takes numbers in [0, 1), not {unit.dtype}.")
        unit = unit.astype(np.float64)
        if unit.ndim != 2 or unit.shape[1] != len(self) or not ((unit >= 0) & (unit <= 1)).all():
            raise SpaceError(
                f"from_unit takes numbers in [0, 1) of shape (n, {len(self)}), one column a "
                f"parameter of {self.name!r}; these, of shape {unit.shape}, are others."
            )
        unit = np.minimum(unit, np.nextafter(1.0, 0.0))
        columns = [values_at(d, unit[:, j]) for j, d in enumerate(self.values())]
        return [dict(zip(self, values, strict=True)) for values in zip(*columns, strict=True)]

    def sample(self, n: int, rng: np.random.Generator) -> list[Params]:
        """Points drawn uniformly in the sense of each distribution (log-uniform where it is log).

        Args:
            n: how many.
            rng: draws them.

        Raises:
            SpaceError: `n` is no whole number, or `rng` no generator.
        """
        n = whole_number(n, "n", 0, SpaceError)
        instance_of(
            rng, np.random.Generator, "rng", "give one of np.random.default_rng(seed)", SpaceError
        )
        return self.from_unit(rng.random((n, len(self))))

    @default_settings()
    def design(self, n: int, seed: int = 0) -> list[Params]:
        """The points of a scrambled Sobol sequence: the same few points to run on every task.

        Args:
            n: how many; fewer are the first of more.
            seed: of the scrambling.

        Raises:
            SpaceError: `n` or `seed` is no whole number from 0 on.
        """
        n, seed = whole_number(n, "n", 0, SpaceError), check_seed(seed, SpaceError)
        from scipy.stats import qmc

        engine = qmc.Sobol(d=len(self), scramble=True, rng=np.random.default_rng(seed))
        return self.from_unit(engine.random_base2(max(1, math.ceil(math.log2(max(n, 2)))))[:n])

    def shared_design(self, n: int, seed: int = 0) -> list[Params]:
        """`design` with each encoding of inputs equally often, where networks begin with one.

        Args:
            n, seed: as of `design`.

        Raises:
            SpaceError: as `design`.
        """
        points = self.design(n, seed)
        if self.encodes_inputs:
            encodings = self[INPUTS].choices  # type: ignore[attr-defined]
            for i, point in enumerate(points):
                point[INPUTS] = encodings[i % len(encodings)]
        return points

    def suggest(self, trial: BaseTrial) -> Params:
        """Ask an Optuna trial for every parameter: what an objective calls.

        >>> import optuna
        >>> from infoprior.spaces import get_space
        >>> sorted(get_space("thesis").suggest(optuna.create_study().ask()))
        ['units_1', 'units_2', 'units_3', 'units_4']

        Args:
            trial: of a running study.

        Returns:
            the point.

        Raises:
            SpaceError: it is not a trial.
        """
        if not hasattr(trial, "suggest_float"):
            raise SpaceError(f"trial is of type {type(trial).__name__}; give an Optuna trial.")
        params: Params = {}
        for name, d in self.items():
            if isinstance(d, FloatDistribution):
                params[name] = trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log)
            elif isinstance(d, IntDistribution):
                params[name] = trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
            elif isinstance(d, CategoricalDistribution):
                params[name] = trial.suggest_categorical(name, d.choices)
            else:  # pragma: no cover - Optuna has no fourth distribution
                raise SpaceError(f"{name}: {type(d).__name__} cannot be suggested.")
        return params

    # Encoding --------------------------------------------------------------------------------

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Names of the columns of `encode`: the parameter, or `parameter=choice`."""
        names: list[str] = []
        for name, d in self.items():
            if isinstance(d, CategoricalDistribution):
                names += [f"{name}={choice}" for choice in d.choices]
            else:
                names.append(name)
        return tuple(names)

    @default_settings()
    def encode(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Points as numbers for a predictor.

        Args:
            points: n of them.

        Returns:
            shape (n, len(self.encoded_names)), float64 in [0, 1]: numbers by their place in the
            range (on the log scale where the distribution is log), categoricals one-hot.

        Raises:
            SpaceError: a point does not fit the space.
        """
        instance_of(points, Sequence, "points", "give a list of dicts", SpaceError)
        points = [self.validate(point) for point in points]
        columns: list[np.ndarray] = []
        for name, d in self.items():
            values = [point[name] for point in points]
            if isinstance(d, CategoricalDistribution):
                for choice in d.choices:
                    columns.append(np.array([float(v == choice) for v in values]))
                continue
            assert isinstance(d, FloatDistribution | IntDistribution)
            x, low, high = np.asarray(values, dtype=np.float64), float(d.low), float(d.high)
            if d.log:
                x, low, high = np.log(x), math.log(low), math.log(high)
            columns.append((x - low) / (high - low) if high > low else np.zeros_like(x))
        return np.stack(columns, axis=1) if points else np.zeros((0, len(self.encoded_names)))

    # Networks --------------------------------------------------------------------------------

    def settings(self, params: Mapping[str, Any]) -> Params:
        """The point together with the training settings that the space holds fixed."""
        instance_of(params, Mapping, "The point", "give a dict of parameters", SpaceError)
        return {**self.defaults, **params}

    def with_defaults(self, **settings: Any) -> SearchSpace:
        """The same space with other training settings where it varies none, under the same name.

        >>> from infoprior.spaces import get_space
        >>> dict(get_space("mlp").with_defaults(entropy_weight=0.1).defaults)
        {'entropy_weight': 0.1}

        Args:
            settings: name -> value; the space's other defaults stay.

        Raises:
            SpaceError: the space varies one of them.
        """
        if varied := sorted(set(settings) & set(self)):
            raise SpaceError(
                f"The space {self.name!r} varies {', '.join(varied)}: a default would be ignored; "
                "set it in the point."
            )
        return SearchSpace(
            self.name, self._distributions, self._builder, {**self.defaults, **settings},
            self._encoder,
        )  # fmt: skip

    @property
    def encodes_inputs(self) -> bool:
        """Whether networks begin with an encoder that has to be fitted: see `fit_inputs`."""
        return self._encoder is not None

    def fit_inputs(self, params: Mapping[str, Any], x: np.ndarray) -> Any:
        """The encoder in front of the network at a point, fitted on training rows.

        Points with the same parameter `inputs` have the same one.

        Args:
            params: the point.
            x: training rows, shape (n, d), as of `task.split("train")[0]`.

        Returns:
            an `InputEncoder` for `build`; None where networks of this space read rows as they are.

        Raises:
            SpaceError: the point does not fit, or the rows are no table's.
        """
        params = self.validate(params)
        return None if self._encoder is None else self._encoder(params[INPUTS], x)

    @default_settings()
    def build(
        self,
        params: Mapping[str, Any],
        n_features: Shape,
        n_classes: int,
        seed: int = 0,
        inputs: Any = None,
    ) -> Any:
        """The network at a point, its weights drawn from `seed`.

        Args:
            params: the point.
            n_features: columns of the inputs, or the shape (C, H, W) of images: `task.shape` is
                right for either.
            n_classes: number of logits.
            seed: draws the weights, and the dropout masks of a training.
            inputs: what `fit_inputs` gave; spaces whose networks have an encoder need it.

        Returns:
            an `nn.Module` with `layer_names` and `activations(X)` for profiling.

        Raises:
            SpaceError: the point does not fit, this space builds no networks, its networks read
                images where vectors are given, or the other way round, `n_classes` or `seed` is no
                such number, or `inputs` is missing, of other columns, or given in vain.
        """
        if self._builder is None:
            raise SpaceError(f"The space {self.name!r} has no builder; it can only be sampled.")
        n_classes = whole_number(n_classes, "n_classes", 1, SpaceError)
        seed, params = check_seed(seed, SpaceError), self.validate(params)
        if self._encoder is None:
            if inputs is not None:
                raise SpaceError(f"The space {self.name!r} encodes no inputs; leave out `inputs`.")
            return self._builder(params, n_features, n_classes, seed)
        return self._builder(params, n_features, n_classes, seed, inputs)


def _check_distributions(name: str, distributions: Any) -> None:
    """Refuse a space without parameters, or with one that is no Optuna distribution."""
    remedy = "give a dict of name -> optuna.distributions"
    instance_of(distributions, Mapping, f"What the space {name!r} varies", remedy, SpaceError)
    if not distributions:
        raise SpaceError(f"The search space {name!r} has no parameters; give at least one.")
    for key, distribution in distributions.items():
        kinds = (FloatDistribution, IntDistribution, CategoricalDistribution)
        if not isinstance(key, str) or not isinstance(distribution, kinds):
            raise SpaceError(
                f"The search space {name!r} has {key!r}: {distribution!r}; {remedy}, of floats, "
                "ints or choices."
            )
