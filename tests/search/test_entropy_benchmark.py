"""The benchmark of the entropy gradient: ECE, choices, and training as the package does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.search import _entropy_jobs as jobs
from benchmarks.search import entropy_gradient as benchmark
from infoprior.spaces import get_space
from infoprior.training import train
from infoprior.training._data import TaskTensors
from tests.training.test_train import ring_task


def test_ece_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.92, 0.08], [0.4, 0.6], [1.0, 0.0]])
    y = np.array([0, 1, 1, 0])
    # Of 15 bins: two rows in (13/15, 14/15], half right; one in (8/15, 9/15]; one in the last.
    expected = (abs(0.9 + 0.92 - 1.0) + abs(0.6 - 1.0) + 0.0) / 4
    assert jobs.ece(p, y) == pytest.approx(expected)
    assert jobs.ece(p, y, bins=1) == pytest.approx(abs(0.9 + 0.92 + 0.6 + 1.0 - 3.0) / 4)


def test_predictions_that_come_true_as_often_as_they_say_have_no_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1.0, 100_000)
    y = (rng.random(100_000) > p).astype(int)
    assert jobs.ece(np.stack([p, 1.0 - p], 1), y) < 0.01


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_it_trains_as_the_package_does_with_its_setting(weight: float) -> None:
    task, space = ring_task(), get_space("mlp")
    network = space.build(jobs.POINT, task.shape, task.n_classes, seed=4)
    own = jobs.regularised(TaskTensors(task), network, "entropy_weight", weight, seed=4, epochs=2)
    point, space = jobs.POINT, space.with_defaults(entropy_weight=weight)
    row = train(task, point, space=space, seed=4, epochs=2).curve[-1]
    for part in ("validation", "test"):
        assert own[part]["accuracy"] == pytest.approx(row[f"{part}_accuracy"], abs=0.02)
        assert own[part]["log loss"] == pytest.approx(row[f"{part}_loss"], rel=1e-3)


def made(task: str, shift: float) -> dict[str, Any]:
    """A job's result in which a weight of 0.1 is the best one, by `shift` of the test rows."""
    trained = {}
    for setting, value in {jobs.NONE, *jobs.settings()}:
        gain = shift if (setting, value) == ("entropy_weight", 0.1) else 0.0
        gain -= 0.01 if (setting, value) not in ((*jobs.NONE,), ("entropy_weight", 0.1)) else 0.0
        part = {"accuracy": 0.8 + gain, "log loss": 0.5 - gain, "ECE": 0.1 - gain}
        trained[f"{setting} {value}"] = {"validation": part, "test": part}
    path = {name: [0.5] * len(jobs.LOCAL_EPOCHS) for name in (
        "hidden bits", "output bits", "accuracy", "same class")}  # fmt: skip
    return {
        "task": task, "family": task, "regularised": trained, "alone": {"random weights": path},
        "redundancy": {"float32": 1e-7, "float64": 1e-16},
    }  # fmt: skip


def test_validation_rows_choose_and_test_rows_are_reported() -> None:
    results = [made("a", 0.02), made("b", 0.04)]
    table = benchmark.score_table(results, "log loss").set_index(["task", "method"])
    assert table.loc[("a", "entropy minimised"), "value"] == 0.1
    assert table.loc[("a", "entropy, either sign"), "value"] == 0.1
    assert table.loc[("a", "label smoothing"), "value"] == 0.0
    assert table.loc[("b", "entropy minimised"), "Δ accuracy"] == pytest.approx(0.04)
    text = benchmark.report(results, epochs=1, seeds=1)
    assert "| entropy minimised | +3.000 [+2.000, +4.000] | -0.030 [-0.040, -0.020] |" in text
    assert "| entropy minimised − weight decay | +3.000 [+2.000, +4.000] |" in text
    assert "1.0e-16 in float64" in text


def test_w_and_g_are_one_matrix_on_a_task() -> None:
    farthest = jobs.redundancy(TaskTensors(ring_task(60)), seed=0)
    assert farthest["float64"] < 1e-13
    assert farthest["float32"] < 1e-4


def test_entropy_alone_falls_from_both_starts() -> None:
    data = TaskTensors(ring_task(120))
    for path in jobs.alone(data, seed=0, epochs=1).values():
        assert path["output bits"][-1] < 0.1 < path["output bits"][0]
        assert path["same class"][0] == 1.0
        assert len(path["accuracy"]) == len(jobs.LOCAL_EPOCHS)
    layers = jobs.two_layers(data, 0)
    assert jobs.entropies(layers, data.train_x) == pytest.approx(
        jobs.train_locally(layers, data.train_x, eta=0.0)[0]
    )
    assert torch.is_grad_enabled()
