"""Do more tasks make information worth more? By the number of synthetic tasks to learn from.

    python benchmarks/predictors/more_tasks.py [--workers 2]

Trees and the network learn from the published real tasks and n of the synthetic ones, and rank
the architectures of other real families (the folds of the stage `predictors`; the test families
stay closed). The synthetic tasks were chosen by these families' mean ranking, which helps every
method, the static prior too. What counts is Kendall's tau with the tasks' own test accuracies: own
profiles (the mean over three seeds) against profiles of other tasks of the same kind (the mean over
three shuffles, each with one of these seeds), and both against the static prior that learned from
the same tasks. Intervals: bootstrap over families. A second table compares weights of
real tasks (`real_weight`). Fits go to benchmarks/cache as they finish, and are not made again.
Writes benchmarks/results/predictors/more_tasks.{md,csv,png}.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, ROOT, markdown, threads, write, write_csv

threads(1)

from functools import lru_cache  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.stats import kendalltau  # noqa: E402

from infoprior.evaluation import predict_held_out  # noqa: E402
from infoprior.fingerprints import fingerprint, source_fingerprint  # noqa: E402
from infoprior.metadataset import MetaDataset, load_metadataset, training_rows  # noqa: E402
from infoprior.parallel import run_jobs  # noqa: E402
from infoprior.predictors import make_predictor  # noqa: E402
from pipeline.common import read_params  # noqa: E402
from pipeline.predictors import splits_of  # noqa: E402

CACHE = ROOT / "benchmarks" / "cache" / "more_tasks"
COUNTS = (0, 100, 300, 1000)
WEIGHTS = (1.0, 4.0, 16.0)
FITS = 3
LEARNED = [(p, i) for p in ("trees", "network") for i in ("mi", "all")]
DRAWS = 10_000


@lru_cache(maxsize=4)
def known(count: int, shuffle: int) -> MetaDataset:
    """The published tasks with so many synthetic ones; -1 shuffles no profile."""
    meta = training_rows("mlp", count)
    return meta if shuffle < 0 else meta.shuffle_profiles(shuffle)


def fold_taus(
    count: int, weight: float, predictor: str, inputs: str, shuffle: int, refit: int, fold: str
) -> dict[str, float]:
    """Kendall's tau on each held-out task of a fold."""
    import torch

    torch.set_num_threads(1)
    params, meta = read_params("predictors"), known(count, shuffle)
    train, held_out = splits_of(meta, params)[fold]
    settings = {**params["settings"], "real_weight": weight, "seed": params["seed"] + refit}
    table, _ = predict_held_out(
        lambda: make_predictor(predictor, inputs if predictor != "static" else (), **settings),
        meta, held_out, train,
    )  # fmt: skip
    truth = meta.final().set_index(["task", "architecture"])["test_accuracy"]
    return {
        str(task): float(
            kendalltau(g["log_ratio"], truth.loc[task].loc[g["architecture"]]).statistic
        )
        for task, g in table.groupby("task")
    }


def measure(workers: int) -> pd.DataFrame:
    """One row a (count, weight, predictor, inputs, shuffle, refit, task): its tau."""
    params = read_params("predictors")
    default = float(params["settings"]["real_weight"])
    own = [("static", "nothing", -1, 0)]
    own += [(p, i, -1, k) for p, i in LEARNED for k in range(FITS)]
    variants = own + [(p, i, k, k) for p, i in LEARNED for k in range(FITS)]
    wanted = [(n, default, *variant) for n in COUNTS for variant in variants]
    wanted += [
        (COUNTS[-1], weight, *variant)
        for weight in WEIGHTS if weight != default
        for variant in own
    ]  # fmt: skip
    folds = [name for name in splits_of(known(0, -1), params) if name != "test"]
    code = fingerprint(
        source_fingerprint("infoprior.predictors", "infoprior.priors", "infoprior.evaluation"),
        load_metadataset("mlp").digest, params,
    )  # fmt: skip
    jobs = {
        f"{fingerprint(code, *variant, fold)}": (*variant, fold)
        for variant in wanted
        for fold in folds
    }
    results = run_jobs(fold_taus, jobs, directory=CACHE, workers=workers, description="fits")
    names = ["synthetic", "real_weight", "predictor", "inputs", "shuffle", "refit"]
    return pd.DataFrame(
        dict(zip(names, arguments[:-1], strict=True)) | {"task": task, "tau": tau}
        for key, arguments in jobs.items()
        for task, tau in results[key].items()
    )


class Families:
    """Means over tasks, families of equal weight, with intervals over families."""

    def __init__(self, family: pd.Series) -> None:
        self.family = family
        n = family.nunique()
        self.draws = np.random.default_rng(0).integers(n, size=(DRAWS, n))

    def interval(self, values: pd.Series) -> tuple[float, float, float]:
        """Mean, and the borders of its 95 % interval."""
        by = values.groupby(self.family.loc[values.index].to_numpy()).mean().to_numpy()
        low, high = np.quantile(by[self.draws].mean(axis=1), [0.025, 0.975])
        return float(by.mean()), float(low), float(high)


