"""Mutual information and entropy of plain tensors, in nats.

`estimate` is the one call; `METHODS` names the estimators behind it. Critics are trained many at
once, as one stack of batched matrix products, and report what they are worth on rows they have
never seen. The room knows nothing of networks, tasks or files.

>>> import numpy as np
>>> from infoprior.information import estimate
>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(2000, 1))
>>> y = 0.9 * x + np.sqrt(1 - 0.9**2) * rng.normal(size=(2000, 1))
>>> result = estimate(x, y, seed=0)
>>> abs(result.nats - 0.83) < 0.1
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.information._api import METHODS, Method, estimate
    from infoprior.information._entropy import entropy
    from infoprior.information._inputs import InformationError, choose_rows
    from infoprior.information._layers import LayerMeasures, measure_layers
    from infoprior.information._result import FLAGS, Estimate, Estimates
    from infoprior.information._samples import without_rounding_noise
    from infoprior.information._statistics import (
        activation_entropy,
        dead_units,
        effective_rank,
        entropy_functional,
    )

__all__ = [
    "FLAGS",
    "METHODS",
    "Estimate",
    "Estimates",
    "InformationError",
    "LayerMeasures",
    "Method",
    "activation_entropy",
    "choose_rows",
    "dead_units",
    "effective_rank",
    "entropy",
    "entropy_functional",
    "estimate",
    "measure_layers",
    "without_rounding_noise",
]

__getattr__, __dir__ = lazy(__name__)
