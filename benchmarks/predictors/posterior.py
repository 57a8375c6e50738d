"""What does one posterior know from nothing, from a profile, from half-done searches?

    python benchmarks/predictors/posterior.py [--part folds|test] [--measure fold-0 ...]

The performance predictor learns from the published real tasks and some of the synthetic ones, and
answers for other real families (the splits of the stage `predictors`: folds to choose on, the test
families once at the end).

Information: mean absolute error and CRPS in points of accuracy, coverage of 50, 80 and 95 %
intervals, over the shared architectures of a task; Kendall's tau and the first choice's regret.
Each group of a profile also with the profiles of other tasks of the kind (5 shuffles), for training
and held-out tasks alike. Recorded accuracies are means over few draws and rows: intervals are of
what is recorded, so the noise that the predictor states for such a mean is part of them.

Search: over recorded curves, each step advances one architecture by one rung (1, 3, 9, 27 epochs)
and pays for its epochs; the choice is of the highest posterior mean of scores, whether it has been
trained or not. Beside it Hyperband replayed under the static prior, the static prior's first choice
and all 32 trained. Regret: 0 best, 1 median. Means over tasks, intervals over families.
The test families were looked at twice: with accuracies on the logit scale (upper bound .458 .378
.420 .382 .325 .373 .408), and on the probit scale, which the folds' CRPS had then chosen.
Writes benchmarks/results/predictors/posterior.md (part test: appended to what folds gave).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, ROOT, markdown, threads, write

threads(1)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.stats import kendalltau, norm  # noqa: E402

from infoprior.evaluation import (  # noqa: E402
    RecordedCurves,
    RegretScale,
    bootstrap_interval,
    held_out_splits,
    holm,
    replay,
    task_seed,
    wilcoxon,
)
from infoprior.fingerprints import fingerprint, source_fingerprint  # noqa: E402
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset, load_metadataset  # noqa: E402
from infoprior.metadataset._shuffle import profile_receivers  # noqa: E402
from infoprior.predictors import make_predictor  # noqa: E402
from infoprior.predictors._evidence import Evidence, Record  # noqa: E402
from infoprior.predictors._performance import PerformancePredictor  # noqa: E402
from infoprior.predictors._posterior import Posterior  # noqa: E402

CACHE = ROOT / "benchmarks" / "cache" / "posterior"
OUT = RESULTS / "predictors" / "posterior.md"
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
SHUFFLES, DRAWS, MIN_GAP, FULL = 5, 1, 0.01, 27
SETS = {
    "nothing": (),
    "meta-features": ("metafeatures",),
    "+ probes' curves": ("accuracy", "metafeatures"),
    "+ probes' layers": ("accuracy", "metafeatures", "mi"),
    "probes' layers alone": ("mi",),
}
QUANTILES = (np.arange(100) + 0.5) / 100


def shuffled(meta: MetaDataset, group: str, seed: int) -> MetaDataset:
    """Each task with one group of another task's profile, of its kind and another family."""
    if group == "mi":
        return meta.shuffle_profiles(seed)
    receiver = profile_receivers(meta.tasks, seed)
    if group == "accuracy":
        curves = meta.probe_curves
        return replace(meta, probe_curves=curves.assign(task=curves["task"].map(receiver)))
    columns = [c for c in meta.tasks if c.startswith("mf_")]
    moved = meta.tasks.set_index(meta.tasks["task"].map(receiver))[columns]
    tasks = meta.tasks.copy()
    tasks[columns] = moved.loc[tasks["task"]].to_numpy()
    return replace(meta, tasks=tasks)


class Bench:
    """The published rows, their splits, and what is recorded of each real task."""

    def __init__(self, synthetic: int) -> None:
        meta = load_metadataset("mlp")
        self.splits = held_out_splits(meta.tasks, 5, 0.25, 0, keep=FITTED_FAMILIES)
        made = meta.tasks["task"][meta.tasks["kind"] == "synthetic"]
        left_out = set(np.random.default_rng(0).permutation(sorted(made))[synthetic:])
        self.meta = meta.subset([t for t in meta.tasks["task"] if t not in left_out])
        self.about = self.meta.tasks.set_index("task")
        self.curves = dict(iter(self.meta.curves.groupby("task", sort=False)))
        self.final = self.meta.final().set_index(["task", "architecture"])["test_accuracy"]

    def split(self, name: str, meta: MetaDataset | None = None) -> tuple[MetaDataset, list[str]]:
        """Training rows, and the held-out real tasks on which architectures differ."""
        train, held_out = self.splits[name]
        known = set(self.about.index)
        return (self.meta if meta is None else meta).subset([t for t in train if t in known]), [
            t for t in held_out if self.about["kind"][t] == "real"
        ]

    def truth(self, task: str, names: list[str]) -> tuple[np.ndarray, RegretScale]:
        """Recorded test accuracies, shape (n,), and the scale of regret."""
        accuracy = self.final[task].loc[names].to_numpy()
        return accuracy, RegretScale.of(accuracy, min_gap=MIN_GAP)


