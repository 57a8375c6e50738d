"""Priors over search spaces: a joint distribution, where it comes from, its file, and a sampler.

Needs numpy and Optuna only.
"""

from ._errors import PriorError
from ._mixture.entropy import Entropy
from ._mixture.marginal import Marginal
from ._prior import Prior
from ._search.brackets import Bracket, hyperband_brackets, hyperband_rungs, optuna_brackets
from ._search.promotion import Promotion
from ._search.runner import fail_stale, optimize
from ._search.sampler import PriorSampler
from ._search.study import hyperband_study
from ._trial import PausedTrial, resumed_from

__all__ = [
    "Bracket",
    "Entropy",
    "Marginal",
    "PausedTrial",
    "Prior",
    "PriorError",
    "PriorSampler",
    "Promotion",
    "fail_stale",
    "hyperband_brackets",
    "hyperband_rungs",
    "hyperband_study",
    "optimize",
    "optuna_brackets",
    "resumed_from",
]
