"""Priors over search spaces: a joint distribution, where it comes from, its file, and a sampler.

Needs numpy and Optuna only.
"""

from ._errors import PriorError
from ._mixture.entropy import Entropy
from ._mixture.marginal import Marginal
from ._prior import Prior
from ._search.runner import fail_stale, optimize
from ._search.sampler import PriorSampler
from ._search.study import hyperband_study
from ._trial import Paused, continues

__all__ = [
    "Entropy",
    "Marginal",
    "Paused",
    "Prior",
    "PriorError",
    "PriorSampler",
    "continues",
    "fail_stale",
    "hyperband_study",
    "optimize",
]
