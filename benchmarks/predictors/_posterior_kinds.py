"""Kinds of performance predictor side by side, on the same states of evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._common import markdown
from benchmarks.predictors import _kinds_data as data
from benchmarks.predictors._kinds_data import Episodes, Fold
from benchmarks.predictors._kinds_judge import Prediction, judge
from benchmarks.predictors._posterior_data import Bench
from benchmarks.predictors._posterior_report import interval
from infoprior.evaluation import holm, wilcoxon
from infoprior.fingerprints import fingerprint, source_fingerprint

LINEAR = "linear-gaussian"
PER_TASK = 6
METRICS = {
    "CRPS": "CRPS, points", "error": "Mean absolute error, points",
    "80 %": "Coverage of 80 % intervals, per cent", "tau": "Kendall's tau", "regret": "Regret",
}  # fmt: skip
Answer = Callable[[Episodes], Prediction]


def _gaussian(fold: Fold, state: tuple) -> Answer:
    model, mean, spread = state
    gaussian = fold.gaussian(model)

    def answer(episodes: Episodes) -> Prediction:
        centre, variance = fold.answers(gaussian, mean, spread, episodes)
        return Prediction(centre[..., 0], np.sqrt(variance[..., 0]), centre[..., 1])

    return answer


def linear(fold: Fold) -> Answer:
    return _gaussian(fold, (fold.outer._fitted.model, fold.factor_mean, fold.factor_spread))


def task_process(fold: Fold) -> Answer:
    from benchmarks.predictors._kinds_task_process import fit_task_process

    return _gaussian(fold, fit_task_process(fold))


def deep_kernel(fold: Fold) -> Answer:
    from benchmarks.predictors._kinds_deep_kernel import fit_deep_kernel

    return _gaussian(fold, fit_deep_kernel(fold, fold.trained))


def network(members: int, pretrained: bool = False, **settings: object) -> Callable[[Fold], Answer]:
    """An in-context network: fields of `NetworkKind`."""

    def fit(fold: Fold) -> Answer:
        from benchmarks.predictors import _kinds_network as networks

        kind = networks.NetworkKind(**settings)
        episodes = data.training_episodes(fold, np.random.default_rng(0), PER_TASK)
        start = None
        if pretrained:
            made = networks.simulated(fold, np.random.default_rng(1))
            some = data.training_episodes(made, np.random.default_rng(2), PER_TASK)
            longer = replace(kind, steps=2 * kind.steps, real_weight=2.0)
            start = networks.train(made, longer, some, 0, 0).state_dict()
        nets = [networks.train(fold, kind, episodes, i, i, start) for i in range(members)]
        return lambda asked: networks.predict(fold, kind, nets, asked)

    return fit


def rescaled(apart: bool) -> Callable[[Fold], Answer]:
    """The linear-Gaussian with other intervals; see `_kinds_rescaled`."""

    def fit(fold: Fold) -> Answer:
        from benchmarks.predictors._kinds_rescaled import fit_scale, rescale

        answer, coefficients = linear(fold), fit_scale(fold, apart)
        return lambda asked: rescale(asked, answer(asked), coefficients, apart)

    return fit


KINDS: dict[str, Callable[[Fold], Answer]] = {
    LINEAR: linear,
    "its intervals rescaled": rescaled(False),
    "its intervals rescaled by task": rescaled(True),
    "in-context network that corrects it": network(3, steps=250),
    "the same without attention": network(3, attention=False, steps=250),
    "deep-kernel multi-task Gaussian process": deep_kernel,
    "Gaussian process over tasks": task_process,
    "in-context network": network(1, residual=False, steps=600),
    "in-context network, five times as many steps": network(1, residual=False, steps=3000),
    "in-context network, trained on simulated tasks first": network(
        1, True, residual=False, steps=300, rate=1e-3
    ),
}


def measure(bench: Bench, split: str, names: list[str], *, cached: bool = False) -> pd.DataFrame:
    """Rows of one split: kind, level, task, order; kept in the cache, kind by kind.

    With `cached`, what the cache lacks is left out.
    """
    here = Path(__file__).parent
    code = fingerprint(
        source_fingerprint("infoprior.predictors"), bench.meta.digest, split,
        *((here / f"_kinds_{part}.py").read_text() for part in ("data", "gaussian", "judge")),
    )  # fmt: skip
    own = {
        "its intervals rescaled": "rescaled",
        "its intervals rescaled by task": "rescaled",
        "Gaussian process over tasks": "task_process",
        "deep-kernel multi-task Gaussian process": "deep_kernel",
    }
    frames, fold, levels = [], None, {}
    for name in names:
        module = own.get(name, "network")
        text = "" if name == LINEAR else (here / f"_kinds_{module}.py").read_text()
        stem = "".join(c if c.isalnum() else "-" for c in name)
        file = data.CACHE / f"{bench.space}-{split}-{stem}-{fingerprint(code, text)}.parquet"
        if cached and not file.exists():
            continue
        if not file.exists():
            if fold is None:
                fold = Fold(bench, split)
                levels = data.levels(fold)
            answer = KINDS[name](fold)
            rows = pd.concat([
                judge(fold, episodes, answer(episodes)).assign(level=level)
                for level, episodes in levels.items()
            ])  # fmt: skip
            rows.assign(kind=name, split=split).to_parquet(file)
            print(file.name, flush=True)
        frames.append(pd.read_parquet(file))
    return pd.concat(frames, ignore_index=True)


def report(bench: Bench, rows: pd.DataFrame) -> str:
    """Tables of the linear-Gaussian, and of what others are over it on the same tasks."""
    means = rows.groupby(["kind", "level", "task"], sort=False).mean(numeric_only=True)
    levels = list(dict.fromkeys(rows["level"]))
    others = [kind for kind in KINDS if kind != LINEAR and kind in set(rows["kind"])]
    tasks = {kind: rows.loc[rows["kind"] == kind, "task"].nunique() for kind in KINDS}
    text = []
    for metric, title in METRICS.items():
        lines = []
        tests: list[tuple[dict, str, float]] = []
        for level in levels:
            base = means.loc[LINEAR, level][metric]
            line = {"evidence": level, LINEAR: interval(bench, base)}
            for kind in others:
                other = means.loc[kind, level][metric]
                same = base.loc[other.index]
                column = f"{kind}, {tasks[kind]} tasks"
                line[column] = interval(bench, other - same, "+")
                families = list(bench.about["family"].loc[same.index])
                p = wilcoxon(other, same, families=families) if (other != same).any() else 1.0
                tests.append((line, column, p))
            lines.append(line)
        for (line, column, _), p in zip(tests, holm([p for *_, p in tests]), strict=True):
            if metric != "80 %":
                line[column] += f", p {p:.2g}"
        text.append(f"### {title}\n\n{markdown(lines)}")
    return "\n\n".join(text)
