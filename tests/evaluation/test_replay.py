"""Replayed Hyperband against a case worked by hand, and what must hold for any curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import EvaluationError, RecordedCurves, replay
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


def test_a_full_training_of_no_whole_number_of_rungs_is_refused():
    with pytest.raises(EvaluationError, match="max_epochs must be a power of eta = 3, got 20"):
        RecordedCurves.from_frame(random_curves(), max_epochs=20)
    with pytest.raises(EvaluationError, match="power"):
        RecordedCurves.from_frame(random_curves(), max_epochs=9, eta=4)


def test_four_architectures_by_hand():
    """max_epochs 3, eta 3: brackets of 2 at epoch 3, then of 3 at epoch 1 (one is continued to 3).

    The order a0, a1, a2, a3 is certain at first.
      a0@3 cost 3, a1@3 cost 6; two are left: a2@1 cost 7, a3@1 cost 8; a2 looks better there:
      a2@3 (2 more) cost 10.
    All are drawn. The second order: a3 (not finished), a0, a1, a2. Bracket of 2: a3@3 (2 more)
    cost 12, a0@3 free. Then nothing is left to pay.
    """
    validation = [[0.3, 0.6], [0.5, 0.7], [0.4, 0.9], [0.2, 0.8]]
    test = [[0.25, 0.55], [0.45, 0.75], [0.35, 0.95], [0.15, 0.65]]
    recorded = RecordedCurves.from_frame(
        frame(validation, test, epochs=(1, 3)), max_epochs=3, eta=3
    )
    certain = -STRONG * np.arange(4)
    members, levels, costs, values = _run(recorded, certain, 2, 10, 0)
    assert members[0].tolist() == [0, 1, 2, 3, 2]
    assert levels.tolist() == [1, 1, 0, 0, 1]
    assert costs[0].tolist() == [3, 3, 1, 1, 2]
    assert values[0].tolist() == [0.6, 0.7, 0.4, 0.2, 0.9]

    members, levels, costs, _ = _run(recorded, certain, 2, 12, 0)
    assert members[1].tolist() == [0, 1, 2, 3, 2, 3, 0]
    assert levels.tolist() == [1, 1, 0, 0, 1, 1, 1]
    assert costs[1].tolist() == [3, 3, 1, 1, 2, 2, 0]

    # best test .95, median .70; regret of a test accuracy x: (.95 - x) / .25
    budgets = (2 / 3, 1, 5 / 3, 2, 3, 10 / 3)
    got = replay(recorded, certain, seeds=3, budgets=budgets)
    assert list(got["seed"]) == sorted(list(range(3)) * 6)
    first = got[got["seed"] == 0].reset_index(drop=True)
    assert first["incumbent"].fillna("none").tolist() == ["none", "a0", "a0", "a1", "a1", "a2"]
    assert first["rung"].tolist() == [0, 3, 3, 3, 3, 3]
    expected = pytest.approx([np.nan, 1.6, 1.6, 0.8, 0.8, 0.0], nan_ok=True)
    assert first["regret"].tolist() == expected
    assert first["regret_in_hand"].tolist() == expected
    assert first["cost"].tolist() == pytest.approx([0.0, 1.0, 1.0, 2.0, 2.0, 10 / 3])
    for _, rows in got.groupby("seed"):  # the order is certain: all seeds alike
        pd.testing.assert_frame_equal(
            rows.drop(columns="seed").reset_index(drop=True), first.drop(columns="seed")
        )


def test_a_higher_rung_outranks_a_better_accuracy_at_a_lower_one():
    falling = [[0.3, 0.2], [0.9, 0.1], [0.4, 0.3], [0.2, 0.15]]
    recorded = RecordedCurves.from_frame(frame(falling, epochs=(1, 3)), max_epochs=3, eta=3)
    got = replay(recorded, -STRONG * np.arange(4), seeds=1, budgets=(1, 2, 7 / 3, 3, 10 / 3))
    assert got["incumbent"].tolist() == ["a0", "a0", "a0", "a0", "a2"]  # not a2 for 0.4 at 1
    assert got["cost"].tolist() == pytest.approx([1, 1, 1, 1, 10 / 3])


def test_regret_is_of_the_architecture_and_in_hand_of_the_network():
    curves = pd.concat(
        [
            frame(np.full((3, 2), 0.5), [[0.3, x + d] for x in (0.4, 0.6, 0.8)], epochs=(1, 3))
            .assign(seed=s)
            for s, d in enumerate((0.0, 0.1))
        ]
    )  # fmt: skip
    recorded = RecordedCurves.from_frame(curves, max_epochs=3, eta=3)
    got = replay(recorded, [STRONG, 0, 0], seeds=2, budgets=(1,))
    assert got["regret"].tolist() == pytest.approx([2.0, 2.0])  # mean .45; best .85, median .65
    assert got["regret_in_hand"].tolist() == pytest.approx([2.25, 1.75])


def test_start_cost_shifts_the_budget():
    curves = RecordedCurves.from_frame(random_curves())
    plain = replay(curves, np.zeros(40), budgets=(1, 2, 5), seeds=8)
    late = replay(curves, np.zeros(40), budgets=(1, 3, 4, 7), seeds=8, start_cost=2.0)
    before = late[late["budget"] == 1]
    assert before[["regret", "regret_in_hand", "incumbent"]].isna().all(axis=None)
    assert (before["rung"] == 0).all()
    assert (before["cost"] == 1.0).all()
    assert not late.loc[late["budget"] > 2, ["regret", "regret_in_hand"]].isna().any(axis=None)
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


def test_brackets_run_from_the_most_conservative_without_replacement_until_exhausted():
    curves = RecordedCurves.from_frame(random_curves(40))
    members, levels, costs, _ = _run(curves, np.zeros(40), 4, 336, 0)
    # 4 at 27; 6 at 9, 2 at 27; 12 at 3, 4 at 9, 1 at 27; of the 27 at 1 only 18 are left
    sizes = [(4, 3), (6, 2), (2, 3), (12, 1), (4, 2), (1, 3), (18, 0), (6, 1), (2, 2), (1, 3)]
    assert levels.tolist() == [level for size, level in sizes for _ in range(size)]
    fresh = np.r_[0:4, 4:10, 12:24, 29:47]
    for s in range(4):
        assert sorted(members[s, fresh]) == list(range(40))
        assert costs[s, fresh].tolist() == [27] * 4 + [9] * 6 + [3] * 12 + [1] * 18
    assert (costs.sum(axis=1) == 108 + 54 + 36 + 36 + 24 + 18 + 18 + 12 + 12 + 18).all()
    assert len({tuple(row) for row in members[:, :4].tolist()}) == 4
    *_, once_more, _ = _run(curves, np.zeros(40), 4, 337, 0)
    assert (once_more[:, 56:] <= 27).all()
    assert once_more.shape[1] > 56  # over again, from the first bracket


def test_promotion_is_by_validation_accuracy():
    curves = RecordedCurves.from_frame(random_curves(27))
    members, _, _, values = _run(curves, np.zeros(27), 3, 27 * 10, 0)
    for s in range(3):
        best = np.argsort(-values[s, 4:10])[:2]
        assert members[s, 10:12].tolist() == members[s, 4:10][best].tolist()


def test_a_perfect_prior_finds_the_best_at_once_and_a_bad_one_is_late():
    curves = RecordedCurves.from_frame(random_curves(60, noise=0.0))
    truth = curves.final_test
    slopes = {"perfect": 10_000.0, "good": 6.0, "uniform": 0.0, "bad": -6.0}
    by = {}
    for name, slope in slopes.items():
        rows = replay(curves, slope * truth, seeds=100, budgets=(1, 2, 4))
        by[name] = rows.groupby("budget")["regret"].mean()
    assert by["perfect"].max() < 1e-9
    for budget in (1, 2, 4):
        assert by["good"][budget] < by["uniform"][budget] < by["bad"][budget]


def test_an_oracle_is_seen_early_and_a_shuffled_one_is_not():
    rng = np.random.default_rng(0)
    means = {"oracle": [], "shuffled": [], "uniform": []}
    for task in range(10):
        curves = RecordedCurves.from_frame(random_curves(32, seed=task).assign(task=f"t{task}"))
        oracle = 100.0 * curves.final_test
        priors = {"oracle": oracle, "shuffled": rng.permutation(oracle), "uniform": np.zeros(32)}
        for name, log_ratio in priors.items():
            rows = replay(curves, log_ratio, seeds=50, budgets=(1, 2, 4))
            means[name].append(rows.groupby("budget")["regret"].mean().to_numpy())
    mean = {name: np.mean(rows, axis=0) for name, rows in means.items()}
    # most aggressive bracket first, the gap between oracle and uniform would be 0.015
    assert (mean["oracle"] < mean["uniform"] - 0.3).all()
    assert (mean["shuffled"] > 0.8 * mean["uniform"]).all()


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
    settings = {"seeds": 20, "budgets": (1, 2, 4)}
    got = replay(curves, score, weight=0.75, **settings)
    pd.testing.assert_frame_equal(got, replay(curves, mixed, **settings))
    nothing = replay(curves, score, weight=0.0, **settings)
    pd.testing.assert_frame_equal(nothing, replay(curves, np.zeros(5), **settings))
    assert not got.equals(replay(curves, score, **settings))
    with pytest.raises(EvaluationError, match="weight"):
        replay(curves, score, weight=1.5)


@pytest.mark.parametrize("rest", [0.0, -np.inf])
def test_the_uniform_share_is_kept_over_a_spike_however_high(rest):
    """Log-ratios at a prior's own kernel centres average far above 1: only their shape counts."""
    n = 8
    curves = RecordedCurves.from_frame(random_curves(n))
    spike = np.full(n, rest)
    spike[2] = 500.0
    for constant in (0.0, 6.0, -700.0):
        got = replay(curves, spike + constant, weight=0.75, seeds=20_000, budgets=(1,))
        share = (got["incumbent"] == curves.architectures[2]).mean()
        assert share == pytest.approx(0.75 + 0.25 / n, abs=0.01)


