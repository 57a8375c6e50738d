"""What minimising the entropy of decisions does, alone and beside the cross-entropy, on real tasks.

1. Alone: two layers z = (w + G) x + b, the last with a unit a class, trained by the document's
   update rules, from random weights and from weights that labels have trained. Entropy and test
   accuracy before and after.
2. w and G: how far w + G strays from one matrix with the step size η_w + η_G, for three divisions
   of the step size, relative to the way that it went.
3. Beside the cross-entropy: the setting `entropy_weight`, above and below 0, against label
   smoothing and weight decay. Each is tuned over as many values, on validation rows; test accuracy,
   log loss and ECE, each against the same training without any of them.

    python benchmarks/search/entropy_gradient.py [--tasks 13] [--seeds 5] [--epochs 27]
                                                 [--workers 1]

A task with a seed (of split, weights and order of rows) is a job; a run that was killed resumes.
Rows are capped as in the pipeline. Written: benchmarks/results/search/entropy_gradient.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import pandas as pd

from benchmarks._common import RESULTS, ROOT, markdown
from benchmarks.priors.record_curves import CAPS, TASKS
from benchmarks.search import _entropy_jobs
from benchmarks.search._entropy_jobs import (
    BATCH,
    DIVISIONS,
    HIDDEN,
    LOCAL_EPOCHS,
    LOCAL_ETA,
    NONE,
    POINT,
    RATE,
    VALUES,
    measure,
)
from infoprior.evaluation import bootstrap_interval
from infoprior.files import write_atomically
from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.parallel import run_jobs

RESULT = RESULTS / "search" / "entropy_gradient.md"
PLAIN = f"{NONE[0]} {NONE[1]}"
CACHE = ROOT / "benchmarks" / "cache" / "entropy_gradient"


def chosen(trained: dict[str, Any], method: str, criterion: str) -> tuple[float, dict[str, float]]:
    """The value of a method that validation rows prefer, and its scores on test rows."""
    setting, values = VALUES[method]
    sign = -1.0 if criterion == "accuracy" else 1.0
    candidates = [(0.0, trained[PLAIN])]  # first: it is taken where others are not better
    candidates += [(value, trained[f"{setting} {value}"]) for value in values]
    value, best = min(candidates, key=lambda pair: sign * pair[1]["validation"][criterion])
    return value, best["test"]


def score_table(results: list[dict[str, Any]], criterion: str) -> pd.DataFrame:
    """One row a job and method: the value chosen, test scores, and those minus no regulariser's."""
    rows = []
    for result in results:
        none = result["regularised"][PLAIN]["test"]
        for method in VALUES:
            value, test = chosen(result["regularised"], method, criterion)
            rows.append({
                "task": result["task"], "family": result["family"], "method": method,
                "value": value, **test, **{f"Δ {k}": test[k] - none[k] for k in test},
            })  # fmt: skip
    return pd.DataFrame(rows)


def interval(table: pd.DataFrame, column: str, scale: float = 1.0) -> str:
    """Mean over tasks (of means over seeds), and its 95 % bootstrap interval over families."""
    means = scale * table.groupby("task")[column].mean()
    families = table.groupby("task")["family"].first().loc[means.index].tolist()
    low, high = bootstrap_interval(means.to_numpy(), families=families)
    return f"{means.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def regulariser_report(results: list[dict[str, Any]], criterion: str) -> str:
    table = score_table(results, criterion)
    rows: list[dict[str, Any]] = []
    for method, group in table.groupby("method", sort=False):
        rows.append({
            "method": method,
            "Δ accuracy, points": interval(group, "Δ accuracy", 100.0),
            "Δ log loss, nats": interval(group, "Δ log loss"),
            "Δ ECE, points": interval(group, "Δ ECE", 100.0),
            "values chosen (0: none)": ", ".join(
                f"{v:g}: {n}" for v, n in group["value"].value_counts().sort_index().items()
            ),
        })  # fmt: skip
    versus: list[dict[str, Any]] = []
    index = ["task", "seed"]
    table["seed"] = table.groupby(["task", "method"]).cumcount()
    for mine in ("entropy minimised", "entropy, either sign"):
        for other in ("label smoothing", "weight decay"):
            one, two = (table[table["method"] == m].set_index(index) for m in (mine, other))
            apart = one[["accuracy", "log loss", "ECE"]] - two[["accuracy", "log loss", "ECE"]]
            apart = apart.assign(family=one["family"]).reset_index()
            versus.append({
                "difference": f"{mine} − {other}",
                "accuracy, points": interval(apart, "accuracy", 100.0),
                "log loss, nats": interval(apart, "log loss"),
                "ECE, points": interval(apart, "ECE", 100.0),
            })  # fmt: skip
    return f"{markdown(rows)}\n\n{markdown(versus)}"


