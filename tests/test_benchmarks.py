"""What the benchmarks rest on: rows that survive interruption, versions of the code, the tables."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


def load(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def test_interrupted_rows_are_left_out(tmp_path: Path) -> None:
    common = load("_common")
    path = tmp_path / "rows.csv"
    assert common.read_rows(path) == []
    for i in range(3):
        common.append_row(path, {"task": f"t{i}", "n": i, "nats": 0.5})
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1", "t2"]
    path.write_text(path.read_text()[:-6])  # cut off inside the last row
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1"]
    common.append_row(path, {"task": "t3", "n": 3, "nats": 0.5})
    common.append_row(path, {"task": "t4", "n": 4, "nats": 0.5})
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1", "t4"]


def test_a_section_is_renewed_in_its_place_and_the_others_stay(tmp_path: Path) -> None:
    common = load("_common")
    path, titles = tmp_path / "report.md", {"a": "First", "b": "Second", "c": "Third"}
    common.write_sections(path, "# Head\n", titles, {"c": "three\n", "a": "one"})
    assert path.read_text() == "# Head\n\n## First\n\none\n\n## Third\n\nthree\n"
    common.write_sections(path, "# Other\n", titles, {"b": "two", "a": "uno"})
    sections = "\n## First\n\nuno\n\n## Second\n\ntwo\n\n## Third\n\nthree\n"
    assert path.read_text() == "# Other\n" + sections


def test_a_version_follows_imports_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = load("_common")
    room = tmp_path / "infoprior" / "information"
    room.mkdir(parents=True)
    (room / "_inputs.py").write_text("A = 1\n")
    (room / "_ksg.py").write_text("from infoprior.information._inputs import A\n")
    (room / "_other.py").write_text("B = 1\n")
    monkeypatch.setattr(common, "ROOT", tmp_path)
    name = "infoprior.information._ksg"
    first, whole = common.code_version(name), common.code_version()
    (room / "_other.py").write_text("B = 2\n")
    assert common.code_version(name) == first
    assert common.code_version() != whole
    (room / "_inputs.py").write_text("A = 2\n")
    assert common.code_version(name) != first


def test_summary_of_errors() -> None:
    report = load("information._accuracy_report")
    rows = [
        {"task": task, "method": "ksg", "error": str(error), "seconds": "2.0"}
        for task, errors in (("a", (0.1, -0.3, 0.2)), ("b", (0.4, 0.4, 1.0)))
        for error in errors
    ]
    [row] = report.summary(rows)
    assert row["tasks"] == 2
    assert row["mean abs. error"] == pytest.approx((0.2 + 0.4) / 2)
    assert row["bias"] == pytest.approx((0.0 + 0.6) / 2)
    assert row["worst"] == pytest.approx(0.4)
    assert row["seconds"] == pytest.approx(2.0)


def test_methods_meet_the_tasks_they_are_for() -> None:
    accuracy = load("information.mi_accuracy")
    every = {task.kind: task for task in accuracy.tasks(None)}
    fits = {
        method: [kind for kind, task in every.items() if accuracy.applies(method, task)]
        for method in ("auto", "ksg", "ross", "noisy", "binning")
    }
    assert fits == {
        "auto": ["pairs", "layers"], "ksg": ["pairs"], "ross": ["layers"], "noisy": ["noisy"],
        "binning": ["pairs", "layers"],
    }  # fmt: skip


def test_slope_of_a_power() -> None:
    growth = load("information.mi_growth")
    rows = [{"n": n, "seconds": 3e-6 * n**2, "megabytes": 0.0} for n in (10, 100, 1000)]
    assert growth.slope(rows, "n", "seconds") == pytest.approx(2.0)
    assert np.isnan(growth.slope(rows, "n", "megabytes"))


def test_balanced_chances_meet_the_means_without_counting_a_row_twice() -> None:
    fit = load("metadataset._fit")
    x = np.random.default_rng(0).normal(size=(2000, 2))
    assert np.allclose(fit.balanced_chances(x, x.mean(0), 1200, slack=0.0), 0.6, atol=1e-3)
    assert fit.balanced_chances(x, x.mean(0), 2000, slack=0.0).min() > 0.99
    mu = np.array([0.3, -0.2])
    chances = fit.balanced_chances(x, mu, 1200, slack=0.0)
    assert chances.sum() == pytest.approx(1200, rel=1e-3)
    assert np.allclose(chances @ x / chances.sum(), mu, atol=1e-3)
    log_odds = np.log(chances / (1 - chances))
    plane = np.column_stack([np.ones(len(x)), x])
    assert np.allclose(plane @ np.linalg.lstsq(plane, log_odds)[0], log_odds, atol=1e-3)
    # Few of many, which the bound does not hold back: normal rows are shifted by exp(mu . x).
    few = fit.balanced_chances(x, mu, 20, slack=0.0)
    assert np.corrcoef(np.log(few), x @ mu)[0, 1] > 0.98
    loose = fit.balanced_chances(x, mu, 1200, slack=1.0)
    assert 0.05 < (loose @ x / loose.sum())[0] < 0.25  # the penalty holds back


def test_the_pool_gives_the_tasks_that_are_published() -> None:
    generator = load("metadataset.generator")
    from infoprior.metadataset import FITTED_FAMILIES, chosen_tasks

    fitted, pool = generator.read(generator.FILE)
    assert set(fitted["family"]) == set(FITTED_FAMILIES)  # and of no others are labels kept
    chosen = generator.choose(fitted, pool)
    assert {f"synthetic/{i}" for i in chosen} == set(chosen_tasks())
    # The means that were asked for are nearer than those of the whole pool.
    fit = load("metadataset._fit")
    x, target = fit.moments(fitted, pool, ("ranks",))
    kept = np.isin(generator.indices(pool), chosen)
    gaps = [np.abs(rows.mean(0) - target).mean() for rows in (x, x[kept])]
    assert gaps[1] < 0.5 * gaps[0]


def test_chances_of_being_kept() -> None:
    fit = load("metadataset._fit")
    odds = np.random.default_rng(0).lognormal(sigma=1.5, size=400)
    chances = fit.inclusion(odds, 150)
    assert chances.sum() == pytest.approx(150)
    assert chances.max() == 1.0
    free = chances < 1.0
    assert np.allclose(chances[free] / odds[free], (chances[free] / odds[free])[0])
    kept = fit.keep(chances)
    assert len(kept) == 150 == len(set(kept))
    assert set(np.flatnonzero(chances == 1.0)) <= set(kept)
    often = np.bincount(np.concatenate([fit.keep(chances, seed) for seed in range(400)]), None, 400)
    assert np.abs(often / 400 - chances).max() < 0.12


def test_mean_ranks_of_other_families() -> None:
    fit = load("metadataset._fit")
    import pandas as pd

    families = pd.Series(["a", "a", "b", "c"])
    assert fit.family_weights(families) == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    table = pd.DataFrame({"a000": [0.1, 0.2, 0.9, 0.1], "a001": [0.2, 0.3, 0.7, 0.2],
                          "a002": [0.3, 0.4, 0.8, 0.2], "other": 1.0})  # fmt: skip
    rank = fit.ranks(table)
    assert rank[0] == pytest.approx([0, 0.5, 1])
    assert rank[3] == pytest.approx([0, 0.75, 0.75])  # ties share
    agreements = fit.leave_family_out(rank, families)
    assert agreements[2] == pytest.approx(-0.5)  # (0, 0.625, 0.875) against (1, 0, 0.5)
