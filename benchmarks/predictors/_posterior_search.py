"""Searches over recorded curves that a posterior decides, and Hyperband beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.predictors._posterior_data import FULL, MIN_GAP, Bench
from infoprior.evaluation import RecordedCurves, replay, task_seed
from infoprior.predictors import Evidence, PerformancePredictor, Posterior, make_predictor
from infoprior.predictors._evidence import Record

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
DRAWS = 1
HYPERBAND, STATIC, EVERYTHING = "Hyperband, static", "static's first choice", "all trained"
Choice = Callable[[Posterior], np.ndarray]


def upper_bound(posterior: Posterior) -> np.ndarray:
    """Mean plus a standard deviation."""
    return np.asarray(posterior.mean(of="score") + posterior.std(of="score"))


METHODS: dict[str, tuple[Choice, tuple[str, ...]]] = {
    "upper bound": (upper_bound, ()),
    "upper bound, after reading": (upper_bound, ("metafeatures", "inputs")),
}
"""Which architecture to train on: that of the highest value; and what is read of a task first."""


def search(
    bench: Bench, predictor: PerformancePredictor, task: str, draw: int, method: str
) -> Iterator[tuple[float, float]]:
    """(budget, regret of the recommended architecture) over one draw's recorded curves."""
    choice, groups = METHODS[method]
    groups = tuple(g for g in groups if g in predictor._fitted.standardizers)
    model = predictor._fitted.model
    names, rungs = model.names, model.channels.epochs
    truth, scale = bench.truth(task, names)
    table = records_of(bench, task, draw)
    start = Evidence(
        bench.meta.profile(task) if groups else None,
        n_validation=int(bench.about["n_validation"][task]),
    )
    reached, spent, records = np.zeros(len(names), dtype=int), bench.cost(groups) * FULL, []
    steps = np.diff([0, *rungs])
    chosen = int(predictor.posterior().mean(of="score").argmax())
    left = [b for b in BUDGETS if b * FULL >= spent - 1e-9]
    yield from ((b, float(scale.regret(truth[chosen]))) for b in BUDGETS if b not in left)
    while left:
        posterior = predictor.posterior(start.with_curves(records), inputs=groups or None)
        chosen = int(posterior.mean(of="score").argmax())
        open_ = reached < len(rungs)
        pick = int(np.where(open_, choice(posterior), -np.inf).argmax())
        after = spent + (steps[reached[pick]] if open_.any() else np.inf)
        while left and after > left[0] * FULL + 1e-9:
            yield left.pop(0), float(scale.regret(truth[chosen]))
        if left:
            records.append(table[names[pick], rungs[reached[pick]]])
            reached[pick] += 1
            spent = after


def records_of(bench: Bench, task: str, draw: int) -> dict[tuple[str, int], Record]:
    """(architecture, epoch) -> what a search sees of one draw."""
    curves = bench.curves[task]
    curves = curves[curves["seed"] == sorted(curves["seed"].unique())[draw]]
    evidence = Evidence(curves=curves)
    return {(str(record.architecture), record.epoch): record for record in evidence.records}


def searches(bench: Bench, split: str, predictor: PerformancePredictor) -> Iterator[dict]:
    """One row per held-out task, method, draw and budget."""
    train, _ = bench.split(split)
    names = predictor._fitted.model.names
    prior = make_predictor("static", real_weight=16.0).fit(train.shared()).predict()
    ratio = dict(zip(names, prior.log_ratio([train.points()[n] for n in names]), strict=True))
    for task in bench.discriminating(split, predictor):
        truth, scale = bench.truth(task, names)
        curves = bench.curves[task]
        curves = curves[curves["architecture"].isin(names)]
        about = {"task": task}
        recorded = RecordedCurves.from_frame(curves, max_epochs=FULL, min_gap=MIN_GAP)
        rows = replay(
            recorded, ratio, budgets=[b for b in BUDGETS if b >= 1], seed=task_seed(0, task)
        )
        for budget, regret in rows.groupby("budget")["regret"].mean().items():
            yield about | {"method": HYPERBAND, "budget": budget, "regret": regret}
        first = float(scale.regret(truth[np.argmax([ratio[n] for n in names])]))
        last = curves[curves["epoch"] == FULL].pivot(
            index="architecture", columns="seed", values="validation_accuracy"
        )
        best = scale.regret(truth[last.loc[names].to_numpy().argmax(axis=0)]).mean()
        for budget in BUDGETS:
            yield about | {"method": STATIC, "budget": budget, "regret": first}
        yield about | {"method": EVERYTHING, "budget": np.inf, "regret": float(best)}
        for method in METHODS:
            for draw in range(min(DRAWS, curves["seed"].nunique())):
                for budget, regret in search(bench, predictor, task, draw, method):
                    yield about | {"method": method, "budget": budget, "regret": regret}