def alone_report(results: list[dict[str, Any]]) -> str:
    rows: list[dict[str, Any]] = []
    for start in results[0]["alone"]:
        for i, epoch in enumerate(LOCAL_EPOCHS):
            table = pd.DataFrame([
                {
                    "task": r["task"], "family": r["family"],
                    **{name: values[i] for name, values in r["alone"][start].items()},
                    "gain": r["alone"][start]["accuracy"][i] - r["alone"][start]["accuracy"][0],
                }
                for r in results
            ])  # fmt: skip
            mean = table.groupby("task").mean(numeric_only=True).mean()
            rows.append({
                "start": start,
                "epochs": epoch,
                "bits a hidden decision": float(mean["hidden bits"]),
                "bits an output": float(mean["output bits"]),
                "test accuracy": float(mean["accuracy"]),
                "minus that at the start, points": interval(table, "gain", 100.0) if i else "",
                "rows with the same class as at the start": float(mean["same class"]),
            })  # fmt: skip
    return markdown(rows)


def report(results: list[dict[str, Any]], epochs: int, seeds: int) -> str:
    """The page of results."""
    tasks = sorted({r["task"] for r in results})
    none = pd.DataFrame([
        {"task": r["task"], **r["regularised"][PLAIN]["test"]} for r in results
    ]).groupby("task").mean().mean()  # fmt: skip
    worst = pd.DataFrame([r["redundancy"] for r in results]).max()
    return "\n".join([
        "# The entropy of decisions, minimised alone and beside the cross-entropy", "",
        f"`python benchmarks/search/entropy_gradient.py --tasks {len(tasks)} --seeds {seeds} "
        f"--epochs {epochs}`: {', '.join(tasks)}; at most {CAPS['max_train']} rows to train on. "
        "Intervals are 95 % bootstrap intervals over families of tasks, of means over seeds.", "",
        "## Entropy alone", "",
        f"Two layers, {HIDDEN} units and one a class; the document's updates with η = {LOCAL_ETA}, "
        f"batches of {BATCH}; no labels. The class is that of the greatest output.", "",
        alone_report(results), "",
        "## w and G", "",
        "Greatest distance of w + G from one matrix that is trained with the step size η_w + η_G, "
        "over 20 epochs, relative to the way that the matrix went, for (η_w, η_G) / η = "
        f"{', '.join(map(str, DIVISIONS))}, the worst of all tasks and seeds: "
        f"{worst['float32']:.1e} in float32, {worst['float64']:.1e} in float64.", "",
        "## Beside the cross-entropy", "",
        f"MLPs of two layers of {POINT['width']} units, AdamW with the rate {RATE}, {epochs} "
        "epochs. Every method has four values and none at all to choose from on validation rows. "
        f"Without a regulariser: accuracy {none['accuracy']:.3f}, log loss {none['log loss']:.3f} "
        f"nats, ECE {none['ECE']:.3f} (15 bins). Test rows, minus the same training without one:",
        "", "### Chosen by validation log loss", "", regulariser_report(results, "log loss"), "",
        "### Chosen by validation accuracy", "", regulariser_report(results, "accuracy"), "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    code = source_fingerprint(
        "infoprior.training", "infoprior.spaces", "infoprior.tasks",
        "infoprior.search.entropy_gradient", _entropy_jobs.__name__,
    )  # fmt: skip
    own = fingerprint(code, CAPS, arguments.epochs)
    jobs = {
        f"{task.replace('/', '--')}.{seed}.{own}": (task, seed, arguments.epochs)
        for seed in range(arguments.seeds)
        for task in TASKS[: arguments.tasks]
    }
    results = run_jobs(
        measure, jobs, directory=CACHE, workers=arguments.workers, description="tasks and seeds"
    )
    rows = [{"task": jobs[key][0], **result} for key, result in results.items()]
    write_atomically(RESULT, report(rows, arguments.epochs, arguments.seeds))
    print(RESULT.read_text("utf-8"))


if __name__ == "__main__":
    main()
