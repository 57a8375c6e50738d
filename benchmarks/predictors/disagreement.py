"""How far data sets disagree on what is good, and what tells it: the spaces `mlp` and `tabular`.

    python benchmarks/predictors/disagreement.py [--shuffles 10] [--parts spaces encodings ...]
    python benchmarks/predictors/disagreement.py --measure    # before: train what is missing

1. spaces: Kendall's tau of the static ranking with a draw of a task's labels, of the mean over
   tasks that resemble it in its other draws (the ceiling of true similarity), and of the task's
   own other draws (the ceiling of labels); how accuracies vary within a task.
2. encodings: of the two best architectures of `mlp` under each of the seven encodings of `tabular`
   (rows that `--measure` and benchmarks/metadataset/encodings.py keep): what an oracle gains, and
   how well gains are predicted by what is known of a task.
3. rankings: the same of all shared architectures of `tabular`. rankings-mlp: of those of `mlp`,
   as a control; its rows hold no input profiles, and its probes are read after 27 epochs.
4. own: what a network's own profile after three epochs adds to its curve in predicting how it ends.

Families are held out as a whole. Models are chosen on the folds of `FITTED_FAMILIES` ("folds");
the other families ("test") have chosen nothing, neither here nor for the generator. Controls: of
each set of inputs all features are those of another task of the same kind; of "all" the
information only. Intervals: 95 %, bootstrap over families; tests: Wilcoxon over families, Holm
within each table.

Writes benchmarks/results/predictors/disagreement.md and rows beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS, markdown, threads, write
from benchmarks.predictors import _disagreement_data as data
from benchmarks.predictors import _disagreement_encodings as encodings
from benchmarks.predictors import _disagreement_figure as figure
from benchmarks.predictors import _disagreement_own as own
from benchmarks.predictors import _disagreement_sets as sets
from benchmarks.predictors import _disagreement_spaces as spaces
from benchmarks.predictors._disagreement_models import Model, family_weights, kernel, ridge, trees
from infoprior import load_metadataset
from infoprior.evaluation import held_out_splits
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset

RESULT = RESULTS / "predictors" / "disagreement.md"
PARTS = ("spaces", "encodings", "rankings", "rankings-mlp", "own")
MIN_GAP = 1.0  # points between the best and the median architecture, below which a task says little
MODELS = {
    "ridge": ridge(0.01), "ridge, more": ridge(0.1), "kernel": kernel(1.0),
    "kernel, more": kernel(10.0), "trees": trees(5, 0.3, 100), "trees, fewer": trees(20, 0.3, 100),
}  # fmt: skip
REAL_WEIGHTS = (4.0, 32.0)
"""How much a real task counts in fits against a synthetic one; the better one is taken."""
OWN_WEIGHT = 4.0


def splits_of(tasks: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Folds of fitted families and the test families, as numbers of tasks; real ones held out."""
    number = pd.Series(np.arange(len(tasks)), index=tasks["task"])
    real = set(tasks["task"][tasks["kind"] == "real"])
    fitted = set(tasks["family"][tasks["family"].isin(FITTED_FAMILIES)])
    n_test = len(real - set(tasks["task"][tasks["family"].isin(fitted)]))
    named = held_out_splits(tasks, 5, n_test / len(real), 0, keep=fitted)
    return {
        name: (number.loc[train].to_numpy(), number.loc[[t for t in held if t in real]].to_numpy())
        for name, (train, held) in named.items()
    }


def of_spaces(metas: dict[str, MetaDataset]) -> str:
    """Part 1, on real tasks of both spaces with two draws and more."""
    every = {name: data.scores_of(meta) for name, meta in metas.items()}
    common = set.intersection(*(set(s.tasks["task"][s.draws > 1]) for s in every.values()))
    lines = []
    variance = []
    for name, scores in every.items():
        gap = scores.mean.max(axis=1) - np.median(scores.mean, axis=1)
        keep = (scores.tasks["kind"] == "real") & scores.tasks["task"].isin(common)
        some = scores.of((keep & (gap >= MIN_GAP)).to_numpy())
        families = np.unique(some.tasks["family"], return_inverse=True)[1]
        for row in spaces.agreement(some, families):
            lines.append({"space": name, "tasks": len(some.tasks), **row})
        kinds = metas[name].shared().points()
        encoding = None
        if "inputs" in metas[name].space:
            encoding = np.array([kinds[p]["inputs"] for p in some.points])
        parts = spaces.parts_of_variance(some, families, encoding)
        variance.append({"space": name} | parts)
    shares = pd.DataFrame(variance).set_index("space")
    shares.round(3).to_csv(RESULT.with_name("disagreement_spaces_rows.csv"))
    shown = [
        {"space": name} | {c: "–" if v != v else f"{v:.0f} %" for c, v in row.items()}
        for name, row in shares[max(map(list, variance), key=len)[1:]].to_dict("index").items()
    ]
    return f"{markdown(lines)}\n\n{markdown(shown)}\n"


def chosen_model(
    y: np.ndarray, tasks: pd.DataFrame, groups: dict, splits: dict, judge: sets.Judge, metric: str
) -> tuple[Model, np.ndarray, str]:
    """The model and the tasks' weights that are best on the folds, with all inputs; and a table."""
    folds = {k: v for k, v in splits.items() if k != "test"}
    rows, values = [], {}
    for name, model in MODELS.items():
        row: dict[str, Any] = {"model": name}
        for real in REAL_WEIGHTS:
            frame = sets.compare_sets(
                y, tasks, groups, folds, family_weights(tasks, real), judge, model, 0,
                sets={"all": tuple(groups)},
            )  # fmt: skip
            values[name, real] = float(frame[frame["set"] == "all"][metric].mean())
            row[f"{metric}, real tasks count {real:g} times"] = values[name, real]
        rows.append(row)
    name, real = max(values, key=lambda key: values[key])
    text = f"Chosen on the folds, with all inputs: {name}, real tasks count {real:g} times."
    return MODELS[name], family_weights(tasks, real), f"{text}\n\n{markdown(rows)}\n"


