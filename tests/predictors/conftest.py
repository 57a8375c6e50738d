"""What tests of performance predictors and of searches by them share."""

import pytest

from infoprior.metadataset import MetaDataset
from infoprior.predictors import PerformancePredictor
from tests.factories import make_metadataset
from tests.predictors.test_performance import gaussian


@pytest.fixture(scope="module")
def predictor() -> PerformancePredictor:
    return gaussian()


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_metadataset(n_tasks=16, n_architectures=8)


@pytest.fixture(scope="module")
def fitted(meta: MetaDataset) -> PerformancePredictor:
    return PerformancePredictor(rank=3, iterations=5).fit(meta, progress=False)
