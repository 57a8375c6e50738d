"""The spaces that ship: to add one, add an entry to `SPACES` (and a builder beside it)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior._arguments import whole_number
from infoprior.spaces._space import Params, SearchSpace, Shape, SpaceError

if TYPE_CHECKING:
    from infoprior.spaces._cnn import CNN
    from infoprior.spaces._mlp import MLP


def _columns(shape: Shape) -> int:
    """The number of columns, unless the rows are images."""
    shape = _sides(shape)
    if isinstance(shape, int):
        return shape
    if len(shape) != 1:
        raise SpaceError(
            f"This space's networks read vectors, not images of shape {tuple(shape)}; "
            "flatten them: task.flatten()."
        )
    return shape[0]


def _sides(shape: Shape) -> int | tuple[int, ...]:
    """A number of columns, or the sides of a row, each from 1 on."""
    if isinstance(shape, tuple | list):
        return tuple(whole_number(side, "a side of n_features", 1, SpaceError) for side in shape)
    return whole_number(shape, "n_features", 1, SpaceError)


def _image(shape: Shape) -> Sequence[int]:
    """(C, H, W), unless the rows are vectors."""
    shape = _sides(shape)
    if isinstance(shape, int) or len(shape) != 3:
        raise SpaceError(
            f"This space's networks read images: give their shape (C, H, W), not {shape}."
        )
    return shape


def _build_mlp(params: Params, n_features: Shape, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import MLP, layer_widths

    return MLP(
        _columns(n_features),
        n_classes,
        widths=layer_widths(params["width"], params["depth"], params["shape"]),
        activation=params["activation"],
        normalization=params["normalization"],
        dropout=params["dropout"],
        residual=params["residual"],
        seed=seed,
    )


def _build_thesis(params: Params, n_features: Shape, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import MLP

    widths = tuple(params[f"units_{i}"] for i in range(1, 5))
    return MLP(_columns(n_features), n_classes, widths=widths, activation="relu", seed=seed)


def _build_cnn(params: Params, shape: Shape, n_classes: int, seed: int) -> CNN:
    from infoprior.spaces._cnn import CNN

    return CNN(
        _image(shape),
        n_classes,
        filters=(params["filters"],) * params["n_blocks"],
        kernel=params["kernel"],
        activation=params["activation"],
        normalization=params["normalization"],
        pooling=params["pooling"],
        head=params["head"],
        dropout=params["dropout"],
        seed=seed,
    )


def _build_thesis_cnn(params: Params, shape: Shape, n_classes: int, seed: int) -> CNN:
    from infoprior.spaces._cnn import CNN

    filters = tuple(params[f"filters_{i}"] for i in range(1, 5))
    return CNN(_image(shape), n_classes, filters=filters, seed=seed)


def _mlp() -> SearchSpace:
    """The multilayer perceptrons that people tune on tables."""
    return SearchSpace(
        "mlp",
        {
            "depth": IntDistribution(1, 5),
            "width": IntDistribution(16, 256, log=True),
            "shape": CategoricalDistribution(("constant", "funnel")),
            "activation": CategoricalDistribution(("relu", "tanh", "gelu", "silu")),
            "normalization": CategoricalDistribution(("none", "batch", "layer")),
            "dropout": FloatDistribution(0.0, 0.5),
            "residual": CategoricalDistribution((False, True)),
            "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
            "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
            "batch_size": CategoricalDistribution((32, 64, 128, 256)),
        },
        _build_mlp,
    )


def _thesis() -> SearchSpace:
    """Four layers of 10, 15, ..., 120 units each.

    Kossmann, "Mutual information for fine-grained analysis of neural networks", ETH Zurich 2019,
    varies the filters of a four-layer CNN so; on tables the layers are dense.
    """
    units: dict[str, Any] = {f"units_{i}": IntDistribution(10, 120, step=5) for i in range(1, 5)}
    fixed = {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 64}
    return SearchSpace("thesis", units, _build_thesis, defaults=fixed)


def _cnn() -> SearchSpace:
    """Small convolutional networks for small images."""
    return SearchSpace(
        "cnn",
        {
            "n_blocks": IntDistribution(1, 3),
            "filters": IntDistribution(4, 32, log=True),
            "kernel": CategoricalDistribution((3, 5)),
            "activation": CategoricalDistribution(("relu", "tanh", "gelu", "silu")),
            "normalization": CategoricalDistribution(("none", "batch")),
            "pooling": CategoricalDistribution(("max", "average", "stride")),
            "head": CategoricalDistribution(("gap", "dense")),
            "dropout": FloatDistribution(0.0, 0.5),
            "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
            "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
            "batch_size": CategoricalDistribution((32, 64, 128, 256)),
        },
        _build_cnn,
    )


def _thesis_cnn() -> SearchSpace:
    """Four convolutional layers of 10, 15, ..., 120 filters each, after Kossmann 2019 (`_thesis`);
    kernel, pooling, head and training settings are this package's own."""
    filters: dict[str, Any] = {
        f"filters_{i}": IntDistribution(10, 120, step=5) for i in range(1, 5)
    }
    fixed = {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 64}
    return SearchSpace("thesis-cnn", filters, _build_thesis_cnn, defaults=fixed)


SPACES: dict[str, Callable[[], SearchSpace]] = {
    "mlp": _mlp,
    "thesis": _thesis,
    "cnn": _cnn,
    "thesis-cnn": _thesis_cnn,
}


def get_space(name: str) -> SearchSpace:
    """A space of the package.

    Args:
        name: a key of `SPACES`.

    Raises:
        SpaceError: (a ValueError) there is none of that name.
    """
    if not isinstance(name, str) or name not in SPACES:
        raise SpaceError(f"There is no search space {name!r}; choose one of {sorted(SPACES)}.")
    return _made(name)


@cache
def _made(name: str) -> SearchSpace:
    return SPACES[name]()
