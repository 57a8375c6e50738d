"""Replayed Hyperband against a case worked by hand, and what must hold for any curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import EvaluationError, RecordedCurves, hyperband_brackets, replay
from infoprior.evaluation._replay import _run

STRONG = 1e4  # a log-ratio this steep makes the order certain


def frame(validation, test=None, *, epochs, task="t", seeds=1) -> pd.DataFrame:
    """A curves table from arrays (n, len(epochs)), the same for every recorded seed."""
    validation = np.asarray(validation, dtype=float)
    test = validation if test is None else np.asarray(test, dtype=float)
    rows = [
        (task, f"a{i}", s, e, validation[i, j], test[i, j])
        for i in range(len(validation))
        for s in range(seeds)
        for j, e in enumerate(epochs)
    ]
    columns = ["task", "architecture", "seed", "epoch", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def random_curves(n=40, seed=0, noise=0.05) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(n, 1)) + np.log([1, 3, 9, 27]) / 4
    validation, test = (
        1 / (1 + np.exp(-level - noise * rng.normal(size=level.shape))) for _ in range(2)
    )
    return frame(validation, test, epochs=(1, 3, 9, 27))


def test_brackets_are_those_of_the_paper():
    # Li et al. 2018, Table 1 (R = 81, eta = 3): n of each rung
    assert hyperband_brackets(81, 3) == [
        (0, [81, 27, 9, 3, 1]), (1, [34, 11, 3, 1]), (2, [15, 5, 1]), (3, [8, 2]), (4, [5]),
    ]  # fmt: skip
    assert hyperband_brackets(27, 3) == [
        (0, [27, 9, 3, 1]), (1, [12, 4, 1]), (2, [6, 2]), (3, [4]),
    ]  # fmt: skip
    with pytest.raises(EvaluationError, match="power"):
        hyperband_brackets(20, 3)


def test_four_architectures_by_hand():
    """max_epochs 3, eta 3: brackets of 3 at epoch 1 (one goes on to 3), and of 2 at epoch 3.

    The order a0, a1, a2, a3 is certain at first. a1 looks best at epoch 1.
      a0@1 cost 1, a1@1 cost 2, a2@1 cost 3, a1@3 (2 more) cost 5; then a3@3 cost 8.
    All are drawn. The second order: a0, a2 (not finished), a1, a3. Bracket of 3: a0, a2 and a1
    at epoch 1 are free, a1 wins again and is free. Third order, bracket of 2: a0@3, a2@3.
    """
    validation = [[0.3, 0.8], [0.5, 0.6], [0.4, 0.9], [0.2, 0.7]]
    test = [[0.25, 0.75], [0.45, 0.55], [0.35, 0.95], [0.15, 0.65]]
    recorded = RecordedCurves.from_frame(
        frame(validation, test, epochs=(1, 3)), max_epochs=3, eta=3
    )
    certain = -STRONG * np.arange(4)
    members, levels, costs, values = _run(recorded, certain, 2, 8, 0)
    assert members[0].tolist() == [0, 1, 2, 1, 3]
    assert levels.tolist() == [0, 0, 0, 1, 1]
    assert costs[0].tolist() == [1, 1, 1, 2, 3]
    assert values[0].tolist() == [0.3, 0.5, 0.4, 0.6, 0.7]

    members, levels, costs, _ = _run(recorded, certain, 2, 12, 0)
    assert members[1].tolist() == [0, 1, 2, 1, 3, 0, 2, 1, 1, 0, 2]
    assert levels.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1]
    assert costs[1].tolist() == [1, 1, 1, 2, 3, 0, 0, 0, 0, 2, 2]

    # best test .95, median .70; regret of a test accuracy x: (.95 - x) / .25
    budgets = (0.3, 1 / 3, 2 / 3, 4 / 3, 5 / 3, 8 / 3)
    got = replay(recorded, certain, seeds=3, budgets=budgets)
    assert list(got["seed"]) == sorted(list(range(3)) * 6)
    first = got[got["seed"] == 0].reset_index(drop=True)
    assert first["incumbent"].fillna("none").tolist() == ["none", "a0", "a1", "a1", "a1", "a3"]
    assert first["rung"].tolist() == [0, 1, 1, 1, 3, 3]
    assert first["regret"].tolist() == pytest.approx([1.0, 0.8, 1.6, 1.6, 1.6, 1.2])
    assert first["regret_in_hand"].tolist() == pytest.approx([1.0, 2.8, 2.0, 2.0, 1.6, 1.2])
    assert first["cost"].tolist() == pytest.approx([0.0, 1 / 3, 2 / 3, 2 / 3, 5 / 3, 8 / 3])
    for _, rows in got.groupby("seed"):  # the order is certain: all seeds alike
        pd.testing.assert_frame_equal(
            rows.drop(columns="seed").reset_index(drop=True), first.drop(columns="seed")
        )


def test_a_higher_rung_outranks_a_better_accuracy_at_a_lower_one():
    falling = [[0.3, 0.2], [0.9, 0.1], [0.4, 0.3], [0.2, 0.15]]
    recorded = RecordedCurves.from_frame(frame(falling, epochs=(1, 3)), max_epochs=3, eta=3)
    got = replay(recorded, -STRONG * np.arange(4), seeds=1, budgets=(1, 5 / 3, 8 / 3))
    assert got["incumbent"].tolist() == ["a1", "a1", "a3"]  # a3's 0.15 at 3 beats a1's 0.1
    assert got["rung"].tolist() == [1, 3, 3]
    assert got["cost"].tolist() == pytest.approx([2 / 3, 5 / 3, 8 / 3])


def test_start_cost_shifts_the_budget():
    curves = RecordedCurves.from_frame(random_curves())
    plain = replay(curves, np.zeros(40), budgets=(1, 2, 5), seeds=8)
    late = replay(curves, np.zeros(40), budgets=(1, 3, 4, 7), seeds=8, start_cost=2.0)
    before = late[late["budget"] == 1]
    assert (before["regret"] == 1.0).all()
    assert (before["regret_in_hand"] == 1.0).all()
    assert before["incumbent"].isna().all()
    for budget in (1, 2, 5):
        a, b = plain[plain["budget"] == budget], late[late["budget"] == budget + 2]
        assert a["regret"].tolist() == b["regret"].tolist()
        assert (a["cost"] + 2.0).to_numpy() == pytest.approx(b["cost"].to_numpy())


@pytest.mark.parametrize("n", [2, 10, 30, 64])
@pytest.mark.parametrize("spread", [0.0, 3.0, STRONG])
def test_nothing_is_paid_twice_and_no_budget_overrun(n, spread):
    curves = RecordedCurves.from_frame(random_curves(n))
    scores = spread * np.random.default_rng(1).normal(size=n)
    members, levels, costs, _ = _run(curves, scores, 5, 10**6, 3)  # until all is trained
    epochs = np.array(curves.epochs)
    assert (costs.sum(axis=1) == n * 27).all()  # each exactly once to the end
    for s in range(5):
        paid = np.zeros(n, dtype=int)
        for event, (a, cost) in enumerate(zip(members[s], costs[s], strict=True)):
            assert cost == max(0, epochs[levels[event]] - paid[a])
            paid[a] += cost
    budgets = (0.5, 1, 1.9, 4, 16)
    got = replay(curves, scores, budgets=budgets, seeds=5, seed=3)
    assert (got["cost"] <= got["budget"] + 1e-12).all()
    assert (got.groupby("seed")["rung"].diff().dropna().to_numpy().reshape(-1) >= -27).all()
    by_seed = got.pivot(index="seed", columns="budget", values="rung").to_numpy()
    assert (np.diff(by_seed, axis=1) >= 0).all()  # a rung once reached stays


def test_drawn_without_replacement_until_exhausted():
    curves = RecordedCurves.from_frame(random_curves(40))
    members, levels, costs, _ = _run(curves, np.zeros(40), 4, 200, 0)
    starts = np.flatnonzero(levels == 0)[:27]
    for s in range(4):
        first_bracket = members[s, starts].tolist()
        assert len(set(first_bracket)) == 27
        second = members[s, 40 : 40 + 12].tolist()  # after 27 + 9 + 3 + 1 evaluations
        assert len(set(second) | set(first_bracket)) == 39
        assert costs[s, 40:52].tolist() == [3] * 12
    assert len({tuple(row) for row in members[:, :27].tolist()}) == 4


def test_promotion_is_by_validation_accuracy():
    curves = RecordedCurves.from_frame(random_curves(27))
    members, _, _, values = _run(curves, np.zeros(27), 3, 27 + 18, 0)
    for s in range(3):
        best = np.argsort(-values[s, :27])[:9]
        assert members[s, 27:36].tolist() == members[s, :27][best].tolist()


def test_a_perfect_prior_finds_the_best_at_once_and_a_bad_one_is_late():
    curves = RecordedCurves.from_frame(random_curves(60, noise=0.0))
    truth = curves.final_test
    slopes = {"perfect": 1000.0, "good": 6.0, "uniform": 0.0, "bad": -6.0}
    by = {}
    for name, slope in slopes.items():
        rows = replay(curves, slope * truth, seeds=30, budgets=(0.2, 1, 4))
        by[name] = rows.groupby("budget")["regret"].mean()
    assert by["perfect"].max() < 1e-9
    for budget in (0.2, 1):
        assert by["good"][budget] < by["uniform"][budget] < by["bad"][budget]


def test_first_draws_follow_the_prior():
    curves = RecordedCurves.from_frame(random_curves(5))
    p = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    members, *_ = _run(curves, np.log(p), 20_000, 1, 0)
    share = np.bincount(members[:, 0], minlength=5) / 20_000
    assert share == pytest.approx(p, abs=0.012)


def test_weight_mixes_the_prior_with_the_uniform():
    curves = RecordedCurves.from_frame(random_curves(5))
    p = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    score = np.log(p * 5)
    mixed = np.log(0.75 * p * 5 + 0.25)
    settings = {"seeds": 20, "budgets": (0.04, 0.1, 1)}
    got = replay(curves, score, weight=0.75, **settings)
    pd.testing.assert_frame_equal(got, replay(curves, mixed, **settings))
    nothing = replay(curves, score, weight=0.0, **settings)
    pd.testing.assert_frame_equal(nothing, replay(curves, np.zeros(5), **settings))
    assert not got.equals(replay(curves, score, **settings))
    with pytest.raises(EvaluationError, match="weight"):
        replay(curves, score, weight=1.5)


def test_replays_are_paired_seeded_and_independent_of_their_number():
    curves = random_curves(50)
    scores = np.random.default_rng(0).normal(size=50)
    few, many = replay(curves, scores, seeds=4), replay(curves, scores, seeds=9)
    pd.testing.assert_frame_equal(few, many[many["seed"] < 4])
    pd.testing.assert_frame_equal(few, replay(curves, scores + 3.0, seeds=4))
    assert not few.equals(replay(curves, scores, seeds=4, seed=1))
    other = replay(curves.assign(task="u"), scores, seeds=4)
    assert not few["regret"].equals(other["regret"])  # each task has random numbers of its own


def test_log_ratios_by_name_and_row_order():
    curves = random_curves(12)
    recorded = RecordedCurves.from_frame(curves.sample(frac=1.0, random_state=0))
    assert recorded.architectures == tuple(sorted(f"a{i}" for i in range(12)))
    scores = {f"a{i}": float(i) for i in range(12)}
    array = np.array([scores[name] for name in recorded.architectures])
    expected = replay(curves, array, seeds=3)
    pd.testing.assert_frame_equal(expected, replay(recorded, scores, seeds=3))
    pd.testing.assert_frame_equal(expected, replay(recorded, pd.Series(scores), seeds=3))


def test_recorded_seeds_are_gone_through_in_turn():
    curves = pd.concat(
        [
            frame(np.full((3, 4), 0.2 + 0.1 * s), epochs=(1, 3, 9, 27)).assign(seed=s)
            for s in range(2)
        ]
    )
    curves = curves[~((curves["architecture"] == "a1") & (curves["seed"] == 1))]
    curves.loc[curves["architecture"] == "a2", "test_accuracy"] = 0.9
    recorded = RecordedCurves.from_frame(curves)
    assert recorded.validation[:, :, 0].ravel() == pytest.approx([0.2, 0.2, 0.2, 0.3, 0.2, 0.3])
    assert recorded.final_test == pytest.approx([0.25, 0.2, 0.9])


def test_a_task_that_cannot_discriminate_has_no_regret():
    flat = frame(np.full((5, 4), 0.7), epochs=(1, 3, 9, 27))
    got = replay(flat, np.arange(5.0), seeds=2, start_cost=2.0)
    assert (got["regret"] == 0).all()


def test_curve_errors():
    curves = random_curves(5)
    with pytest.raises(EvaluationError, match="epoch 9"):
        replay(curves[curves["epoch"] != 9], np.zeros(5))
    hole = curves.drop(curves[(curves["architecture"] == "a2") & (curves["epoch"] == 3)].index)
    with pytest.raises(EvaluationError, match="a2"):
        replay(hole, np.zeros(5))
    with pytest.raises(EvaluationError, match="one task"):
        replay(pd.concat([curves, curves.assign(task="u")]), np.zeros(5))
    with pytest.raises(EvaluationError, match="twice"):
        replay(pd.concat([curves, curves]), np.zeros(5))
    with pytest.raises(EvaluationError, match="within"):
        replay(curves.assign(test_accuracy=1.5), np.zeros(5))
    with pytest.raises(EvaluationError, match="lacks the columns"):
        replay(curves.drop(columns="seed"), np.zeros(5))
    with pytest.raises(EvaluationError, match="5"):
        replay(curves, np.zeros(4))
    with pytest.raises(EvaluationError, match="lacks the architectures"):
        replay(curves, {"a0": 1.0})
    with pytest.raises(EvaluationError, match="NaN"):
        replay(curves, [0, 0, np.nan, 0, 0])
    with pytest.raises(EvaluationError, match="budgets"):
        replay(curves, np.zeros(5), budgets=(0,))
    with pytest.raises(EvaluationError, match="start_cost"):
        replay(curves, np.zeros(5), start_cost=-1)
