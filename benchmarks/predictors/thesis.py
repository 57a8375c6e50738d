"""The thesis's two experiments again, and its causes of failure removed one by one.

    python benchmarks/predictors/thesis.py [--shuffles 10] [--workers 1] [--first 134]

F. Kossmann, "Mutual information for fine-grained analysis of neural networks" (ETH Zurich, 2019),
predicts from one random trained network and the information I(T;Y) in its layers which options
(units of four layers, 10 to 120) a bracket of Hyperband will keep, and trains a controller that
samples what the bracket is to try. Both lost against simple baselines.

As in the thesis: the space, the score (accuracy less a price per unit), a bracket of 12, 8, 4
networks, MINE on the layers of one random network, its value on the rows it learned from,
standardised within a data set; counts of survivors weighted by score, a quarter to neighbours; a
network 96-128-128-64-92 with mean squared error, fitted until its training error stands to the
uniform prior's as in the thesis; 20 tasks to learn from; uniform and a Gaussian fitted on the
average as baselines, and the same network with accuracy; REINFORCE on brackets' scores.

Not as in the thesis: its 27 image data sets are not at hand. Here it is 134 real tables, dense
layers and a dense MINE; brackets are replayed over the 24 published architectures and two draws of
each, and halve after 3, 9 and 27 epochs, not 4, 8 and 12; the price per unit, the optimiser, the
rounds and the data sets per round of the controller are not known and chosen here.

Tasks are held out by whole families, in ten groups; the 20 to learn from are of 20 other families,
drawn for each group. Causes are removed one at a time. Random and fixed networks are trained for 12
epochs and their layers read here (benchmarks/cache/thesis, resumed if stopped); in `mlp` published
profiles of probes are read. Controls: the values of a task of another family. Tau: Kendall's, of
predicted with mean test scores of the published architectures. Intervals: 95 %, bootstrap over
families; tests: Wilcoxon over families, Holm within each table. Power: see `detectable`.

Writes benchmarks/results/predictors/thesis.md and thesis_rows.csv (means by task).
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, ROOT, markdown, threads, write

threads(1)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from benchmarks.predictors import _thesis_controller as controller  # noqa: E402
from benchmarks.predictors import _thesis_report as report  # noqa: E402
from benchmarks.predictors._disagreement_data import Scores  # noqa: E402
from benchmarks.predictors._disagreement_spaces import parts_of_variance  # noqa: E402
from benchmarks.predictors._thesis_causes import MLP, SETTINGS, THESIS, noise, run  # noqa: E402
from benchmarks.predictors._thesis_data import (  # noqa: E402
    Bench,
    mlp_bench,
    recorded,
    thesis_bench,
)
from benchmarks.predictors._thesis_measure import measure, options_of  # noqa: E402
from benchmarks.predictors._thesis_targets import score  # noqa: E402
from infoprior import load_metadataset  # noqa: E402
from infoprior.fingerprints import fingerprint  # noqa: E402
from infoprior.metadataset import MetaDataset  # noqa: E402
from infoprior.parallel import run_jobs  # noqa: E402

RESULT = RESULTS / "predictors" / "thesis.md"
CACHE = ROOT / "benchmarks" / "cache" / "thesis_rows"


@cache
def bench(space: str, first: int) -> Bench:
    """Of the first tasks of the thesis's space, or of all of `mlp`."""
    if space == "mlp":
        return mlp_bench(load_metadataset("mlp"))
    meta = thesis_rows(first)
    return thesis_bench(meta, measure(list(meta.tasks["task"]), 1))


def thesis_rows(first: int) -> MetaDataset:
    """The published rows of the first tasks of the thesis's space."""
    meta = load_metadataset("thesis")
    return meta.subset(list(meta.tasks["task"])[:first])


def row_job(space: str, number: int, shuffles: int, first: int) -> dict[str, list]:
    """A row of a table, as columns; number -1 is the second experiment."""
    if number < 0:
        frame = controller.run(bench(space, first), shuffles)
    else:
        setting = (MLP if space == "mlp" else SETTINGS)[number]
        frame = run(bench(space, first), setting, shuffles)
    return {str(c): frame[c].tolist() for c in frame}


