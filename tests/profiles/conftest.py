from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from infoprior.tasks import Task


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def task() -> Task:
    """Three classes; feature 0 names the class, the other four are noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 500)
    features = rng.normal(size=(500, 5)).astype(np.float32)
    features[:, 0] = (y - 1) + 0.05 * features[:, 0]
    rows = rng.permutation(500)
    return Task(
        name="test/three",
        family="test",
        source="by hand",
        kind="synthetic",
        X=features,
        y=y.astype(np.int64),
        train=rows[:300],
        validation=rows[300:400],
        test=rows[400:],
        feature_names=tuple("abcde"),
        class_names=("low", "middle", "high"),
    )
