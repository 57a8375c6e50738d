"""A sampler that proposes from a prior, for as long as the prior does better than the others.

Needs numpy and Optuna only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._priors import (
    Prior,
    PriorError,
    hyperband_study,
    optimize,
    resumed_from,
)
from ._priors import PriorSampler as _PriorSampler
from ._priors._mixture.json_file import loads

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

__all__ = [
    "Prior",
    "PriorError",
    "PriorSampler",
    "hyperband_study",
    "optimize",
    "resumed_from",
]


class PriorSampler(_PriorSampler):
    """Draws some of a study's trials from a prior, and leaves the rest to a base sampler.

    Args:
        prior: what to draw from: a `Prior`, or its JSON as a path, text or dict.
        base_sampler, weight, seed, adaptive, storage: see the class this one extends, and the
            README.

    Raises:
        PriorError: where an argument is out of its range, or the JSON is no prior, by field.
    """

    def __init__(
        self,
        prior: Prior | Mapping[str, Any] | str | os.PathLike[str],
        base_sampler: BaseSampler | Callable[[int], BaseSampler] | None = None,
        weight: float = 0.25,
        seed: int | None = None,
        *,
        adaptive: bool = True,
        storage: BaseStorage | None = None,
    ) -> None:
        super().__init__(
            _read(prior), base_sampler, weight, seed, adaptive=adaptive, storage=storage
        )


def _read(prior: Any) -> Prior:
    """The prior of an object, JSON value, JSON text (it begins with a brace) or path."""
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, str) and prior.lstrip().startswith("{"):
        try:
            prior = loads(prior)
        except (ValueError, RecursionError) as error:
            raise PriorError(f"prior: the text is not JSON: {error}.") from None
    if isinstance(prior, Mapping):
        return Prior.from_dict(dict(prior))
    if isinstance(prior, (str, os.PathLike)):
        return Prior.load(Path(prior))
    if hasattr(prior, "to_dict"):  # the Prior of an installed infoprior is another class
        return Prior.from_dict(prior.to_dict())
    raise PriorError(
        f"prior: needs a Prior, or its JSON as a path, text or dict, got {type(prior).__name__}."
    )
