"""The spaces that ship: to add one, add an entry to `SPACES` (and a builder beside it)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.spaces._space import Params, SearchSpace, SpaceError

if TYPE_CHECKING:
    from infoprior.spaces._mlp import MLP


def _build_mlp(params: Params, n_features: int, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import MLP, layer_widths

    return MLP(
        n_features,
        n_classes,
        widths=layer_widths(params["width"], params["depth"], params["shape"]),
        activation=params["activation"],
        normalization=params["normalization"],
        dropout=params["dropout"],
        residual=params["residual"],
        seed=seed,
    )


def _build_thesis(params: Params, n_features: int, n_classes: int, seed: int) -> MLP:
    from infoprior.spaces._mlp import MLP

    widths = tuple(params[f"units_{i}"] for i in range(1, 5))
    return MLP(n_features, n_classes, widths=widths, activation="relu", seed=seed)


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


SPACES: dict[str, Callable[[], SearchSpace]] = {"mlp": _mlp, "thesis": _thesis}


@cache
def get_space(name: str) -> SearchSpace:
    """The space of that name.

    Raises:
        SpaceError: there is none.
    """
    if name not in SPACES:
        raise SpaceError(f"There is no search space {name!r}; choose one of {sorted(SPACES)}.")
    return SPACES[name]()
