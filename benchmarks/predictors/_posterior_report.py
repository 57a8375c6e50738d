"""Tables of the posterior's benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks._common import markdown
from benchmarks.predictors._posterior_data import PAIRS, Bench
from benchmarks.predictors._posterior_search import BUDGETS, EVERYTHING, HYPERBAND, METHODS
from infoprior.evaluation import bootstrap_interval, holm, wilcoxon

METRICS = ("CRPS", "tau", "regret")


def interval(bench: Bench, values: pd.Series, sign: str = "") -> str:
    """The mean over tasks and its interval over families."""
    low, high = bootstrap_interval(
        values.to_numpy(), families=list(bench.about["family"].loc[values.index])
    )
    return f"{values.mean():{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def information_table(bench: Bench, rows: pd.DataFrame) -> str:
    """A kind of evidence a line: what it predicts."""
    lines = []
    nothing = _own(rows, "nothing")
    for name, groups in bench.sets.items():
        own = _own(rows, name)
        over = own["points"] - nothing["points"]
        lines.append(
            {"evidence": name, "trainings": f"{bench.cost(groups):.2f}"}
            | {"CRPS": interval(bench, own["CRPS"])}
            | {c: float(own[c].mean()) for c in ("error", "error of the first choice")}
            | {c: f"{own[c].mean():.0f}" for c in own if c.endswith(" %")}
            | {c: interval(bench, own[c]) for c in ("tau", "regret")}
            | {"first choice, points over nothing's": interval(bench, over, "+")}
        )
    return markdown(lines)


def pairs_table(bench: Bench, rows: pd.DataFrame) -> str:
    """Planned comparisons, then each kind with other tasks' profiles, both with Holm's p."""
    planned = [(a, b, _own(rows, a), _own(rows, b)) for a, b in PAIRS if {a, b} <= set(bench.sets)]
    controls = []
    for name, groups in bench.sets.items():
        other = rows[(rows["evidence"] == name) & (rows["shuffle"] >= 0)]
        if groups and len(other):
            mean = other.groupby("task")[[*METRICS, "points"]].mean()
            controls.append((name, f"shuffled, {other['shuffle'].nunique()} times",
                             _own(rows, name), mean))  # fmt: skip
    return "\n\n".join(_tests(bench, pairs) for pairs in (planned, controls) if pairs)


def _tests(
    bench: Bench, pairs: list[tuple[str, str, pd.DataFrame, pd.DataFrame]],
    metrics: Sequence[str] = (*METRICS, "points"),
) -> str:  # fmt: skip
    columns = []
    for metric in metrics:
        parts = [(a[metric], b[metric].loc[a.index]) for _, _, a, b in pairs]
        p = [wilcoxon(a, b, families=list(bench.about["family"].loc[a.index])) for a, b in parts]
        columns.append([
            f"{interval(bench, a - b, '+')}, p {q:.2g}"
            for (a, b), q in zip(parts, holm(p), strict=True)
        ])  # fmt: skip
    return markdown([
        {"evidence": pair[0], "against": pair[1]}
        | dict(zip(metrics, texts, strict=True))
        for pair, texts in zip(pairs, zip(*columns, strict=True), strict=True)
    ])  # fmt: skip


def _own(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    some = rows[(rows["evidence"] == name) & (rows["shuffle"] < 0)].set_index("task")
    return some.drop(columns=["evidence", "shuffle"])


def search_table(bench: Bench, rows: pd.DataFrame) -> str:
    """A method a line, a budget a column."""
    lines = []
    for method in dict.fromkeys(rows["method"]):
        line = {"method": method}
        for budget in BUDGETS:
            asked = budget if method != EVERYTHING else np.inf
            part = rows[(rows["method"] == method) & (rows["budget"] == asked)]
            values = part.groupby("task")["regret"].mean()
            last = method != EVERYTHING or budget == BUDGETS[-1]
            line[f"{budget:g}"] = interval(bench, values) if len(values) and last else "–"
        lines.append(line)
    return markdown(lines)


def against_hyperband(bench: Bench, rows: pd.DataFrame) -> str:
    """Methods' regret minus Hyperband's: at equal budget, and at less."""
    wide = rows.groupby(["method", "budget", "task"])["regret"].mean()
    equal = [(b, b) for b in BUDGETS if b >= 1]
    text = []
    for title, budgets in (
        ("at equal budget", equal),
        ("at a larger one", [(2.0, 8.0), (4.0, 32.0)]),
    ):
        lines, ps = [], []
        for method in METHODS:
            for mine, theirs in budgets:
                a, b = wide[method, mine], wide[HYPERBAND, theirs]
                b = b.loc[a.index]
                ps.append(wilcoxon(a, b, families=list(bench.about["family"].loc[a.index])))
                lines.append({
                    "method": method, "budget": f"{mine:g}", "Hyperband's budget": f"{theirs:g}",
                    "regret − Hyperband's": interval(bench, a - b, "+"),
                })  # fmt: skip
        for line, p, adjusted in zip(lines, ps, holm(ps), strict=True):
            line["p"], line["p (Holm)"] = f"{p:.2g}", f"{adjusted:.2g}"
        text.append(f"Against Hyperband under the static prior, {title}:\n\n{markdown(lines)}")
    return "\n\n".join(text)


def large(bench: Bench, rows: pd.DataFrame) -> pd.DataFrame:
    """Those of tasks with 1,500 training rows and 500 test rows, or more."""
    enough = (bench.about["n_train"] >= 1500) & (bench.about["n_test"] >= 500)
    return rows[rows["task"].map(enough)]


OWN_METRICS = ("tau", "tau, same network", "regret", "error")


def own_table(bench: Bench, rows: pd.DataFrame) -> str:
    """An epoch and a kind of evidence a line; shuffled: layers of other networks of the task."""
    lines = []
    for (epoch, kind, shuffle), some in _own_groups(rows):
        means = some.groupby("task")[list(OWN_METRICS)].mean()
        name = kind if shuffle < 0 else f"{kind} of other networks"
        lines.append(
            {"up to epoch": str(epoch), "evidence": name}
            | {metric: interval(bench, means[metric]) for metric in OWN_METRICS}
        )
    return markdown(lines)


def own_tests(bench: Bench, rows: pd.DataFrame) -> str:
    """Layers and training losses against curves alone, layers against other networks' ones."""
    means = {key: some.groupby("task")[list(OWN_METRICS)].mean() for key, some in _own_groups(rows)}
    pairs = [
        (epoch, a, b, means[epoch, *a], means[epoch, *b])
        for epoch in sorted({key[0] for key in means})
        for a, b in (
            (("layers", -1), ("curves", -1)), (("layers", -1), ("layers", 0)),
            (("training losses", -1), ("curves", -1)),
        )
        if (epoch, *a) in means and (epoch, *b) in means
    ]  # fmt: skip
    named = [
        (f"{a[0]}, epoch {epoch}", b[0] if b[1] < 0 else f"{b[0]} of other networks", x, y)
        for epoch, a, b, x, y in pairs
    ]
    return _tests(bench, named, OWN_METRICS)


def _own_groups(rows: pd.DataFrame) -> list[tuple[tuple[int, str, int], pd.DataFrame]]:
    kinds = rows.assign(shuffle=np.where(rows["shuffle"] < 0, -1, 0))
    return list(kinds.groupby(["epoch", "evidence", "shuffle"], sort=False))
