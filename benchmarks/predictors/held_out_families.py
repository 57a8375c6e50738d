"""Which families does information help on? The gain over shuffled inputs, task by task.

    python benchmarks/predictors/held_out_families.py

Predictors read what needs no training (`data`), and the same with the information of other
tasks: what their Kendall's tau differs by is what information is worth on a task. Three ways of
holding families out: the pipeline's own, where development families are predicted in folds and
test families by predictors of all development tasks; and twice folds in which both are mixed. If
the predictors had been fitted to the development families in some way, test families would gain
more in mixed folds, where others of them are learned from.

Nothing was chosen by this: it was run once, after the test families had gained less than the
others. Writes benchmarks/results/predictors/held_out_families.md and .csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import pandas as pd
import torch
from joblib import delayed
from scipy.stats import kendalltau

from benchmarks._common import RESULTS
from infoprior.evaluation import bootstrap_interval, family_folds, score_held_out
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset, training_rows
from infoprior.parallel import worker_pool
from infoprior.predictors import make_predictor
from infoprior.tasks import catalogue
from pipeline.common import read_params
from pipeline.predictors import splits_of

RESULT = RESULTS / "predictors" / "held_out_families.md"
PREDICTORS, INPUTS, SHUFFLES, MIXED = ("trees", "network"), "data", 3, 2
SHOWN = 4  # tasks at either end
Split = tuple[list[str], list[str]]

HEAD = """# Which families does information help on?

`python benchmarks/predictors/held_out_families.py`

Kendall's tau of predictors that read `{inputs}` on {n} real tasks of {families} families, with a
task's own information and with that of other tasks (mean of {shuffles}); families count alike,
intervals are bootstrapped over them. *Pipeline*: development families in folds, test families by
predictors of all development tasks. *Mixed*: folds of all families, {mixed} different ones.
"""


def ways(meta: MetaDataset) -> dict[str, list[Split]]:
    """How families are held out: name -> (training tasks, held-out tasks) for each fit."""
    real = meta.tasks[meta.tasks["kind"] == "real"]
    family = meta.tasks.set_index("task")["family"]
    result = {"pipeline": list(splits_of(meta, read_params("predictors")).values())}
    for i in range(MIXED):
        result[f"mixed {i + 1}"] = [
            (list(family.index[~family.isin(family[fold])]), fold)
            for fold in family_folds(real, 5, 100 + i)
        ]
    return result


def taus(meta: MetaDataset, predictor: str, shuffle: int, split: Split) -> dict[str, float]:
    """Of the held-out tasks; `shuffle` -1: with their own information."""
    torch.set_num_threads(1)
    train, held_out = split
    shown = meta if shuffle < 0 else meta.shuffle_profiles(shuffle)
    settings = read_params("predictors")["settings"]
    _, scores = score_held_out(
        lambda: make_predictor(predictor, INPUTS, seed=0, **settings), shown, held_out, train
    )
    truth = meta.final().pivot(index="task", columns="architecture", values="test_accuracy")
    truth = truth[list(meta.points())]
    return {t: kendalltau(s[: truth.shape[1]], truth.loc[t]).statistic for t, s in scores.items()}


def measure(meta: MetaDataset) -> pd.DataFrame:
    """A row a (way, predictor, task): tau with own and with shuffled information."""
    calls = [
        (way, predictor, shuffle, split)
        for way, splits in ways(meta).items()
        for predictor in PREDICTORS
        for shuffle in range(-1, SHUFFLES)
        for split in splits
    ]
    results = worker_pool(2)(delayed(taus)(meta, *call[1:]) for call in calls)
    rows = [
        {"way": way, "predictor": predictor, "own": shuffle < 0, "task": task, "tau": tau}
        for (way, predictor, shuffle, _), result in zip(calls, results, strict=True)
        for task, tau in result.items()
    ]
    key = ["way", "predictor", "task"]
    table = pd.DataFrame(rows).pivot_table(index=key, columns="own", values="tau")
    table = table.rename(columns={True: "own", False: "shuffled"}).rename_axis(columns=None)
    return table.assign(gain=table["own"] - table["shuffled"]).reset_index()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a (way, predictor, part), means over families."""
    lines = []
    for (way, predictor, part), group in table.groupby(["way", "predictor", "part"], sort=False):
        means = group.groupby("family")[["own", "shuffled", "gain"]].mean()
        low, high = bootstrap_interval(means["gain"].to_numpy())
        without = means["gain"].drop(means["gain"].abs().idxmax()).mean()
        lines.append({
            "held out": way, "predictor": predictor, "families": f"{part}, {len(means)}",
            "own": f"{means['own'].mean():.3f}", "shuffled": f"{means['shuffled'].mean():.3f}",
            "gain": f"{means['gain'].mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            "median gain": f"{means['gain'].median():+.3f}",
            "without the largest": f"{without:+.3f}",
        })  # fmt: skip
    return pd.DataFrame(lines)


def main() -> None:
    meta = training_rows()
    spread = meta.final().groupby("task")["test_accuracy"].agg(lambda v: v.max() - v.median())
    telling = set(spread.index[spread >= read_params("evaluation")["min_gap"]])
    test = set(splits_of(meta, read_params("predictors"))["test"][1])
    table = measure(meta)
    table = table[table["task"].isin(telling)]
    table["family"] = table["task"].map(meta.tasks.set_index("task")["family"])
    table["part"] = ["test" if task in test else "development" for task in table["task"]]
    write_atomically(RESULT.with_suffix(".csv"), table.round(4).to_csv(index=False))
    mean = table.groupby(["part", "task"])["gain"].mean().rename("gain").reset_index()
    ends = mean.sort_values("gain")
    ends = ends[ends["part"] == "test"]
    shown = pd.concat([ends.head(SHOWN), ends.tail(SHOWN)])[["task", "gain"]]
    together = {info.name for info in catalogue() if "kept together" in info.note}
    grouped = mean.groupby(mean["task"].isin(together))["gain"].agg(["size", "mean", "median"])
    head = HEAD.format(
        inputs=INPUTS, n=table["task"].nunique(), families=table["family"].nunique(),
        shuffles=SHUFFLES, mixed=MIXED,
    )  # fmt: skip
    report = "\n".join([
        head, summary(table).to_markdown(index=False, disable_numparse=True), "",
        "The test tasks at either end, mean over predictors and ways:", "",
        shown.to_markdown(index=False, floatfmt="+.3f"), "",
        "Where rows of one person, team or place are kept on one side of every split, so that what "
        "tells them apart is information that does not last, and where they are not (all tasks):",
        "",
        "| rows kept together | tasks | mean gain | median gain |", "| --- | --- | --- | --- |",
        *(f"| {'yes' if kept else 'no'} | {row['size']:.0f} | {row['mean']:+.3f} | "
          f"{row['median']:+.3f} |" for kept, row in grouped.iterrows()), "",
    ])  # fmt: skip
    write_atomically(RESULT, report)
    print(report)


if __name__ == "__main__":
    main()
