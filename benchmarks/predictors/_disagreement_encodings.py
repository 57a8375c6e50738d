"""Which encoding of inputs is best on a task: what was measured, and what an oracle would gain."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS
from benchmarks.metadataset import _encodings as measured
from benchmarks.predictors._disagreement_data import Scores
from benchmarks.predictors._disagreement_sets import Judge
from benchmarks.predictors._disagreement_spaces import static_scores
from infoprior import load_metadataset
from infoprior.evaluation import bootstrap_interval
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset

FILE = RESULTS / "predictors" / "disagreement_encodings.csv"
"""Rows of test families, as those of benchmarks/metadataset/encodings.csv."""

DRAWS = 4
ENCODINGS = measured.ENCODINGS


def measure() -> None:
    """Train what is missing on real tasks of families that the generator was not fitted to."""
    tasks = load_metadataset("tabular").tasks
    real = tasks[(tasks["kind"] == "real") & ~tasks["family"].isin(FITTED_FAMILIES)]
    measured.gather(real.sort_values("n_train")["task"], draws=DRAWS, path=FILE)


def paired_gains(known: Collection[str]) -> dict[str, np.ndarray]:
    """Task -> points of test accuracy over the mean of its encodings, (draws, encodings)."""
    frames = [measured.table(path) for path in (measured.FILE, FILE) if path.exists()]
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[frame["task"].isin(known)]
    columns = [f"test {name}" for name in ENCODINGS]
    by_draw = 100.0 * frame.groupby(["task", "draw"])[columns].mean()
    centred = by_draw.sub(by_draw.mean(axis=1), axis=0)
    return {str(t): g.to_numpy() for t, g in centred.groupby(level="task")}


def design_gains(meta: MetaDataset, scores: Scores) -> np.ndarray:
    """Task by task what encodings do beyond their usual effect, from the shared architectures.

    Points of the design differ in more than their encoding. What they usually reach, on the other
    families' tasks, is taken away first, and with it every encoding's mean effect: means by
    encoding of what is left, (tasks, encodings), in points.
    """
    points = meta.points()
    kinds = np.array([points[p]["inputs"] for p in scores.points])
    y = scores.mean - scores.mean.mean(axis=1, keepdims=True)
    families = np.unique(scores.tasks["family"], return_inverse=True)[1]
    rest = y - static_scores(y, families, 1.0 / np.bincount(families)[families])
    gains = np.stack([rest[:, kinds == e].mean(axis=1) for e in ENCODINGS], axis=1)
    return np.asarray(gains - gains.mean(axis=1, keepdims=True))


def targets(
    meta: MetaDataset, scores: Scores, paired: dict[str, np.ndarray], most: float = 5.0
) -> tuple[np.ndarray, pd.DataFrame]:
    """What models learn: gains as measured where they were, of others from shared architectures.

    Those get the mean effect of each encoding on the measured tasks of their kind.

    Returns:
        (tasks, encodings), clipped to `most` points; and the tasks.
    """
    kinds, known = scores.tasks["kind"], scores.tasks["task"].isin(paired)
    gains = design_gains(meta, scores)
    for i, task in enumerate(scores.tasks["task"]):
        if task in paired:
            gains[i] = paired[task].mean(axis=0)
    synthetic = (kinds != "real").to_numpy()
    usual = gains[synthetic & known].mean(axis=0) if (synthetic & known).any() else 0.0
    gains[synthetic & ~known] += usual
    kept = np.flatnonzero(known | synthetic)
    return np.clip(gains[kept], -most, most), scores.tasks.iloc[kept].reset_index(drop=True)


def judge(paired: dict[str, np.ndarray], tasks: pd.DataFrame) -> Judge:
    """Spearman's correlation with the measured gains, and points of the best over `standard`."""
    from scipy.stats import spearmanr

    names = list(tasks["task"])
    first = ENCODINGS.index("standard")

    def one(number: int, predicted: np.ndarray) -> dict[str, float]:
        gains = paired[names[number]].mean(axis=0)
        flat = np.ptp(gains) == 0 or np.ptp(predicted) == 0
        correlation = 0.0 if flat else float(spearmanr(predicted, gains).statistic)
        over = float(gains[int(predicted.argmax())] - gains[first])
        return {"correlation": correlation, "points over standard": over}

    return one


def oracle(paired: dict[str, np.ndarray], about: pd.DataFrame) -> list[dict[str, Any]]:
    """What knowing a task's best encoding is worth, chosen on draws and paid on others.

    "noisy" is chosen and paid on the same draws: chance is part of it.
    """
    info = about.set_index("task")
    rows = []
    for title, fitted in (("fitted families", True), ("test families", False)):
        some = [
            t for t in paired
            if info.loc[t, "kind"] == "real" and len(paired[t]) > 1
            and (info.loc[t, "family"] in FITTED_FAMILIES) == fitted
        ]  # fmt: skip
        if not some:
            continue
        values: dict[str, list[float]] = {"noisy": [], "cross": [], "static": [], "agree": []}
        usual = np.mean([paired[t].mean(axis=0) for t in some], axis=0)
        for t in some:
            g = paired[t]
            values["noisy"].append(np.ptp(np.array([g.mean(0)[0], g.mean(0).max()])))
            pays = []
            for d in range(len(g)):
                rest = np.delete(g, d, axis=0).mean(axis=0)
                pays.append(g[d][rest.argmax()] - g[d][0])
            values["cross"].append(float(np.mean(pays)))
            values["static"].append(float(g.mean(0)[usual.argmax()] - g.mean(0)[0]))
            correlations = pd.DataFrame(g.T).corr(method="spearman").to_numpy()
            values["agree"].append(float(np.nanmean(correlations[np.triu_indices(len(g), 1)])))
        families = [info.loc[t, "family"] for t in some]

        def shown(name: str, values: Any = values, families: Any = families) -> str:
            v = np.array(values[name])
            v = np.where(np.isfinite(v), v, 0.0)
            low, high = bootstrap_interval(v, families=families)
            return f"{v.mean():.2f} [{low:.2f}, {high:.2f}]"

        rows.append({
            "tasks": f"{title} ({len(some)})",
            "oracle, points over standard": shown("cross"),
            "the same, noisy": shown("noisy"),
            "best on average": shown("static"),
            "draws agree (Spearman)": shown("agree"),
        })  # fmt: skip
    return rows
