"""Optuna studies of a posterior over recorded curves, beside Hyperband under the static prior.

    python benchmarks/search/posterior_studies.py [--measure METHOD ...] [--every 5] [--cached]

Held-out real tasks of the folds of the stage `predictors`, space `mlp`; predictors learn from the
other families. Every study is `hyperband_study` from 1 to 27 epochs; a trial reports the recorded
validation accuracies (and losses) of its architecture, another recorded training each time that a
network of it begins anew. The base sampler draws recorded architectures, each once, in proportion
to the static prior. Costs are epochs, each paid for once. Regret is that of the architecture that
`recommend` names, of Hyperband that of the best validation accuracy at the highest rung: 0 the
best recorded one, 1 the median one. Means over tasks, intervals over families. What the guard
does was chosen on folds 0 to 2. After a first look at folds 3 and 4 one number was changed, by more
shuffles on folds 0 to 2: from how many results on these alone decide (3, before 1).

- Hyperband: promotions by raw results; "seeds": the mean of 6 studies a task, up to 16 trainings.
- posterior: `PosteriorPromotion`, the first trial a full training of the predictor's first choice;
  "no first": without that; "Thompson": joint draws in place of expected improvement;
  "unguarded": adaptive=False.
- shuffled: the same with predictors that were fitted on tasks whose architectures' names were
  shuffled, in each task otherwise ("each", on real tasks only) or in all tasks alike ("all"): 10
  shuffles, each on every fifth task, so that a task has two of them.

Writes benchmarks/results/search/posterior_studies.csv and .md.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, ROOT, markdown, threads, write, write_csv

threads(1)

import numpy as np  # noqa: E402
import optuna  # noqa: E402
import pandas as pd  # noqa: E402
from optuna.samplers import RandomSampler  # noqa: E402

from benchmarks.predictors._posterior_data import FULL, MIN_GAP, Bench  # noqa: E402
from benchmarks.predictors._posterior_report import interval, large  # noqa: E402
from infoprior.evaluation import (  # noqa: E402
    RecordedCurves,
    bootstrap_interval,
    holm,
    replay,
    task_seed,
    wilcoxon,
)
from infoprior.fingerprints import fingerprint, source_fingerprint  # noqa: E402
from infoprior.metadataset import MetaDataset  # noqa: E402
from infoprior.predictors import (  # noqa: E402
    Evidence,
    PerformancePredictor,
    PosteriorPromotion,
    make_predictor,
    recommend,
)
from infoprior.predictors._search.networks import LOSSES  # noqa: E402
from infoprior.predictors._search.trust import renamed  # noqa: E402
from infoprior.priors import hyperband_study, resumed_from  # noqa: E402
from infoprior.priors._trial import RUNG  # noqa: E402

CACHE = ROOT / "benchmarks" / "cache" / "posterior_studies"
OUT = RESULTS / "search" / "posterior_studies"
BUDGETS = (1, 2, 4, 8, 16, 32)
SHUFFLES = 10
SYNTHETIC = 250  # tasks to learn from
SETTINGS: dict[str, dict[str, Any]] = {
    "posterior": {},
    "posterior, no first": {"first_full": False},
    "posterior, Thompson": {"acquisition": "thompson"},
    "posterior, unguarded": {"adaptive": False},
    "shuffled, all": {},
    "shuffled, each": {},
}
SEEDS = "Hyperband, seeds"
BASE_SEEDS = 6
CHOSEN_ON = ("fold-0", "fold-1", "fold-2")
METHODS = ("Hyperband", SEEDS, *SETTINGS)


class RecordedPoints(RandomSampler):
    """Recorded architectures that no trial has had, in proportion to a prior; then any."""

    def __init__(self, points: list[dict[str, Any]], log_ratio: np.ndarray, seed: int) -> None:
        super().__init__(seed=seed)
        self.points, self.log_ratio, self.seed = points, log_ratio, seed
        self.picked: dict[str, Any] | None = None

    def sample_independent(self, study, trial, param_name, param_distribution):  # type: ignore
        if self.picked is None:
            had = [t.params for t in study.get_trials(deepcopy=False) if t.number != trial.number]
            new = np.array([point not in had for point in self.points])
            new = new if new.any() else np.ones(len(new), dtype=bool)
            noise = np.random.default_rng(self.seed).gumbel(size=len(new))
            self.picked = self.points[int(np.where(new, self.log_ratio + noise, -np.inf).argmax())]
        return self.picked[param_name]


def study_regret(
    bench: Bench, task: str, points: list[dict[str, Any]], names: list[str], static: np.ndarray,
    promotion: PosteriorPromotion | None, seed: int, most: float,
) -> Iterator[tuple[int, float]]:  # fmt: skip
    """(budget, regret) of one study over one task's recorded curves."""
    truth, scale = bench.truth(task, names)
    curves = bench.curves[task]
    table = {
        (row.architecture, row.seed, row.epoch): (row.validation_accuracy, row.validation_loss)
        for row in curves[curves["architecture"].isin(names)].itertuples()
    }
    seeds = {n: sorted({s for a, s, _ in table if a == n}) for n in names}
    study = hyperband_study(
        name=task, max_resource=FULL, direction="maximize", storage="memory", seed=seed,
        base_sampler=lambda s: RecordedPoints(points, static, s),
        promote=True if promotion is None else promotion,
    )  # fmt: skip
    place = {tuple(sorted(point.items())): i for i, point in enumerate(points)}
    training: dict[int, tuple[int, int]] = {}  # trial -> architecture, recorded training
    trained = dict.fromkeys(names, 0)
    rungs = sorted({epoch for *_, epoch in table})
    spent, best, budgets = 0, (-1, -1.0, 0), [b for b in BUDGETS if b <= most]

    def chosen() -> float:
        at = best[2]
        if promotion is not None:
            at = place[tuple(sorted(recommend(study).params.items()))]
        return float(scale.regret(truth[at]))

    while budgets:
        trial = study.ask()
        stop = trial.user_attrs[RUNG]
        params = bench.meta.space.suggest(trial)
        paused = resumed_from(trial)
        if paused is None:
            k = place[tuple(sorted(params.items()))]
            training[trial.number] = k, trained[names[k]]
            trained[names[k]] += 1
        else:
            training[trial.number] = training[paused.number]
        k, which = training[trial.number]
        before = 0 if paused is None else paused.step
        while budgets and spent + stop - before > budgets[0] * FULL:
            yield budgets.pop(0), chosen()
        seed_of = seeds[names[k]][which % len(seeds[names[k]])]
        losses = {}
        for rung, epoch in enumerate(rungs):
            if before < epoch <= stop:
                accuracy, loss = table[names[k], seed_of, epoch]
                losses[str(epoch)] = float(loss)
                trial.report(accuracy, step=epoch)
                best = max(best, (rung, accuracy, k), key=lambda b: b[:2])
        trial.set_user_attr(LOSSES, losses)
        spent += stop - before
        if stop == FULL:
            study.tell(trial, accuracy)
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        if trial.number > 600:  # all that there is has been trained over and over
            while budgets:
                yield budgets.pop(0), chosen()


