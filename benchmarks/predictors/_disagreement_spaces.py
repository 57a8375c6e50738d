"""How far data sets agree on a ranking of architectures, and what knowing them could be worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.predictors._disagreement_data import Scores
from infoprior.evaluation import bootstrap_interval

TEMPERATURES = (0.05, 0.1, 0.2, 0.4)
"""Of weights by similarity; the best of them is taken, on all tasks: it is a ceiling."""


def standardised(scores: np.ndarray) -> np.ndarray:
    """Along the last axis: mean 0, variance 1, at most three standard deviations."""
    centred = scores - scores.mean(axis=-1, keepdims=True)
    spread = centred.std(axis=-1, keepdims=True)
    return np.asarray(np.clip(centred / np.where(spread > 0, spread, 1.0), -3.0, 3.0))


def static_scores(y: np.ndarray, families: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each task, the weighted mean of the other families' scores; y is (tasks, points)."""
    apart = families[:, None] != families
    w = apart * weights
    return np.asarray(w @ y / w.sum(axis=1, keepdims=True))


def similar_scores(
    y: np.ndarray, shown: np.ndarray, families: np.ndarray, temperature: float
) -> np.ndarray:
    """The mean of the other families' scores, weighed by their correlation with what is shown."""
    a, b = standardised(shown), standardised(y)
    similarity = a @ b.T / y.shape[1]
    w = np.exp(similarity / temperature) * (families[:, None] != families)
    return np.asarray(w @ b / w.sum(axis=1, keepdims=True))


def taus(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of every task, (tasks,), as `kendall_tau`; 0 where all are alike."""
    first, second = np.triu_indices(truth.shape[1], 1)
    signs = [np.sign(x[:, first] - x[:, second]) for x in (predicted, truth)]
    untied = np.prod([(s != 0).sum(axis=1) for s in signs], axis=0, dtype=np.float64)
    agree = (signs[0] * signs[1]).sum(axis=1)
    return np.asarray(agree / np.sqrt(np.where(untied > 0, untied, 1.0)))


def lost(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Points that the architecture of the best prediction is behind the best one."""
    return np.asarray(truth.max(axis=1) - truth[np.arange(len(truth)), predicted.argmax(axis=1)])


def agreement(scores: Scores, families: np.ndarray) -> list[dict[str, Any]]:
    """Rows of a table: what predicts the test accuracies of a draw of a task's labels.

    The first draw is predicted, by nothing of the task, by its other draws, and by other families'
    tasks that resemble it in its other draws.
    """
    truth = scores.test[0]
    others = np.nanmean(scores.test[1:], axis=0)
    y = standardised(scores.mean)
    weights = 1.0 / np.bincount(families)[families]
    by_temperature = [similar_scores(y, others, families, t) for t in TEMPERATURES]
    predictions = {
        "static": static_scores(y, families, weights),
        "similar tasks' mean": max(
            by_temperature, key=lambda p: float(np.average(taus(p, truth), weights=weights))
        ),
        "the task's other draws": others,
    }
    rows = []
    for name, predicted in predictions.items():
        tau, behind = taus(predicted, truth), lost(predicted, truth)
        rows.append({
            "prediction": name,
            "tau": with_interval(tau, families),
            "first choice, points behind the best": with_interval(behind, families),
        })  # fmt: skip
    return rows


def with_interval(values: np.ndarray, families: np.ndarray, digits: int = 3) -> str:
    """Mean over tasks with its 95 % interval, families drawn as a whole."""
    low, high = bootstrap_interval(values, families=list(families))
    return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def parts_of_variance(
    scores: Scores, families: np.ndarray, encodings: np.ndarray | None
) -> dict[str, float]:
    """Shares of the variance of accuracies within a task, in percent.

    From products of two draws, so that noise of labels is a part of its own. `static`: of the
    ranking of the other families' tasks; `encoding`: of what the tasks' encodings do beyond it;
    `other disagreement`: the rest of what two draws have in common.
    """
    a, b = (s - s.mean(axis=1, keepdims=True) for s in scores.test[:2])
    weights = 1.0 / np.bincount(families)[families]
    static = static_scores(standardised(scores.mean), families, weights)
    static = standardised(static)
    whole = np.average(np.sqrt((a**2).mean(1) * (b**2).mean(1)), weights=weights)
    # Projections: the static scores' direction, and means by encoding of what is left.
    fit = [(x * static).mean(axis=1, keepdims=True) * static for x in (a, b)]
    rest = [a - fit[0], b - fit[1]]
    share = {
        "static": np.average((fit[0] * fit[1]).mean(1), weights=weights),
        "common": np.average((rest[0] * rest[1]).mean(1), weights=weights),
    }
    result = {"static": 100 * share["static"] / whole}
    if encodings is not None:
        kinds = np.unique(encodings)
        member = (encodings == kinds[:, None]).astype(float)
        means = [r @ member.T / member.sum(1) for r in rest]
        # What chance alone gives means of so few points of the other disagreement.
        by = np.average((means[0] * means[1]) @ (member.sum(1) / len(encodings)), weights=weights)
        degrees = (len(kinds) - 1) / (len(encodings) - 1)
        encoding = (by - degrees * share["common"]) / (1 - degrees)
        result["encoding"] = 100 * max(encoding, 0.0) / whole
        result["other disagreement"] = 100 * (share["common"] - max(encoding, 0.0)) / whole
    else:
        result["other disagreement"] = 100 * share["common"] / whole
    result["noise of labels"] = 100 - sum(result.values())
    return result
