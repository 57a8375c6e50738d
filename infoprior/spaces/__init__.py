"""Search spaces: named Optuna distributions, and the network that each point builds.

A space is a mapping of names to `optuna.distributions`; an architecture is a plain dict of values,
exactly what Optuna calls a trial's `params`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy
from infoprior.spaces._definitions import DEFAULT_SPACE, SPACES, get_space
from infoprior.spaces._space import SearchSpace, SpaceError

if TYPE_CHECKING:
    from infoprior.spaces._inputs import InputEncoder, fit_inputs

__all__ = [
    "DEFAULT_SPACE",
    "SPACES",
    "InputEncoder",
    "SearchSpace",
    "SpaceError",
    "fit_inputs",
    "get_space",
]

__getattr__, __dir__ = lazy(__name__)
