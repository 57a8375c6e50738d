"""Priors over architectures: a joint distribution, its JSON file, and a sampler for Optuna.

Needs numpy and Optuna only.
"""

from ._entropy import Entropy
from ._errors import PriorError
from ._marginal import Marginal
from ._prior import Prior
from ._sampler import PriorSampler

__all__ = ["Entropy", "Marginal", "Prior", "PriorError", "PriorSampler"]
