"""What the benchmark of priors rests on: budgets, incumbents, nearest points, ranks, versions."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 5),
    "kind": CategoricalDistribution(("a", "b", "c", "d")),
}


def load(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def tiny(rungs: tuple[int, ...] = (1, 3, 9, 27)) -> Any:
    """A table of 200 points whose best rate is 1e-2, better with every rung."""
    from infoprior.priors import Prior

    tables, trace = load("priors._tables"), load("priors._trace")
    points = Prior.uniform(SPACE).sample(200, np.random.default_rng(0))
    final = np.array([1.0 - 0.1 * abs(np.log10(p["rate"]) + 2.0) for p in points])
    observed = final[:, None] + 0.01 - 0.3 / np.array(rungs)
    features = trace.Encoder(tables.axes(SPACE))(points)
    return tables.Table("tiny", "t", SPACE, points, rungs, observed, features)


def test_the_incumbent_is_the_best_of_the_highest_rung() -> None:
    trace = load("priors._trace")
    events = [(1, 0, 0.9, 5), (4, 1, 0.2, 6), (5, 0, 0.99, 7), (9, 1, 0.2, 8), (16, 1, 0.3, 9)]
    assert trace.incumbents(events, 4, [0.1, 0.25, 1, 2, 3, 4]) == [-1, 5, 6, 6, 6, 9]


def test_parameters_count_alike() -> None:
    from infoprior.priors import Prior

    tables, trace = load("priors._tables"), load("priors._trace")
    encode = trace.Encoder(tables.axes(SPACE))
    x = encode(Prior.uniform(SPACE).sample(20_000, np.random.default_rng(0)))
    apart = (x[:10_000] - x[10_000:]) ** 2
    assert apart[:, 0].mean() == pytest.approx(1 / 6, rel=0.05)
    # Five values of an int lie at 0, 1/4, ..., 1.
    assert apart[:, 1].mean() == pytest.approx(2 * np.var(np.arange(5) / 4), rel=0.05)
    assert apart[:, 2:].sum(axis=1).mean() == pytest.approx(1 / 6, rel=0.05)
    points = Prior.uniform(SPACE).sample(50, np.random.default_rng(1))
    nearest = trace.Nearest(encode, encode(points))
    assert [nearest(point) for point in points] == list(range(50))


@pytest.mark.parametrize("method", ["random", "tpe", "bohb", "static", "ours", "ours-fixed-weight"])
def test_a_search_is_charged_new_epochs_only(method: str) -> None:
    from infoprior.priors import Prior

    search, data = load("priors._search"), tiny()
    prior = Prior.from_points(SPACE, data.points[:5])
    events, study = search.search(method, data, prior, 0, 12)
    trained = [trial.last_step for trial in study.trials]
    assert sum(trained) == events[-1][0] >= 12 * 27
    assert sum(trained) - trained[-1] < 12 * 27
    assert set(trained) <= {1, 3, 9, 27}
    assert len(set(trained)) > 1
    again, _ = search.search(method, data, prior, 0, 12)
    assert again == events
    other, _ = search.search(method, data, prior, 1, 12)
    assert other != events


def test_one_rung_is_a_full_training() -> None:
    from infoprior.priors import Prior

    search, data = load("priors._search"), tiny((1,))
    events, study = search.search("random", data, Prior.uniform(SPACE), 0, 6)
    assert [event[0] for event in events] == [1, 2, 3, 4, 5, 6]
    assert len(study.trials) == 6


def test_bohb_learns() -> None:
    from infoprior.priors import Prior

    search, data = load("priors._search"), tiny()
    _, study = search.search("bohb", data, Prior.uniform(SPACE), 0, 40)
    off = [abs(np.log10(trial.params["rate"]) + 2.0) for trial in study.trials]
    assert np.median(off[-40:]) < 0.6 * np.median(off[:20])


def test_arms_are_of_the_right_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = load("priors._tables")
    base = tiny()
    rates = np.array([np.log10(p["rate"]) for p in base.points])
    best = {"one": -1.0, "two": -1.0, "own": -3.0}

    def table(bench: str, task: str) -> Any:
        truth = 1.0 - 0.1 * np.abs(rates - best[task])
        observed = np.repeat(truth[:, None], 4, axis=1)
        parts = (base.points, base.rungs, observed, base.features)
        return tables.Table(bench, task, SPACE, *parts)

    monkeypatch.setattr(tables, "table", table)
    monkeypatch.setattr(tables, "tasks", lambda bench: sorted(best))
    tables.prior_for.cache_clear()
    try:
        means = {
            arm: np.mean(
                [np.log10(p["rate"]) for p in prior.sample(2000, np.random.default_rng(0))]
            )
            for arm in tables.ARMS
            for prior in [tables.prior_for("curves", "own", arm)]
        }
    finally:
        tables.prior_for.cache_clear()
    assert means["good"] == pytest.approx(-1.0, abs=0.35)  # the other tasks', not its own
    assert means["bad"] > -0.7  # farthest from its own best
    assert means["deceiving"] > -0.9  # best of a region far from its own best
    assert means["none"] == pytest.approx(-2.0, abs=0.1)


def test_ranks_and_bars() -> None:
    report = load("priors._report")
    levels = {"ours": 0.1, "random": 0.3, "tpe": 0.2}
    rows = pd.DataFrame(
        [
            {"bench": "curves", "arm": arm, "task": task, "method": method, "seed": seed,
             "budget": budget, "regret": level * (2.0 if budget < 8 else 1.0) * (1 + scale)}
            for arm in ("good", "bad") for scale, task in enumerate("ab")
            for method, level in levels.items() for seed in range(2) for budget in range(1, 33)
        ]
    )  # fmt: skip
    means = report.per_task(rows)
    assert len(means) == 2 * 2 * 3 * 32
    assert means.groupby("method")["rank"].mean().to_dict() == {"ours": 1, "tpe": 2, "random": 3}
    first = report.bars(means, "curves")[0]
    assert "random's regret at 32 (0.450) is reached by PriorSampler at 1 full" in first
    ratio = next(line for line in report.bars(means, "curves") if line.startswith("bad prior"))
    assert "at 8: 0.500 [0.500, 0.500], 16: 0.500" in ratio
    table = report.wide(means)
    row = table[(table.arm == "bad") & (table.method == "tpe") & (table.task == "b")].iloc[0]
    assert row["regret@4"] == pytest.approx(0.8)
    assert row["regret@32"] == pytest.approx(0.4)
    assert row["rank@1"] == 2.0


def test_a_version_follows_the_samplers_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = load("priors._jobs")
    room = tmp_path / "infoprior" / "priors"
    for folder in ("_search", "_mixture"):
        (room / folder).mkdir(parents=True)
    (room / "_search" / "sampler.py").write_text("from .._mixture.sampling import draw\n")
    (room / "_mixture" / "sampling.py").write_text("from . import axes\n")
    (room / "_mixture" / "axes.py").write_text("A = 1\n")
    (room / "_mixture" / "plot.py").write_text("B = 1\n")
    monkeypatch.setattr(jobs, "ROOT", tmp_path)

    def version() -> Any:
        jobs._sampler_version.cache_clear()
        return jobs._sampler_version("_search/sampler")

    first = version()
    imported = ["_mixture/axes.py", "_mixture/sampling.py", "_search/sampler.py"]
    assert [name for name, _ in first] == imported
    (room / "_mixture" / "plot.py").write_text("B = 2\n")
    assert version() == first
    (room / "_mixture" / "axes.py").write_text("A = 2\n")
    assert version() != first
    jobs._sampler_version.cache_clear()
