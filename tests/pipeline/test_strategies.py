"""Strategies compared at equal cost: what each has in hand, and what the tables say."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from infoprior.evaluation import RegretScale
from infoprior.priors import Prior
from infoprior.spaces import get_space
from infoprior.tasks import load_task
from pipeline.comparison import searches, summary, systems
from pipeline.comparison.publish import text
from pipeline.comparison.resources import measured
from pipeline.comparison.summary import REFERENCE

EPOCHS = 3


@pytest.fixture(scope="module")
def task():
    return load_task("sklearn/wine")


@pytest.fixture(scope="module")
def space():
    return get_space("mlp")


def test_a_larger_budget_sees_the_trainings_of_a_smaller_one(task, space):
    few = searches.random_search(task, space, 0, [1, 2], EPOCHS)
    many = searches.random_search(task, space, 0, [1, 2, 4], EPOCHS)
    assert many[:2] == few
    assert [row["cost"] for row in many] == [1, 2, 4]
    assert all(space.validate(row["params"]) for row in many)


def test_the_default_again_never_leaves_its_point(task, space):
    point = space.design(1)[0]
    rows = searches.default_again(task, space, point, 0, [1, 3], EPOCHS)
    assert [row["params"] for row in rows] == [point, point]


def test_a_prior_that_is_not_paid_for_has_no_network(task, space):
    prior = Prior.uniform(dict(space))
    rows = searches.hyperband(task, space, prior, 0, [1, 4], EPOCHS, start_cost=2.5)
    assert rows[0]["test_accuracy"] is None
    assert 0 < rows[1]["test_accuracy"] <= 1
    assert 2.5 < rows[1]["cost"] <= 4
    none = searches.hyperband(task, space, prior, 0, [1, 2], EPOCHS, start_cost=2.5)
    assert [row["test_accuracy"] for row in none] == [None, None]


def test_an_evolution_costs_no_more_than_its_budget_and_the_control_does_the_same(task, space):
    rows = systems.evolution(task, space, space.design(1)[0], 0, [1, 4], EPOCHS)
    assert set(rows) == {"evolution", "evolution, random surgery"}
    for own in rows.values():
        assert all(row["cost"] <= row["budget"] for row in own)
        assert own[1]["test_accuracy"] > 0.3


def test_an_evolution_keeps_the_encoding_that_its_default_begins_with(task):
    space = get_space("tabular")
    point = space.shared_design(5)[4] | {"width": 512, "inputs": "piecewise-8"}
    encoded, behind, kept = systems.behind_encoder(task, space, point)
    network = space.build(
        point, task.shape, task.n_classes, inputs=space.fit_inputs(point, task.split("train")[0])
    )
    read = network.activations(torch.from_numpy(task.X))["inputs"]
    np.testing.assert_array_equal(encoded.X, read.numpy())
    assert behind.validate(kept)["width"] == behind["width"].high
    assert kept["activation"] == point["activation"]
    rows = systems.evolution(task, space, point, 0, [1, 2], EPOCHS)
    assert all(row["cost"] <= row["budget"] for own in rows.values() for row in own)


@pytest.mark.parametrize("order", [1, 2])
def test_a_differentiable_search_trains_its_cell_within_the_budget(task, order):
    rows = systems.darts(task, order, 0, [0.5, 1, 4], EPOCHS)
    assert rows[0]["test_accuracy"] is None
    assert all(row["cost"] <= row["budget"] + 1e-9 for row in rows)
    assert rows[1]["cost"] == 1  # nothing was left to search with
    assert get_space(systems.DARTS_SPACE).validate(rows[2]["params"])


def table() -> pd.DataFrame:
    rows = []
    rng = np.random.default_rng(0)
    for strategy, worse in ((REFERENCE, 0.0), ("random search", 0.1), ("slow", 0.0)):
        for i in range(8):
            for seed in range(2):
                for budget in (1.0, 4.0):
                    accuracy = 0.9 - worse - 0.05 / budget + 0.001 * rng.normal()
                    idle = strategy == "slow" and budget == 1.0 and i == 0
                    rows.append({
                        "strategy": strategy, "task": f"t{i}", "seed": seed, "budget": budget,
                        "cost": budget, "test_accuracy": None if idle else accuracy,
                        "params": "{}", "seconds": 2.0, "cpu_seconds": 1.0, "peak_mb": 300.0,
                    })  # fmt: skip
    return pd.DataFrame(rows)


def with_regret() -> pd.DataFrame:
    scales = {f"t{i}": RegretScale(0.9, 0.8) for i in range(8)}
    return summary.with_regret(table(), scales, {f"t{i}": f"f{i // 2}" for i in range(8)})


def test_regret_is_on_the_tasks_scale():
    rows = with_regret()
    assert np.allclose(rows["regret"].dropna(), (0.9 - rows["test_accuracy"].dropna()) / 0.1)


def test_a_strategy_without_a_network_somewhere_is_not_compared_at_that_budget():
    report = summary.summarize(with_regret()).set_index(["strategy", "budget"])
    assert np.isnan(report.loc[("slow", 1.0), "regret"])
    assert report.loc[("slow", 4.0), "n_tasks"] == 8
    assert report.loc[("random search", 4.0), "difference"] == pytest.approx(1.0, abs=0.02)
    ranks = summary.ranks(with_regret())
    assert set(ranks[1.0].table["method"]) == {REFERENCE, "random search"}
    assert ranks[4.0].table["method"].iloc[-1] == "random search"


def test_the_page_says_every_strategy_and_budget():
    rows = with_regret()
    page = text(rows, summary.summarize(rows), summary.ranks(rows))
    for line in (f"| {REFERENCE} |", "| random search |", "| slow | – |", "4 families", "2 seeds"):
        assert line in page


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak memory")
def test_a_peak_of_memory_is_that_of_the_block():
    first: dict[str, float | None] = {}
    second: dict[str, float | None] = {}
    with measured(first):
        np.ones(50_000_000 // 8).sum()
        big = np.ones(300_000_000 // 8)
        del big
    with measured(second):
        pass
    assert first["peak_mb"] > second["peak_mb"] + 200
    assert first["seconds"] > 0