def test_a_constant_changes_nothing_and_the_impossible_comes_last():
    curves = RecordedCurves.from_frame(random_curves(12))
    scores = np.random.default_rng(0).normal(size=12)
    scores[[3, 7]] = -np.inf
    for weight in (1.0, 0.75, 0.0):
        rows = replay(curves, scores, weight=weight, seeds=6)
        for constant in (512.0, -3e6):
            shifted = replay(curves, scores + constant, weight=weight, seeds=6)
            pd.testing.assert_frame_equal(rows, shifted)
    members, *_ = _run(curves, curves.align(scores), 200, 1000, 0)
    for row in members:
        order = list(dict.fromkeys(row.tolist()))
        assert set(order[-2:]) == {3, 7}
    assert len({tuple(dict.fromkeys(row.tolist()))[-1] for row in members}) == 2
    assert np.exp(curves.align(scores)).mean() == pytest.approx(1.0)


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
    before = got["budget"] < 3
    assert got.loc[before, "regret"].isna().all()
    assert (got.loc[~before, ["regret", "regret_in_hand"]] == 0).all(axis=None)


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
    with pytest.raises(EvaluationError, match="rules out"):
        replay(curves, np.full(5, -np.inf))
    with pytest.raises(EvaluationError, match="budgets"):
        replay(curves, np.zeros(5), budgets=(0,))
    with pytest.raises(EvaluationError, match="start_cost"):
        replay(curves, np.zeros(5), start_cost=-1)
