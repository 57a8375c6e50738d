"""Kinds of performance predictor side by side, on the same states of evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

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


def rescaled(fold: Fold) -> Answer:
    """The linear-Gaussian with wider or narrower intervals.

    Times a factor that depends on how much has been trained and on whether there is a profile,
    under which real training tasks that it was not fitted on are likeliest.
    """
    episodes = data.training_episodes(fold, np.random.default_rng(0), PER_TASK)
    episodes = episodes.take(np.flatnonzero(fold.real[episodes.task]))
    truth, noise, _ = fold.targets(episodes)
    mean, variance = fold.linear(episodes)
    off, variance, about = truth - mean[..., 0], variance[..., 0], _amounts(episodes)

    def badness(x: np.ndarray) -> float:
        wide = variance * np.exp(about @ x)[:, None] + noise
        return float(np.nanmean(np.log(wide) + off**2 / wide))

    x = minimize(badness, np.zeros(about.shape[1]), method="Nelder-Mead").x
    answer = linear(fold)

    def answer_wider(asked: Episodes) -> Prediction:
        answered = answer(asked)
        factor = np.exp(0.5 * _amounts(asked) @ x)
        return replace(answered, spread=answered.spread * factor[:, None])

    return answer_wider


def _amounts(episodes: Episodes) -> np.ndarray:
    trained = np.log1p(np.append(0, data.RUNG_EPOCHS)[episodes.prefix].sum(1) / 27.0)
    profile, curves = (episodes.profile > 0) * 1.0, (trained > 0) * 1.0
    return np.stack([1.0 - curves, profile * (1.0 - curves), curves, trained], axis=1)


KINDS: dict[str, Callable[[Fold], Answer]] = {
    LINEAR: linear,
    "its intervals rescaled": rescaled,
    "in-context network that corrects it": network(3, steps=250),
    "the same without attention": network(3, attention=False, steps=250),
    "deep-kernel multi-task Gaussian process": deep_kernel,
    "Gaussian process over tasks": task_process,
    "in-context network": network(1, residual=False, steps=600),
    "in-context network, trained on simulated tasks first": network(
        1, True, residual=False, steps=300, rate=1e-3
    ),
}


def measure(bench: Bench, split: str, names: list[str]) -> pd.DataFrame:
    """Rows of one split: kind, level, task, order; kept in the cache, kind by kind."""
    here = Path(__file__).parent
    code = fingerprint(
        source_fingerprint("infoprior.predictors"), bench.meta.digest, split,
        *((here / f"_kinds_{part}.py").read_text() for part in ("data", "gaussian", "judge")),
    )  # fmt: skip
    own = {
        "Gaussian process over tasks": "task_process",
        "deep-kernel multi-task Gaussian process": "deep_kernel",
    }
    frames, fold, levels = [], None, {}
    for name in names:
        module = own.get(name, "network")
        plain = KINDS[name] in (linear, rescaled)
        text = "" if plain else (here / f"_kinds_{module}.py").read_text()
        stem = "".join(c if c.isalnum() else "-" for c in name)
        file = data.CACHE / f"{bench.space}-{split}-{stem}-{fingerprint(code, text)}.parquet"
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
    """Tables of the linear-Gaussian, and of what others are over it."""
    means = rows.groupby(["kind", "level", "task"], sort=False).mean(numeric_only=True)
    kinds, levels = list(dict.fromkeys(rows["kind"])), list(dict.fromkeys(rows["level"]))
    text = []
    for metric in ("CRPS", "error", "80 %", "tau", "regret"):
        lines = []
        tests: list[tuple[dict, str, float]] = []
        for level in levels:
            base = means.loc[LINEAR, level][metric]
            line = {"evidence": level, LINEAR: interval(bench, base)}
            for kind in kinds:
                if kind == LINEAR:
                    continue
                other = means.loc[kind, level][metric].loc[base.index]
                line[kind] = interval(bench, other - base, "+")
                families = list(bench.about["family"].loc[base.index])
                tests.append((line, kind, wilcoxon(other, base, families=families)))
            lines.append(line)
        for (line, kind, _), p in zip(tests, holm([p for *_, p in tests]), strict=True):
            if metric != "80 %":
                line[kind] += f", p {p:.2g}"
        title = {"CRPS": "CRPS, points", "error": "Mean absolute error, points",
                 "80 %": "Coverage of 80 % intervals, per cent"}.get(metric, metric)  # fmt: skip
        text.append(f"### {title}\n\n{markdown(lines)}")
    return "\n\n".join(text)
