"""What tests of searches by a posterior share."""

import pytest

from infoprior.predictors import PerformancePredictor
from tests.predictors.test_performance import gaussian


@pytest.fixture(scope="module")
def predictor() -> PerformancePredictor:
    return gaussian()
