"""Costs of searches: the formula against counted multiply-adds, and budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from infoprior import get_space, load_task
from infoprior.search.darts import (
    DartsError,
    DartsSettings,
    search_cost,
    search_darts,
    select_by_perturbation,
)
from infoprior.search.darts.cost import count_multiply_adds
from infoprior.search.darts.learner import Learner
from infoprior.spaces._cells import edge_name
from tests.search.darts_known import ball, known_space

CASES = [("sklearn/iris", "darts-mlp"), ("digits-image/0123456789/8", "darts-cnn")]
ROWS = 4


def counted(call: Callable[[], Any], rows: int = ROWS) -> float:
    """Multiply-adds of a call, for each row."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2 / rows


@pytest.mark.parametrize(("name", "space_name"), CASES)
def test_the_formula_gives_the_multiply_adds_that_steps_take(name: str, space_name: str) -> None:
    task, space = load_task(name), get_space(space_name)
    counts = count_multiply_adds(task, space)
    for order in (1, 2):
        learner = Learner(task, space.cell, order=order, epochs=1, seed=0, settings=DartsSettings())
        rows = tuple(part[:ROWS] for part in learner.train)
        assert counted(lambda learner=learner, rows=rows: learner.weight_step(rows, 0.1)) == (
            counts.weight_step
        )
        assert counted(lambda learner=learner, rows=rows: learner.alpha_step(rows, rows, 0.1)) == (
            counts.alpha_step(order)
        )


def test_a_cell_of_dense_layers_costs_what_its_matrices_say() -> None:
    task, space = load_task("sklearn/iris"), get_space("darts-mlp")
    counts = count_multiply_adds(task, space)
    stem, dense, output = 4 * 64, 64 * 64, 64 * 3
    assert counts.stem == stem
    assert counts.supernet == stem + 6 * 4 * dense + output
    assert counts.cell == stem + 6 * 4 / 6 * dense + output  # four of six operations are dense
    assert counts.first_edges == 3 * 4 * dense


def test_the_mean_cell_is_the_mean_of_cells() -> None:
    task, space = load_task("digits-image/0123456789/8"), get_space("darts-cnn")
    names = list(space.cell.operations)
    # Each operation on all edges once: of each edge, the mean over its operations.
    settings = {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 64}
    points = [{edge_name(e): name for e in space.cell.edges} | settings for name in names]
    x, _ = Learner(task, space.cell, order=1, epochs=1, seed=0, settings=DartsSettings()).train
    networks = [space.build(point, task.shape, task.n_classes) for point in points]
    mean = np.mean([counted(lambda n=n: n(x[:ROWS])) for n in networks])
    assert count_multiply_adds(task, space).cell == pytest.approx(float(mean))


def test_a_search_says_what_it_cost_and_a_budget_buys_the_epochs_that_fit() -> None:
    task, space = load_task("sklearn/iris"), get_space("darts-mlp")
    for order, plain_steps in ((1, 1.5), (2, 4.0)):
        one = search_cost(task, space, order=order, epochs=1)
        assert search_cost(task, space, order=order) == pytest.approx(27 * one)
        # So many plain steps of a supernet that is nearly six times a cell.
        assert 27 * one == pytest.approx(5.9 * plain_steps, rel=0.03)
        bought = search_darts(task, space, order=order, budget=3.5 * one, eigenvalues=False)
        assert len(bought.history) == 3
        assert bought.cost == pytest.approx(3 * one)
        given = search_darts(task, space, order=order, epochs=3, eigenvalues=False)
        assert given.cost == bought.cost
        assert given.alphas.tobytes() == bought.alphas.tobytes()
    exact = search_darts(task, space, budget=2 * search_cost(task, space, epochs=1))
    assert len(exact.history) == 2
    # Eigenvalues that only report are not charged; those that may stop the search are.
    stopping = search_darts(task, space, epochs=2, early_stopping=True)
    products = int(exact.history["hessian_products"].sum())
    assert products >= 2 * len(exact.history)
    assert exact.cost < stopping.cost
    assert exact.history.equals(stopping.history)


def test_a_selection_costs_its_evaluations_and_the_epochs_of_the_weights() -> None:
    task, space = ball(0), known_space()
    search = search_darts(task, space, epochs=1, eigenvalues=False)
    counts = count_multiply_adds(task, space)
    assert counts.supernet == counts.cell == 4 * 2  # the output layer: operations have no weights
    selection = select_by_perturbation(search, task, tuning_epochs=3)
    # Four operations, each evaluated on 200 rows; then three epochs of 300 rows.
    assert selection.cost == pytest.approx((4 * 200 * 8 + 3 * 300 * 24) / (27 * 300 * 24))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 1.0, "epochs": 3}, "both given; give one"),
        ({"budget": 1.0, "early_stopping": True}, "does not go with early_stopping"),
        ({"budget": 0.01}, r"one epoch of this search costs 0\.3"),
        ({"budget": 0.0}, "budget is 0"),
        ({"budget": "much"}, "budget"),
    ],
)
def test_budgets_that_buy_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DartsError, match=words):
        search_darts(load_task("sklearn/iris"), get_space("darts-mlp"), **options)


def test_costs_of_what_cannot_be_searched_are_refused() -> None:
    task, space = load_task("sklearn/iris"), get_space("darts-mlp")
    with pytest.raises(DartsError, match="order"):
        search_cost(task, space, order=3)
    with pytest.raises(DartsError, match="epochs"):
        search_cost(task, space, epochs=0)
    with pytest.raises(DartsError, match="space"):
        search_cost(task, get_space("mlp"))  # type: ignore[arg-type]
