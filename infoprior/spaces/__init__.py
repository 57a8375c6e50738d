"""Search spaces: named Optuna distributions, and the network that each point builds.

A space is a mapping of names to `optuna.distributions`; an architecture is a plain dict of values,
exactly what Optuna calls a trial's `params`.
"""

from __future__ import annotations

from infoprior.spaces._definitions import SPACES, get_space
from infoprior.spaces._space import SearchSpace, SpaceError

__all__ = ["SPACES", "SearchSpace", "SpaceError", "get_space"]
