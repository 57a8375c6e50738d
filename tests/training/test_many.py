"""Many networks at once: each as `train` would by itself."""

import pytest

from infoprior.training import CURVE_COLUMNS, train, train_many
from tests.training.test_train import POINT, SPACE, ring_task


def test_recorded_epochs_are_those_of_train():
    task = ring_task()
    networks = [({**POINT, "width": 16 + 8 * i}, i) for i in range(3)]
    for found, (params, seed) in zip(
        train_many(task, networks, space=SPACE, epochs=5, record=(1, 3, 5)), networks, strict=True
    ):
        alone = train(task, params, space=SPACE, seed=seed, epochs=5)
        assert [row["epoch"] for row in found.curve] == [1, 3, 5]
        assert found.network is None
        for row in found.curve:
            assert tuple(row) == CURVE_COLUMNS
            assert row == pytest.approx(alone.curve[row["epoch"] - 1], abs=1e-3)


def test_bad_input_is_refused():
    task, networks = ring_task(), [(POINT, 0)]

    def call(**options):
        return train_many(task, networks, space=SPACE, **options)

    with pytest.raises(ValueError, match="epochs = 0"):
        call(epochs=0)
    with pytest.raises(ValueError, match=r"record names the epochs \[0, 10\]; .* in 1..9"):
        call(epochs=9, record=(0, 3, 10))
    with pytest.raises(ValueError, match="record holds no epoch"):
        call(epochs=9, record=())
    with pytest.raises(ValueError, match=r"snapshots names the epochs \[27\]"):
        call(epochs=9, snapshots=(27,))
    with pytest.raises(ValueError, match="no engine 'fast'"):
        call(engine="fast")
    with pytest.raises(ValueError, match="width = 1"):
        train_many(task, [({**POINT, "width": 1}, 0)], space=SPACE)


def test_no_networks_no_trainings():
    assert train_many(ring_task(), [], space=SPACE) == []