def shuffled_each(meta: MetaDataset, seed: int) -> MetaDataset:
    """Each real task with its architectures' names shuffled."""
    meta = meta.subset(list(meta.tasks["task"][meta.tasks["kind"] == "real"]))
    rng, parts = np.random.default_rng(seed), []
    for _, curves in meta.curves.groupby("task", sort=False):
        names = np.array(sorted(curves["architecture"].unique()))
        other = dict(zip(names, rng.permutation(names), strict=True))
        parts.append(curves.assign(architecture=curves["architecture"].map(other)))
    return dataclasses.replace(meta, curves=pd.concat(parts, ignore_index=True))


def renamed_predictor(predictor: PerformancePredictor, seed: int) -> PerformancePredictor:
    """As fitted on tasks that all had their architectures' names shuffled in the same way."""
    fitted = predictor._fitted
    order = np.random.default_rng([1, seed]).permutation(len(fitted.model.points))
    other = PerformancePredictor(kind=predictor.kind)
    other._fitted = dataclasses.replace(fitted, model=renamed(fitted.model, order))
    return other


def predictors(bench: Bench, split: str, method: str) -> Iterator[PerformancePredictor]:
    """One, or one per shuffle; fitted ones are kept in the cache."""

    def fitted(name: str, meta: MetaDataset) -> PerformancePredictor:
        code = fingerprint(source_fingerprint("infoprior.predictors._performance"), split, name)
        folder = CACHE / "predictors" / code
        if not (folder / "performance.json").exists():
            PerformancePredictor().fit(meta, progress=False).save(folder)
        return PerformancePredictor.load(folder)

    train, _ = bench.split(split)
    if method.startswith("shuffled, each"):
        for k in range(SHUFFLES):
            yield fitted(f"each-{k}", shuffled_each(train, k))
    elif method == SEEDS:
        yield from [fitted("own", train)] * BASE_SEEDS
    elif method.startswith("shuffled, all"):
        own = fitted("own", train)
        yield from (renamed_predictor(own, k) for k in range(SHUFFLES))
    else:
        yield fitted("own", train)


