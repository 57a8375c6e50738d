"""A search space as JSON, so that files say which space they belong to."""

from __future__ import annotations

import json
import warnings
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    FloatDistribution,
    distribution_to_json,
    json_to_distribution,
)

from infoprior._arguments import instance_of
from infoprior.metadataset._schema import MetaDatasetError
from infoprior.spaces import SPACES, SearchSpace, get_space


def space_to_dict(space: SearchSpace) -> dict[str, Any]:
    """Name and distributions (Optuna's own JSON), in order: the encoding follows it.

    Raises:
        MetaDatasetError: it is no search space.
    """
    instance_of(space, SearchSpace, "space", "give one of get_space", MetaDatasetError)
    return {
        "name": space.name,
        "distributions": [[n, json.loads(distribution_to_json(d))] for n, d in space.items()],
    }


def _distribution(data: Any) -> BaseDistribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distribution = json_to_distribution(json.dumps(data))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        # Optuna moves `high` down onto the grid, where it is already: once rounded to a float, it
        # would lose a whole step each time it is read.
        distribution.high = float(data["attributes"]["high"])
    return distribution


def space_from_dict(data: Any, where: str) -> SearchSpace:
    """The space that `space_to_dict` wrote; one of a name that ships is that space itself.

    Args:
        data: the dict.
        where: the file it came from, for the message.

    Raises:
        MetaDatasetError: it cannot be read, or the space that ships under this name is another.
    """
    try:
        name = data["name"]
        distributions = {n: _distribution(d) for n, d in data["distributions"]}
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise MetaDatasetError(f"{where}: the space cannot be read: {error!r}.") from error
    if name not in SPACES:
        return SearchSpace(name, distributions)
    space = get_space(name)
    if list(distributions.items()) != list(space.items()):
        raise MetaDatasetError(
            f"{where}: its space {name!r} is not the {name!r} of this infoprior; build it again."
        )
    return space
