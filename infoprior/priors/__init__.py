"""Priors over search spaces: a joint distribution, where it comes from, its file, and a sampler.

Needs numpy and Optuna only.
"""

from ._entropy import Entropy
from ._errors import PriorError
from ._expert import from_expert
from ._marginal import Marginal
from ._notes import Paused, continues
from ._optimize import fail_stale, optimize
from ._prior import Prior
from ._sampler import PriorSampler
from ._studies import from_studies
from ._study import hyperband_study
from ._trials import from_trials

__all__ = [
    "Entropy",
    "Marginal",
    "Paused",
    "Prior",
    "PriorError",
    "PriorSampler",
    "continues",
    "fail_stale",
    "from_expert",
    "from_studies",
    "from_trials",
    "hyperband_study",
    "optimize",
]