def rows(shuffles: int, workers: int, first: int) -> dict[tuple[str, int], pd.DataFrame]:
    """(space, number) -> the rows of `row_job`; finished ones are kept in the cache."""
    sources = [p.read_text() for p in sorted(Path(__file__).parent.glob("_thesis_[!r]*.py"))]
    wanted = [("mlp", i) for i in range(len(MLP))]
    wanted += [("thesis", i) for i in (-1, *range(len(SETTINGS)))]
    read = {"mlp": load_metadataset("mlp").digest, "thesis": thesis_rows(first).digest}
    jobs = {
        fingerprint(sources, read[space], space, number, shuffles): (space, number, shuffles, first)
        for space, number in wanted
    }
    results = run_jobs(row_job, jobs, directory=CACHE, workers=workers, description="rows")
    return dict(zip(wanted, map(pd.DataFrame, results.values()), strict=True))


def variance(first: int) -> tuple[np.ndarray, dict[str, float]]:
    """Test scores of both draws, (2, T, A), and of what their variance within a task consists."""
    meta = thesis_rows(first)
    of = bench("thesis", first)
    assert of.options is not None
    test = score(recorded(meta, "test")[..., -1], of.options)
    families = np.unique(of.tasks["family"], return_inverse=True)[1]
    scores = Scores(of.tasks, list(meta.points()), test, test)
    return test, parts_of_variance(scores, families, None)


PAGE = """# The thesis's experiments, and why they failed

`python benchmarks/predictors/thesis.py{command}`: {n} real tasks of {families} families, the spaces
`thesis` (`{digest}`) and `mlp`, {shuffles} shuffles. What is as in the thesis and what is not: the
head of the script.

## Experiment 1: which options survive

Mean squared error of 92 shares; 20 tasks to learn from.

{first}

## Experiment 2: a controller that samples

Mean score of a bracket's four survivors on validation rows, on held-out tasks.

{second}

## Causes removed one by one

Kendall's tau of predicted with mean test scores of the 24 architectures. *information*: the
network with the layers' information; *shuffled*: with another task's; *average*: of the training
tasks' targets. Errors are of each row's own targets.

{causes}

{tests}

## Twenty tasks or a thousand

In `mlp`, where synthetic tasks were published: 32 architectures, layers of fixed probes, accurate
estimators, absolute values, clean joint targets. Judged on real tasks.

{mlp}

{mlp_tests}

## Noise ceiling and power

Variance of test scores within a task of `thesis`: {variance}.

{ceiling}

The least mean difference of tau that Wilcoxon's test over so many families finds in four cases of
five at p < .05, by simulation with the differences seen (about their mean, with random signs). The
thesis judged on 7 data sets.

{power}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shuffles", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--first", type=int, default=134, help="tasks of the space thesis")
    options = parser.parse_args()
    frames = rows(options.shuffles, options.workers, options.first)
    first = [frames["thesis", i] for i in range(len(SETTINGS))]
    more = [frames["mlp", i] for i in range(len(MLP))]
    of = bench("thesis", options.first)
    lines, tests = report.causes(first)
    mlp, mlp_tests = report.causes(more)
    for line in mlp:
        del line["gaussian"]
    test, parts = variance(options.first)
    points = options_of(list(thesis_rows(options.first).points().values()))
    price = score(np.zeros(len(points)), points)
    families = np.unique(of.tasks["family"], return_inverse=True)[1]
    names: dict[str, Any] = {
        "n": len(of.tasks), "families": len(np.unique(families)), "shuffles": options.shuffles,
        "digest": load_metadataset("thesis").digest[:12],
        "command": "".join(f" {argument}" for argument in sys.argv[1:]),
        "first": markdown(report.experiment_1(first[0], noise(of, THESIS))),
        "second": markdown(report.experiment_2(frames["thesis", -1])),
        "causes": markdown(lines), "tests": markdown(tests),
        "mlp": markdown(mlp), "mlp_tests": markdown(mlp_tests),
        "variance": ", ".join(f"{k} {v:.0f} %" for k, v in parts.items() if v == v),
        "ceiling": markdown(report.ceiling(test, families, price)),
        "power": markdown(report.power([first[0], first[-2], more[0], more[2]])),
    }  # fmt: skip
    write(RESULT, PAGE.format(**names))
    table = pd.concat([report.together(f) for f in (*first, *more)], ignore_index=True)
    kept = table[["row", "method", "task", "family", "tau", "error"]].round(6)
    write(RESULT.with_name("thesis_rows.csv"), kept.to_csv(index=False))


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from benchmarks.predictors import thesis

    thesis.main()