def recorded_spread(bench: Bench, predictor: PerformancePredictor, posterior: Posterior, task: str):
    """Standard deviation, on the scale, of a recorded mean over draws around what is expected."""
    model = predictor._fitted.model
    mean = np.clip(posterior.mean(), 0.01, 0.99)
    rows = bench.about["n_test"][task]
    binomial = model.scale.slope(mean) ** 2 * mean * (1.0 - mean) / rows
    noise, place = model.noise, -2
    own = noise.factor * (noise.luck[place, place] + noise.rows[place, place] * binomial)
    shared = noise.shared_luck[place, place] + noise.shared_rows[place, place] * binomial
    curves = bench.curves[task]
    return np.sqrt((own + shared) / curves["seed"].nunique())


def judge(bench: Bench, predictor: PerformancePredictor, task: str, posterior: Posterior) -> dict:
    """One posterior against what is recorded of a task."""
    model = predictor._fitted.model
    truth, scale = bench.truth(task, model.names)
    centre, spread = posterior._marginals(None, 0)
    spread = np.hypot(spread, recorded_spread(bench, predictor, posterior, task))
    draws = model.scale.inverse(centre + spread * norm.ppf(QUANTILES)[:, None])
    n = len(draws)
    own = ((2 * np.arange(1, n + 1) - n - 1)[:, None] * draws).sum(axis=0) / n**2
    rank = norm.cdf((model.scale.forward(np.clip(truth, 1e-3, 1 - 1e-3)) - centre) / spread)
    error, score = np.abs(posterior.mean() - truth), posterior.mean(of="score")
    first = int(score.argmax())
    return {
        "error": 100 * error.mean(),
        "error of the first choice": 100 * error[first],
        "CRPS": 100 * (np.abs(draws - truth).mean(axis=0) - own).mean(),
        **{f"{c} %": 100 * np.mean(np.abs(rank - 0.5) < c / 200) for c in (50, 80, 95)},
        "tau": kendalltau(score, truth).statistic,
        "regret": float(scale.regret(truth[first])),
    }


def information(bench: Bench, split: str, predictor: PerformancePredictor) -> Iterator[dict]:
    """One row per held-out task, set of groups and shuffle (-1: the task's own profile)."""
    names = predictor._fitted.model.names
    held_out = [t for t in bench.split(split)[1] if bench.truth(t, names)[1].discriminating]
    controls = [(name, groups[-1], k) for name, groups in SETS.items() if groups
                for k in range(SHUFFLES)]  # fmt: skip
    # The last group of a set is the one that it adds.
    added = {"+ probes' curves": "accuracy", "+ probes' layers": "mi"}
    for name, last, shuffle in [(name, "", -1) for name in SETS] + controls:
        groups, meta, fitted = SETS[name], bench.meta, predictor
        if shuffle >= 0:
            meta = shuffled(bench.meta, added.get(name, last), shuffle)
            fitted = predictor.with_profiles(bench.split(split, meta)[0])
        posteriors = fitted.posterior_tasks(meta, held_out, inputs=groups)
        for task in held_out:
            posterior = posteriors[task]
            yield {"task": task, "evidence": name, "shuffle": shuffle} | judge(
                bench, predictor, task, posterior
            )


# Search -----------------------------------------------------------------------------------------


def upper_bound(posterior: Posterior, open_: np.ndarray, cost: np.ndarray, rng) -> int:
    """The highest mean plus a standard deviation of those that can be trained further."""
    bound = posterior.mean(of="score") + posterior.std(of="score")
    return int(np.where(open_, bound, -np.inf).argmax())


def thompson(posterior: Posterior, open_: np.ndarray, cost: np.ndarray, rng) -> int:
    """The best of one joint draw."""
    draw = posterior.sample(1, rng, of="score")[0]
    return int(np.where(open_, draw, -np.inf).argmax())


STRATEGIES = {
    "upper bound": upper_bound,
    "Thompson": thompson,
}


