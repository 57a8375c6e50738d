"""Figures show the numbers that they are given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import mean_ranks
from infoprior.priors import Prior
from infoprior.report import (
    ReportError,
    critical_difference_figure,
    differences_figure,
    information_plane_figure,
    marginals_figure,
    regret_figure,
    save_figure,
    strategies_figure,
)
from infoprior.report._figures import CROWD
from infoprior.spaces import get_space


def report():
    rows = []
    for search in ("replay", "live"):
        for predictor, level in (("uniform", 0.5), ("static", 0.3), ("trees", 0.2)):
            for budget in (1, 4, 16):
                rows.append({
                    "search": search, "predictor": predictor, "inputs": "nothing",
                    "budget": budget, "regret": level / budget, "low": level / budget - 0.01,
                    "high": level / budget + 0.01, "n_tasks": 9,
                })  # fmt: skip
    return pd.DataFrame(rows)


def test_regret_figure_draws_each_prior_in_each_search():
    shown = {("uniform", "nothing"): "uniform", ("static", "nothing"): "static"}
    figure = regret_figure(report(), shown)
    assert [ax.get_title() for ax in figure.axes] == [
        "recorded curves, priors' cost charged\n9 held-out tasks",
        "networks trained, promoting, cost charged\n9 held-out tasks",
    ]
    for ax in figure.axes:
        lines = {line.get_label(): line for line in ax.get_lines()}
        assert {"uniform", "static"} <= set(lines)
        assert np.allclose(lines["uniform"].get_xydata(), [[1, 0.5], [4, 0.125], [16, 0.03125]])


@pytest.mark.parametrize(("p", "said"), [(0.0004, "< 0.001"), (0.6, "0.60")])
def test_regret_figure_says_whether_any_line_differs_from_the_static_prior(p, said):
    rows = report()
    rows["p_holm"] = np.where(rows["predictor"] == "static", np.nan, 0.9)
    rows.loc[rows["predictor"] == "uniform", "p_holm"] = p
    shown = {("uniform", "nothing"): "uniform", ("static", "nothing"): "static"}
    for ax in regret_figure(rows, shown).axes:
        assert ax.get_title().endswith(f"9 held-out tasks, least p against static {said}")
    alone = {("static", "nothing"): "static"}
    assert all("least p" not in ax.get_title() for ax in regret_figure(rows, alone).axes)


def test_differences_figure_leaves_the_reference_out_and_marks_significance():
    rows = []
    for inputs, p in (("nothing", np.nan), ("mi", 0.01), ("mi-shuffled", 0.9)):
        name = "static" if inputs == "nothing" else "trees"
        rows.append({
            "predictor": name, "inputs": inputs, "metric": "regret_at_4", "difference": -0.1,
            "difference_low": -0.2, "difference_high": 0.0, "p_holm": p,
        })  # fmt: skip
    ax = differences_figure(pd.DataFrame(rows)).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["trees: mi", "trees: mi-shuffled"]
    assert [t.get_text() for t in ax.texts] == ["*"]


def test_information_plane_has_a_panel_a_probe_and_a_colour_a_layer():
    rows = [
        {"task": task, "architecture": probe, "epoch": epoch, "layer_index": layer,
         "mi_xt": 2.0 - layer, "mi_ty": epoch / 54 + 0.1 * layer, "h_y": 1.0, "flags": ""}
        for task in ("a", "b") for probe, depth in (("p1", 1), ("p2", 2)) for layer in range(depth)
        for epoch in (3, 27)
    ]  # fmt: skip
    figure = information_plane_figure(pd.DataFrame(rows))
    assert [ax.get_title() for ax in figure.axes] == ["p1", "p2"]
    assert [len(ax.collections) for ax in figure.axes] == [1, 2]
    points = np.concatenate([c.get_offsets() for c in figure.axes[1].collections])
    assert np.allclose(np.sort(points[:, 1]), [0.5, 0.5, 0.6, 0.6])
    # What a diverged probe left are no measurements: they are not drawn at zero.
    diverged = {
        "task": "c",
        "epoch": 27,
        "mi_xt": 0.0,
        "mi_ty": 0.0,
        "flags": "constant,non_finite",
    }
    more = pd.concat([pd.DataFrame(rows), pd.DataFrame(rows).iloc[:1].assign(**diverged)])
    drawn = [c.get_offsets() for c in information_plane_figure(more).axes[0].collections]
    assert len(np.concatenate(drawn)) == 2
    # One line a task, and the median's.
    assert [len(ax.get_lines()) - 1 for ax in figure.axes] == [3, 3]
    many = pd.concat([pd.DataFrame(rows).assign(task=f"t{i}") for i in range(CROWD + 1)])
    crowded = information_plane_figure(many.drop_duplicates())
    assert [len(ax.get_lines()) - 1 for ax in crowded.axes] == [1, 1]


def test_marginals_of_the_uniform_prior_are_flat_at_one():
    space = get_space("mlp")
    figure = marginals_figure({"uniform": Prior.uniform(dict(space))})
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == list(space)
    for ax in shown:
        heights = [patch.get_height() for patch in ax.patches]
        heights += [y for line in ax.get_lines() for y in line.get_ydata()]
        assert heights
        assert np.allclose(heights, 1.0)


def test_marginals_of_different_spaces_are_refused():
    priors = {name: Prior.uniform(dict(get_space(name))) for name in ("mlp", "thesis")}
    with pytest.raises(ValueError, match="different spaces"):
        marginals_figure(priors)
    with pytest.raises(ValueError, match="no priors"):
        marginals_figure({})


def test_saved_figures_are_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_figure(regret_figure(report(), {("static", "nothing"): "static"}), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def strategies():
    rng = np.random.default_rng(0)
    rows = [
        {"strategy": name, "task": f"t{i}", "budget": budget, "regret": level / budget + 0.01 * i
         + 0.001 * rng.normal()}
        for name, level in (("a", 0.2), ("b", 0.4), ("c", 0.8))
        for i in range(9)
        for budget in (1, 4)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    mean = table.groupby(["strategy", "budget"], sort=False)["regret"].mean().reset_index()
    report = mean.assign(low=mean["regret"] - 0.01, high=mean["regret"] + 0.01)
    ranks = {
        budget: mean_ranks(table[table["budget"] == budget], "regret", by="strategy")
        for budget in (1.0, 4.0)
    }
    return report, ranks


def test_strategies_are_drawn_with_a_diagram_for_each_budget():
    report, ranks = strategies()
    figure = strategies_figure(report, ranks)
    first, *diagrams = [ax for part in figure.subfigs for ax in part.axes]
    lines = {line.get_label(): line.get_xydata() for line in first.get_lines()}
    expected = report[report["strategy"] == "b"][["budget", "regret"]]
    assert np.allclose(lines["b"], expected)
    assert [ax.get_title() for ax in diagrams] == [
        f"budget {b}: mean ranks on 9 tasks; Friedman p < 0.001" for b in (1, 4)
    ]
    assert "a (1.00)" in {text.get_text() for text in diagrams[0].texts}
    with pytest.raises(ReportError, match="no strategy has a regret"):
        strategies_figure(report.assign(regret=np.nan), ranks)


def test_a_diagram_joins_what_is_not_told_apart():
    _, ranks = strategies()
    apart = critical_difference_figure(ranks[1.0]).axes[0]
    alike = critical_difference_figure(replace(ranks[1.0], groups=[["a", "b"], ["b", "c"]])).axes[0]
    thick = [sum(line.get_linewidth() == 3 for line in ax.get_lines()) for ax in (apart, alike)]
    assert thick == [len(ranks[1.0].groups), 2]