def measure(
    bench: Bench, method: str, every: int, splits: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row per task, shuffle and budget; a split's rows are kept in the cache."""
    frames = []
    most = 16 if method.startswith("shuffled") or method == SEEDS else BUDGETS[-1]
    # Each shuffle on other tasks than the one before: many tasks tell more than many shuffles.
    for split in splits if splits is not None else [s for s in bench.splits if s != "test"]:
        file = CACHE / f"{method.replace(', ', '_').replace(' ', '-')}.{split}.{every}.csv"
        if not file.exists():
            rows = []
            train, held_out = bench.split(split)
            for shuffle, predictor in enumerate(predictors(bench, split, method)):
                points, names = train.points(), sorted(predictor._fitted.model.names)
                prior = make_predictor("static", real_weight=16.0).fit(train.shared()).predict()
                listed = [points[n] for n in names]
                static = np.asarray(prior.log_ratio(listed))
                for task in held_out[shuffle % every :: every]:
                    _, scale = bench.truth(task, names)
                    if not scale.discriminating:
                        continue
                    promotion = None
                    if method in SETTINGS:
                        known = Evidence(n_validation=int(bench.about["n_validation"][task]))
                        promotion = PosteriorPromotion(predictor, known, **SETTINGS[method])
                    about = {"method": method, "task": task, "shuffle": shuffle}
                    seed = task_seed(shuffle, task)
                    for budget, regret in study_regret(
                        bench, task, listed, names, static, promotion, seed, most
                    ):
                        rows.append({**about, "budget": budget, "regret": round(regret, 5)})
                    if method == "Hyperband":
                        rows += replayed(bench, task, names, static, about)
            write_csv(file, rows)
            print(method, split, len(rows), flush=True)
        frames.append(pd.read_csv(file))
    return pd.concat(frames, ignore_index=True)


def replayed(
    bench: Bench, task: str, names: list[str], static: np.ndarray, about: dict[str, Any]
) -> list[dict[str, Any]]:
    """Hyperband as the stage `hyperband` replays it: conservative brackets first, 30 seeds."""
    curves = bench.curves[task]
    recorded = RecordedCurves.from_frame(
        curves[curves["architecture"].isin(names)], max_epochs=FULL, min_gap=MIN_GAP
    )
    ratio = dict(zip(names, static, strict=True))
    rows = replay(recorded, ratio, budgets=BUDGETS, seed=task_seed(0, task))
    return [
        {**about, "method": "Hyperband, replayed", "budget": int(budget), "regret": round(r, 5)}
        for budget, r in rows.groupby("budget")["regret"].mean().items()
    ]


def common(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of tasks that all methods have been measured on."""
    had = rows.groupby("task")["method"].nunique()
    return rows[rows["task"].map(had) == rows["method"].nunique()]


def table(bench: Bench, rows: pd.DataFrame) -> str:
    """A method a line, a budget a column: means over tasks, intervals over families."""
    lines = []
    for method in dict.fromkeys(rows["method"]):
        line = {"method": method}
        for budget in BUDGETS:
            part = rows[(rows["method"] == method) & (rows["budget"] == budget)]
            values = part.groupby("task")["regret"].mean()
            line[str(budget)] = interval(bench, values) if len(values) else "–"
        lines.append(line)
    return markdown(lines)


def against(bench: Bench, rows: pd.DataFrame, method: str, base: str) -> str:
    """A method's regret minus another's, a budget a line."""
    wide = rows.groupby(["method", "budget", "task"])["regret"].mean()
    lines = []
    for budget in [b for b in BUDGETS if (base, b) in wide.index.droplevel("task")]:
        a, b = wide[method, budget], wide[base, budget]
        b = b.loc[a.index]
        p = wilcoxon(a, b, families=list(bench.about["family"].loc[a.index]))
        lines.append({"budget": budget, f"regret − {base}'s": interval(bench, a - b), "p": p})
    for line, adjusted in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p"], line["p (Holm)"] = f"{line['p']:.2g}", f"{adjusted:.2g}"
    return markdown(lines)


def ratios(bench: Bench, rows: pd.DataFrame, base: str) -> str:
    """Mean regret of misleading predictors over the base's on the same tasks, and its interval.

    The interval is that of the difference, over the base's mean.
    """
    lines = []
    of_base = rows[rows["method"] == base].groupby(["task", "budget"])["regret"].mean()
    for method in [m for m in dict.fromkeys(rows["method"]) if m.startswith("shuffled")]:
        part = rows[rows["method"] == method]
        line = {"method": method}
        for budget in [b for b in BUDGETS if b <= 16]:
            mine = part[part["budget"] == budget].groupby("task")["regret"].mean()
            theirs = of_base.xs(budget, level="budget").loc[mine.index]
            low, high = bootstrap_interval(
                (mine - theirs).to_numpy(), families=list(bench.about["family"].loc[mine.index])
            )
            mean = theirs.mean()
            line[str(budget)] = (
                f"{mine.mean() / mean:.2f} [{1.0 + low / mean:.2f}, {1.0 + high / mean:.2f}]"
            )
        lines.append(line)
    return markdown(lines)


def sections(bench: Bench, rows: pd.DataFrame) -> list[str]:
    """What was measured, as far as it was: regrets, and what misleading predictors cost."""
    misled = rows["method"].str.startswith("shuffled")
    plain, parts = common(rows[~misled]), []
    if len(plain):
        big = large(bench, plain)
        parts = [
            f"### Regret by budget in full trainings: {plain['task'].nunique()} tasks",
            table(bench, plain),
            f"Tasks with 1,500 training and 500 test rows and more ({big['task'].nunique()}):",
            table(bench, big),
        ]  # fmt: skip
        measured = set(plain["method"])
        for base in (SEEDS, "Hyperband", "Hyperband, replayed"):
            if {"posterior", base} <= measured:
                parts.append(against(bench, plain, "posterior", base))
    on = rows[misled]["task"].unique()
    few = common(rows[rows["task"].isin(on) & (misled | (rows["method"] == SEEDS))])
    if len(few) and SEEDS in set(few["method"]):
        parts += [
            f"### Misleading predictors: {few['task'].nunique()} tasks",
            table(bench, few[few["budget"] <= 16]),
            "Mean regret over Hyperband's (of its seeds) on the same tasks:",
            ratios(bench, few, SEEDS),
        ]  # fmt: skip
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measure", nargs="*", default=(), help="only fill the cache, of methods")
    parser.add_argument("--splits", nargs="*", help="which to fill it for; else all folds")
    parser.add_argument("--cached", action="store_true", help="report what is in the cache")
    parser.add_argument("--every", type=int, default=5, help="task of each shuffle")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    bench = Bench("mlp", SYNTHETIC)
    CACHE.mkdir(parents=True, exist_ok=True)

    def every(method: str) -> int:
        return arguments.every if method.startswith("shuffled") else 1

    if arguments.measure:
        for method in arguments.measure:
            measure(bench, method, every(method), arguments.splits)
        return
    if arguments.cached:
        parts = [pd.read_csv(file) for file in sorted(CACHE.glob("*.csv"))]
    else:
        parts = [measure(bench, m, every(m)) for m in METHODS]
    rows = pd.concat(parts, ignore_index=True)
    write_csv(OUT.with_suffix(".csv"), rows.to_dict("records"))
    tried = {task for split in CHOSEN_ON for task in bench.split(split)[1]}
    of = rows["task"].isin(tried)
    text = "\n\n".join([
        "# A posterior in Optuna studies",
        str(__doc__).split("\n\n", 2)[2].strip(),
        "## Folds 3 and 4, held out from the choice", *sections(bench, rows[~of]),
        "## Folds 0 to 2", *sections(bench, rows[of]),
    ])  # fmt: skip
    write(OUT.with_suffix(".md"), text + "\n")
    print(text)


if __name__ == "__main__":
    main()