def of_sets(
    y: np.ndarray, tasks: pd.DataFrame, groups: dict, judge: sets.Judge, metrics: Sequence[str],
    shuffles: int, rows_to: Path,
) -> str:  # fmt: skip
    """Parts 2 and 3: tables of means and tests."""
    splits = splits_of(tasks)
    model, weights, tried = chosen_model(y, tasks, groups, splits, judge, metrics[0])
    if "inputs" not in groups:
        tried = f"The rows hold no input profiles.\n\n{tried}"
    read = data.sets_of(groups)
    frame = sets.compare_sets(y, tasks, groups, splits, weights, judge, model, shuffles, read)
    frame.round(5).to_csv(rows_to, index=False)
    folds = [s for s in splits if s != "test"]
    text = [tried]
    for title, some in (("Folds", folds), ("Test", ["test"]), ("All real", list(splits))):
        held = frame[frame["split"].isin(some)]
        n, families = held["number"].nunique(), held["family"].nunique()
        text.append(f"### {title}: {n} tasks of {families} families\n")
        text.append(markdown(sets.means(frame, metrics, some)) + "\n")
        for pairs in data.comparisons(read):
            for metric in metrics:
                text.append(markdown(sets.tests(frame, (metric,), some, pairs)) + "\n")
    return "\n".join(text)


def of_encodings(meta: MetaDataset, groups: dict, shuffles: int) -> str:
    """Part 2."""
    paired = encodings.paired_gains(set(meta.tasks["task"]))
    y, tasks = encodings.targets(meta, data.scores_of(meta), paired)
    oracle = markdown(encodings.oracle(paired, meta.tasks)) + "\n\n"
    judge = encodings.judge(paired, tasks)
    return oracle + of_sets(
        y, tasks, groups, judge, ("correlation", "points over standard"), shuffles,
        RESULT.with_name("disagreement_encodings_rows.csv"),
    )  # fmt: skip


def ranked(meta: MetaDataset) -> tuple[data.Scores, np.ndarray]:
    """Tasks on which architectures differ, and what models learn of them, (tasks, points)."""
    scores = data.scores_of(meta)
    gap = scores.mean.max(axis=1) - np.median(scores.mean, axis=1)
    some = scores.of((gap >= MIN_GAP) | (scores.tasks["kind"] != "real").to_numpy())
    return some, spaces.standardised(some.mean)


def of_rankings(meta: MetaDataset, groups: dict, shuffles: int, rows_to: str) -> str:
    """Part 3, of either space."""
    some, y = ranked(meta)
    truth = some.mean

    def judge(number: int, predicted: np.ndarray) -> dict[str, float]:
        tau = spaces.taus(predicted[None], truth[number][None])[0]
        first = truth[number][int(predicted.argmax())]
        return {"tau": float(tau), "first choice": float(first - np.median(truth[number]))}

    return of_sets(
        y, some.tasks, groups, judge, ("tau", "first choice"), shuffles, RESULT.with_name(rows_to)
    )


def of_own(meta: MetaDataset, shuffles: int) -> str:
    """Part 4."""
    splits = splits_of(meta.tasks)
    frame = own.compare_own(meta, splits, shuffles, OWN_WEIGHT)
    frame.round(5).to_csv(RESULT.with_name("disagreement_own_rows.csv"), index=False)
    whole = "architecture, curve, profile"
    pairs = [(whole, "architecture, curve"), (whole, "shuffled"),
             ("architecture, profile", "architecture"),
             ("architecture, curve", "architecture"), ("architecture", "static")]  # fmt: skip
    text = []
    folds = [s for s in splits if s != "test"]
    for title, some in (("Folds", folds), ("Test", ["test"]), ("All real", list(splits))):
        text += [
            f"### {title}\n",
            markdown(sets.means(frame, ("tau",), some)) + "\n",
            markdown(sets.tests(frame, ("tau",), some, pairs)) + "\n",
        ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shuffles", type=int, default=10)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--directory", type=Path, help="of a published meta-dataset")
    parser.add_argument("--measure", action="store_true", help="train encodings on test families")
    options = parser.parse_args()
    threads(1)
    if options.measure:
        encodings.measure()
        return
    metas = {s: load_metadataset(s, directory=options.directory) for s in ("mlp", "tabular")}
    mlp, tabular = metas.values()
    read = {space: cache(partial(data.feature_groups, meta)) for space, meta in metas.items()}
    n = options.shuffles
    calls = {
        "spaces": lambda: of_spaces(metas),
        "encodings": lambda: of_encodings(tabular, read["tabular"](), n),
        "rankings": lambda: of_rankings(
            tabular, read["tabular"](), n, "disagreement_rankings_rows.csv"
        ),
        "rankings-mlp": lambda: of_rankings(
            mlp, read["mlp"](), n, "disagreement_rankings-mlp_rows.csv"
        ),
        "own": lambda: of_own(tabular, n),
    }
    for part in options.parts:
        text = calls[part]()
        print(f"## {part}\n\n{text}", flush=True)
        write(RESULT.with_name(f"disagreement_{part}.md"), f"# Disagreement: {part}\n\n{text}")
    if (RESULT.parent / "disagreement_rankings_rows.csv").exists():
        figure.draw(RESULT.parent)


if __name__ == "__main__":
    main()