def search(bench: Bench, predictor: PerformancePredictor, task: str, draw: int, strategy: str,
           start: Evidence) -> Iterator[tuple[float, float]]:  # fmt: skip
    """(budget, regret of the recommended architecture) over one draw's recorded curves."""
    model = predictor._fitted.model
    names, rungs = model.names, model.channels.epochs
    truth, scale = bench.truth(task, names)
    curves = bench.curves[task]
    curves = curves[curves["seed"] == sorted(curves["seed"].unique())[draw]]
    table = {
        (row.architecture, row.epoch): Record(
            row.architecture, 0, row.epoch, row.validation_accuracy, row.validation_loss
        )
        for row in curves[curves["architecture"].isin(names)].itertuples()
    }
    rng = np.random.default_rng([draw, task_seed(0, task)])
    reached, spent, records = np.zeros(len(names), dtype=int), 0, []
    steps = np.diff([0, *rungs])
    at = {budget: None for budget in BUDGETS}
    posterior = predictor.posterior(start)
    while True:
        chosen = int(posterior.mean(of="score").argmax())
        open_ = reached < len(rungs)
        cost = steps[np.minimum(reached, len(rungs) - 1)]
        pick = STRATEGIES[strategy](posterior, open_, cost, rng) if open_.any() else -1
        after = spent + (cost[pick] if pick >= 0 else np.inf)
        for budget in BUDGETS:
            if at[budget] is None and after > budget * FULL + 1e-9:
                at[budget] = float(scale.regret(truth[chosen]))
        if all(value is not None for value in at.values()):
            yield from at.items()
            return
        records.append(table[names[pick], rungs[reached[pick]]])
        reached[pick] += 1
        spent = after
        posterior = predictor.posterior(start.with_curves(records))


def searches(bench: Bench, split: str, predictor: PerformancePredictor) -> Iterator[dict]:
    """One row per held-out task, method, draw and budget."""
    train, held_out = bench.split(split)
    names = predictor._fitted.model.names
    static = make_predictor("static", real_weight=16.0).fit(train.shared())
    prior = static.predict()
    ratio = dict(zip(names, prior.log_ratio([train.points()[n] for n in names]), strict=True))
    for task in held_out:
        truth, scale = bench.truth(task, names)
        if not scale.discriminating:
            continue
        curves = bench.curves[task]
        curves = curves[curves["architecture"].isin(names)]
        about = {"task": task}
        recorded = RecordedCurves.from_frame(curves, max_epochs=FULL, min_gap=MIN_GAP)
        rows = replay(
            recorded, ratio, budgets=[b for b in BUDGETS if b >= 1], seed=task_seed(0, task)
        )
        for budget, regret in rows.groupby("budget")["regret"].mean().items():
            yield about | {"method": "Hyperband, static", "budget": budget, "regret": regret}
        first = float(scale.regret(truth[np.argmax([ratio[n] for n in names])]))
        last = curves[curves["epoch"] == FULL].pivot(
            index="architecture", columns="seed", values="validation_accuracy"
        )
        best = scale.regret(truth[last.loc[names].to_numpy().argmax(axis=0)]).mean()
        rows_n = int(bench.about["n_validation"][task])
        for budget in BUDGETS:
            yield about | {"method": "static's first choice", "budget": budget, "regret": first}
            yield about | {"method": "all 32 trained", "budget": budget, "regret": float(best)}
        for strategy in STRATEGIES:
            for draw in range(DRAWS):
                start = Evidence(n_validation=rows_n)
                for budget, regret in search(bench, predictor, task, draw, strategy, start):
                    yield about | {"method": strategy, "budget": budget, "regret": regret}


# Report -----------------------------------------------------------------------------------------


def interval(bench: Bench, values: pd.Series) -> str:
    """The mean over tasks and its interval over families."""
    low, high = bootstrap_interval(
        values.to_numpy(), families=list(bench.about["family"].loc[values.index])
    )
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def information_table(bench: Bench, rows: pd.DataFrame) -> str:
    """A set of groups a line; the last columns against the same with profiles of other tasks."""
    numbers = [c for c in rows if c not in ("task", "evidence", "shuffle")]
    lines = []
    for name in SETS:
        own = rows[(rows["evidence"] == name) & (rows["shuffle"] < 0)].set_index("task")[numbers]
        other = rows[(rows["evidence"] == name) & (rows["shuffle"] >= 0)]
        other = other.groupby("task")[numbers].mean()
        line = {"evidence": name, "CRPS": interval(bench, own["CRPS"])}
        line |= {n: float(own[n].mean()) for n in numbers if n not in ("CRPS", "tau", "regret")}
        line |= {n: interval(bench, own[n]) for n in ("tau", "regret")}
        for n in ("CRPS", "tau", "regret"):
            line[f"{n} − shuffled"] = "–"
            if len(other):
                a, b = own[n], other[n].loc[own.index]
                p = wilcoxon(a, b, families=list(bench.about["family"].loc[own.index]))
                line[f"{n} − shuffled"] = f"{(a - b).mean():+.3f} (p = {p:.2g})"
        lines.append(line)
    return markdown(lines)


