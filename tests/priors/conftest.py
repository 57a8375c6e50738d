from __future__ import annotations

import pytest

from infoprior.priors import Prior
from tests.priors.spaces import EVERY_KIND, prior_over


@pytest.fixture
def prior() -> Prior:
    """Seven components over a space of every kind of distribution."""
    return prior_over(EVERY_KIND)
