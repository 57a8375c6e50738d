"""The space `tabular`: multilayer perceptrons, and how their inputs are encoded and trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.spaces._space import Params, SearchSpace, Shape

if TYPE_CHECKING:
    import numpy as np

    from infoprior.spaces._encoded import EncodedNetwork
    from infoprior.spaces._inputs import InputEncoder

INPUT_ENCODINGS = (
    "standard", "robust", "quantile", "piecewise-8", "piecewise-24", "periodic-low",
    "periodic-high",
)  # fmt: skip
"""Ways to encode numeric columns: see `infoprior.spaces._inputs`."""

OPTIMIZER = ("learning_rate", "weight_decay", "batch_size")
"""Parameters of `mlp` that are not the network's."""

MAX_INNER_WIDTH = 192
"""Units of the layers behind the first, at most. The first alone reads the encoded columns;
products of two wide layers would take more time than all the rest of the space."""


def _build(
    params: Params, n_features: Shape, n_classes: int, seed: int, inputs: Any
) -> EncodedNetwork:
    from infoprior.spaces._encoded import EncodedNetwork, check_inputs
    from infoprior.spaces._mlp import layer_widths, perceptron

    check_inputs(inputs, n_features, "tabular")
    first, *behind = layer_widths(params["width"], params["depth"], params["shape"])
    widths = (first, *(min(width, MAX_INNER_WIDTH) for width in behind))
    return EncodedNetwork(inputs, perceptron(params, inputs.n_out, n_classes, widths, seed))


def _fit_inputs(inputs: str, x: np.ndarray) -> InputEncoder:
    from infoprior.spaces._inputs import fit_inputs

    return fit_inputs(inputs, x)


def tabular(mlp: SearchSpace) -> SearchSpace:
    """The space `mlp`, wider, with what people tune beside it: encodings, scale, loss, schedule."""
    parameters = {**mlp, "width": IntDistribution(16, 512, log=True)}
    optimizer = {name: parameters.pop(name) for name in OPTIMIZER}
    return SearchSpace(
        "tabular",
        {
            "inputs": CategoricalDistribution(INPUT_ENCODINGS),
            "feature_scale": CategoricalDistribution((False, True)),
            **parameters,
            "label_smoothing": FloatDistribution(0.0, 0.2),
            "schedule": CategoricalDistribution(("constant", "cosine", "flat-cosine")),
            **optimizer,
        },
        _build,
        encoder=_fit_inputs,
    )