def search_table(bench: Bench, rows: pd.DataFrame) -> str:
    """A method a line, a budget a column."""
    lines = []
    for method in dict.fromkeys(rows["method"]):
        line = {"method": method}
        for budget in BUDGETS:
            part = rows[(rows["method"] == method) & (rows["budget"] == budget)]
            values = part.groupby("task")["regret"].mean()
            line[f"{budget:g}"] = interval(bench, values) if len(values) else "–"
        lines.append(line)
    return markdown(lines)


def against_hyperband(bench: Bench, rows: pd.DataFrame, method: str) -> str:
    """A method's regret minus Hyperband's, a budget a line."""
    wide = rows.groupby(["method", "budget", "task"])["regret"].mean()
    lines = []
    for budget in BUDGETS[2:]:
        a, b = wide[method, budget], wide["Hyperband, static", budget]
        b = b.loc[a.index]
        p = wilcoxon(a, b, families=list(bench.about["family"].loc[a.index]))
        lines.append(
            {"budget": f"{budget:g}", "regret − Hyperband's": interval(bench, a - b), "p": p}
        )
    for line, adjusted in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p"], line["p (Holm)"] = f"{line['p']:.2g}", f"{adjusted:.2g}"
    return markdown(lines)


def large(bench: Bench, rows: pd.DataFrame) -> pd.DataFrame:
    """Those of tasks with 1,500 training rows and 500 test rows, or more."""
    enough = (bench.about["n_train"] >= 1500) & (bench.about["n_test"] >= 500)
    return rows[rows["task"].map(enough)]


def measure(bench: Bench, split: str, synthetic: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of one split, kept in the cache."""
    code = fingerprint(
        source_fingerprint("infoprior.predictors"),
        Path(__file__).read_bytes().hex(),
        split,
        synthetic,
    )
    files = [CACHE / f"{split}-{code}-{what}.parquet" for what in ("information", "search")]
    if missing := [file for file in files if not file.exists()]:
        predictor = PerformancePredictor().fit(bench.split(split)[0], progress=False)
        CACHE.mkdir(parents=True, exist_ok=True)
        for file, rows in zip(files, (information, searches), strict=True):
            if file in missing:
                pd.DataFrame(rows(bench, split, predictor)).to_parquet(file)
                print(split, file.name, flush=True)
    information_rows, search_rows = (pd.read_parquet(file) for file in files)
    return information_rows, search_rows


def report(bench: Bench, part: str, synthetic: int) -> str:
    """The tables of the folds, or of the test families."""
    splits = [s for s in bench.splits if (s == "test") == (part == "test")]
    both = [measure(bench, split, synthetic) for split in splits]
    info, search_rows = (pd.concat([pair[i] for pair in both], ignore_index=True) for i in (0, 1))
    n = info["task"].nunique()
    families = bench.about["family"].loc[info["task"].unique()].nunique()
    big = large(bench, search_rows)
    best = min(
        STRATEGIES,
        key=lambda s: search_rows[
            (search_rows["method"] == s) & search_rows["budget"].isin((2.0, 4.0))
        ]["regret"].mean(),
    )
    where = "Folds (to choose on)" if part == "folds" else "Test families"
    return "\n\n".join([
        f"## {where}: {n} tasks of {families} families",
        "### Information",
        information_table(bench, info),
        f"Tasks with 1,500 training and 500 test rows and more "
        f"({large(bench, info)['task'].nunique()}):",
        information_table(bench, large(bench, info)),
        "### Search: regret by budget in full trainings",
        search_table(bench, search_rows),
        f"The large tasks ({big['task'].nunique()}):",
        search_table(bench, big),
        f"{best}, against Hyperband under the static prior at equal budget:",
        against_hyperband(bench, search_rows, best),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=("folds", "test"), default="folds")
    parser.add_argument("--synthetic", type=int, default=250, help="tasks to learn from")
    parser.add_argument("--measure", nargs="*", default=(), help="only fill the cache, of splits")
    arguments = parser.parse_args()
    bench = Bench(arguments.synthetic)
    for split in arguments.measure:
        measure(bench, split, arguments.synthetic)
    if arguments.measure:
        return
    text = report(bench, arguments.part, arguments.synthetic)
    head = "# One posterior from whatever is known\n\n" + str(__doc__).split("\n\n", 2)[2].strip()
    before = OUT.read_text() if OUT.exists() and arguments.part == "test" else head + "\n"
    before = before.split("\n## Test families")[0].rstrip()
    write(OUT, f"{before}\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
