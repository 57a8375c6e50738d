"""The search on small images, with NAS-Bench-201's operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infoprior import get_space, load_task
from infoprior.search.darts import retrain, search_darts

DIGITS = "digits-image/0123456789/8"
SPACE: Any = get_space("darts-cnn")


def test_images_are_searched_in_both_orders_by_seed() -> None:
    task = load_task(DIGITS, max_train=64, max_validation=40)
    for order in (1, 2):
        a, b = (
            search_darts(task, SPACE, order=order, epochs=1, eigenvalues=measured)
            for measured in (order == 1, False)
        )
        assert a.params == SPACE.validate(b.params)
        assert a.alphas.tobytes() == b.alphas.tobytes()
        assert np.isfinite(a.history.to_numpy(float)).all()


@pytest.mark.slow
def test_a_searched_cell_learns_to_read_digits() -> None:
    task = load_task(DIGITS, max_train=400, max_validation=200)
    search = search_darts(task, SPACE, epochs=9, eigenvalues=False)
    judged = retrain(task, search.params, space=SPACE, epochs=9)
    assert search.history["validation_accuracy"].iloc[-1] > 0.8
    assert judged.best > 0.9
    assert judged.mean > 0.7