def summary(rows: pd.DataFrame, families: Families) -> pd.DataFrame:
    """One row a (count, weight, predictor, inputs): tau, and its gain over shuffled and static."""
    # The mean over fits, task by task.
    key = ["synthetic", "real_weight", "predictor", "inputs", "task"]
    own = rows[rows["shuffle"] < 0].groupby(key, as_index=False)["tau"].mean()
    other = rows[rows["shuffle"] >= 0].groupby(key)["tau"].mean()
    static = own[own["predictor"] == "static"].set_index([*key[:2], "task"])["tau"]
    lines = []
    for names, group in own.groupby(key[:4], sort=True):
        tau = group.set_index("task")["tau"]
        line: dict[str, Any] = dict(zip(key[:4], names, strict=True))
        line["tau"], line["low"], line["high"] = families.interval(tau)
        against = {"static": static.loc[names[:2]]}
        if names in other.index:
            against["shuffled"] = other.loc[names]
        for what, values in against.items():
            interval = families.interval(tau - values.loc[tau.index])
            for part, value in zip(("", " low", " high"), interval, strict=True):
                line[f"− {what}{part}"] = value
        lines.append(line)
    return pd.DataFrame(lines)


def table(lines: pd.DataFrame, first: str) -> str:
    """As Markdown: a variant a row."""

    def interval(line: Any, name: str) -> str:
        value = line.get(f"− {name}", float("nan"))
        if value != value:
            return "–"
        return f"{value:+.3f} [{line[f'− {name} low']:+.3f}, {line[f'− {name} high']:+.3f}]"

    controlled = "− shuffled" in lines
    return markdown([
        {
            first: f"{line[first]:g}",
            "predictor": f"{line['predictor']}, {line['inputs']}",
            "tau": f"{line['tau']:.3f} [{line['low']:.3f}, {line['high']:.3f}]",
            "− static": interval(line, "static"),
            **({"− shuffled profiles": interval(line, "shuffled")} if controlled else {}),
        }
        for line in lines.to_dict("records")
    ])  # fmt: skip


def figure(lines: pd.DataFrame) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True)
    colors = {"static": "0.5", "trees": "#3b6ea5", "network": "#c1440e"}
    place = {n: i for i, n in enumerate(COUNTS)}
    variants = [("static", "nothing"), *LEARNED]
    for k, (predictor, inputs) in enumerate(variants):
        part = lines[(lines["predictor"] == predictor) & (lines["inputs"] == inputs)]
        x = part["synthetic"].map(place) + 0.04 * (k - 2)
        style = {
            "color": colors[predictor], "marker": "o" if inputs != "mi" else "s",
            "linestyle": "-" if inputs != "mi" else "--", "capsize": 2,
            "label": f"{predictor}, {inputs}" if predictor != "static" else "static",
        }  # fmt: skip
        for axis, what in zip(axes, ("tau", "− shuffled"), strict=True):
            if what not in part or part[what].isna().all():
                continue
            names = ("low", "high") if what == "tau" else (f"{what} low", f"{what} high")
            low, high = (part[name] for name in names)
            axis.errorbar(x, part[what], [part[what] - low, high - part[what]], **style)
    axes[0].set(title="Ranking of architectures on unseen real families", ylabel="Kendall's tau")
    axes[1].set(title="Own profiles against profiles of other tasks", ylabel="difference of tau")
    axes[1].axhline(0.0, color="0.7", linewidth=1)
    axes[0].legend(frameon=False, fontsize=8)
    for axis in axes:
        axis.set(xlabel="synthetic tasks beside the real ones")
        axis.set_xticks(list(place.values()), [f"{n:,}" for n in COUNTS])
        axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(RESULTS / "predictors" / "more_tasks.png", dpi=110)
    plt.close(fig)


PAGE = """# Do more tasks make information worth more?

`python benchmarks/predictors/more_tasks.py`, on the published meta-dataset (`{digest}`): {n_real}
real tasks of {n_families} families judge, on five folds of whole families; the test families stay
closed. Kendall's tau with the tasks' test accuracies, families of equal weight; intervals:
bootstrap over families, not corrected for the number of rows. A real task counts {weight:g} times.
"Static" learned from the same tasks. "Shuffled": profiles of other tasks of the same kind, the mean
over {fits} shuffles; everything else of a task stays its own. Own profiles are fitted as often,
with the same seeds; a single fit's mean tau differs from another's by up to {luck:.3f}.

{counts}

![By the number of synthetic tasks](more_tasks.png)

## How much a real task counts

With {most:,} synthetic tasks; a real task's rows count `real_weight` times.

{weights}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    rows = measure(parser.parse_args().workers)
    meta = load_metadataset("mlp")
    family = meta.tasks.set_index("task")["family"].loc[sorted(rows["task"].unique())]
    lines = summary(rows, Families(family))
    default = float(read_params("predictors")["settings"]["real_weight"])
    by_count = lines[lines["real_weight"] == default]
    by_weight = lines[lines["synthetic"] == COUNTS[-1]]
    write_csv(RESULTS / "predictors" / "more_tasks.csv", lines.round(5).to_dict("records"))
    figure(by_count)
    fits = rows[(rows["shuffle"] < 0) & (rows["predictor"] != "static")]
    variant = ["synthetic", "real_weight", "predictor", "inputs"]
    means = fits.groupby([*variant, "refit"])["tau"].mean().groupby(variant)
    page = PAGE.format(
        digest=meta.digest[:12], n_real=len(family), n_families=family.nunique(),
        fits=FITS, luck=(means.max() - means.min()).max(), weight=default,
        counts=table(by_count, "synthetic"), most=COUNTS[-1],
        weights=table(by_weight.drop(columns=[c for c in by_weight if "shuffled" in c])
                      .sort_values(["predictor", "inputs", "real_weight"]), "real_weight"),
    )  # fmt: skip
    write(RESULTS / "predictors" / "more_tasks.md", page)


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    import more_tasks

    more_tasks.main()
