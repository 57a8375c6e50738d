"""The spaces that ship: to add one, add an entry to `SPACES` (and a builder beside it)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.spaces._shapes import columns, image
from infoprior.spaces._space import Params, SearchSpace, Shape, SpaceError
from infoprior.spaces._tabular import tabular

if TYPE_CHECKING:
    from infoprior.spaces._cnn import CNN
    from infoprior.spaces._mlp import MLP


def _build_mlp(params: Params, n_features: Shape, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import layer_widths, perceptron

    widths = layer_widths(params["width"], params["depth"], params["shape"])
    return perceptron(params, columns(n_features), n_classes, widths, seed)


def _build_thesis(params: Params, n_features: Shape, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import MLP

    widths = tuple(params[f"units_{i}"] for i in range(1, 5))
    return MLP(columns(n_features), n_classes, widths=widths, activation="relu", seed=seed)


def _build_cnn(params: Params, shape: Shape, n_classes: int, seed: int) -> CNN:
    from infoprior.spaces._cnn import CNN

    return CNN(
        image(shape),
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
    return CNN(image(shape), n_classes, filters=filters, seed=seed)


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


def _tabular() -> SearchSpace:
    return tabular(_mlp())


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


def _darts_mlp() -> SearchSpace:
    """Cells of dense operations, for tables: what DARTS searches."""
    from infoprior.spaces._cells import CellSpace, dense_cell

    return CellSpace("darts-mlp", dense_cell())


def _darts_cnn() -> SearchSpace:
    """Cells of NAS-Bench-201's operations, for small images: what DARTS searches."""
    from infoprior.spaces._cells import CellSpace, convolution_cell

    return CellSpace("darts-cnn", convolution_cell())


DEFAULT_SPACE = "tabular"
"""Whose published rows are loaded and learned from, unless told otherwise: as in params.yaml."""

SPACES: dict[str, Callable[[], SearchSpace]] = {
    "mlp": _mlp,
    "tabular": _tabular,
    "thesis": _thesis,
    "cnn": _cnn,
    "thesis-cnn": _thesis_cnn,
    "darts-mlp": _darts_mlp,
    "darts-cnn": _darts_cnn,
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
