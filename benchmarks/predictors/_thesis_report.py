"""Tables of the thesis's experiments: beside its own, causes removed, noise and power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.predictors._disagreement_spaces import standardised, static_scores
from benchmarks.predictors._thesis_targets import tau
from infoprior.evaluation import bootstrap_interval, holm, wilcoxon

PUBLISHED = {
    "uniform": 8.13, "gaussian": 6.70, "accuracy": 7.58, "information": 7.38, "noise": 6.84,
}  # fmt: skip
"""Mean squared errors of the thesis, 1e-5."""
PUBLISHED_TRAINING = {"information": 3.42}
PUBLISHED_SCORES = {"uniform": 0.504, "half uniform": 0.506, "controller": 0.463}
NAMES = {
    "uniform": "uniform", "gaussian": "Gaussian fitted on the average",
    "average": "the average itself", "accuracy": "network, accuracy",
    "information": "network, information", "shuffled": "network, another task's information",
    "noise": "two sets of brackets",
}  # fmt: skip
SAMPLED = {
    "uniform": "uniform", "gaussian": NAMES["gaussian"], "average": NAMES["average"],
    "half uniform": "controller, half of the samples uniform",
    "shuffled": "the same, another task's information", "controller": "controller alone",
    "best twelve": "the twelve that end best",
}  # fmt: skip
SIMULATIONS, LEVEL, POWER = 400, 0.05, 0.8


def together(frame: pd.DataFrame) -> pd.DataFrame:
    """With all shuffles as one method, their mean task by task."""
    method = frame["method"].str.replace(r"shuffled \d+", "shuffled", regex=True)
    key = [c for c in ("row", "method", "number", "task", "family") if c in frame]
    by = frame.assign(method=method).groupby(key, sort=False)
    return by.mean(numeric_only=True).reset_index()


def interval(values: pd.Series, family: pd.Series, digits: int = 3, sign: str = "") -> str:
    """Mean with its 95 % interval over families, as text."""
    low, high = bootstrap_interval(values.to_numpy(), families=list(family))
    return f"{values.mean():{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def experiment_1(frame: pd.DataFrame, noise: float) -> list[dict[str, str]]:
    """Errors of the thesis's setting beside its own, and in units of the uniform prior's."""
    frame = together(frame)
    uniform = 1e5 * frame[frame["method"] == "uniform"]["error"].mean()
    lines = []
    for method in ("uniform", "gaussian", "average", "accuracy", "information", "shuffled"):
        rows = frame[frame["method"] == method]
        theirs, fitted = PUBLISHED.get(method), 1e5 * rows["training error"].mean()
        lines.append({
            "prediction": NAMES[method],
            "thesis, 1e-5": f"{theirs:.2f}" if theirs else "–",
            "here, 1e-5": interval(1e5 * rows["error"], rows["family"], 2),
            "thesis, uniform = 1": f"{theirs / PUBLISHED['uniform']:.2f}" if theirs else "–",
            "here, uniform = 1": f"{1e5 * rows['error'].mean() / uniform:.2f}",
            "on training tasks: thesis, here (uniform = 1)": (
                f"{PUBLISHED_TRAINING[method] / PUBLISHED['uniform']:.2f}, {fitted / uniform:.2f}"
                if method in PUBLISHED_TRAINING else f"–, {fitted / uniform:.2f}"
            ),
        })  # fmt: skip
    ratio = PUBLISHED["noise"] / PUBLISHED["uniform"]
    lines.append(dict(zip(lines[0], [
        NAMES["noise"], f"{PUBLISHED['noise']:.2f}", f"{1e5 * noise:.2f}", f"{ratio:.2f}",
        f"{1e5 * noise / uniform:.2f}", "–",
    ], strict=True)))  # fmt: skip
    return lines


def experiment_2(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Mean scores of survivors beside the thesis's."""
    frame = together(frame)
    wide = frame.pivot(index="number", columns="method", values="score")
    family = frame.drop_duplicates("number").set_index("number")["family"].loc[wide.index]
    lines, p_values = [], []
    for method in SAMPLED:
        difference = wide[method] - wide["uniform"]
        theirs = PUBLISHED_SCORES.get(method)
        line = {
            "the bracket samples from": SAMPLED[method],
            "thesis": f"{theirs:.3f}" if theirs else "–",
            "here": interval(wide[method], family),
            "here less uniform": interval(difference, family, 4, "+"),
        }  # fmt: skip
        lines.append(line)
        p_values.append(
            np.nan if method in ("uniform", "best twelve")
            else wilcoxon(wide[method], wide["uniform"], families=list(family))
        )  # fmt: skip
    for line, q in zip(lines, holm(p_values), strict=True):
        line["p, Holm"] = "–" if q != q else f"{q:.2g}"
    return lines


def causes(
    frames: Sequence[pd.DataFrame], baselines: Sequence[str] = ("gaussian", "average")
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A line a row: rankings by each method; and the differences, Holm over all of them."""
    lines, tests, p_values = [], [], []
    for frame in map(together, frames):
        row = frame["row"].iloc[0]
        wide = frame.pivot(index="number", columns="method", values="tau")
        family = frame.drop_duplicates("number").set_index("number")["family"].loc[wide.index]
        line = {"setting": row}
        for method in ("information", "accuracy", "shuffled", "gaussian", "average"):
            line[method] = interval(wide[method], family) if method in wide else "–"
        best = max((b for b in baselines if b in wide), key=lambda b: float(wide[b].mean()))
        line["error, average = 1"] = _ratio(frame)
        lines.append(line)
        for other in dict.fromkeys((best, "accuracy", "shuffled")):
            p_values.append(wilcoxon(wide["information"], wide[other], families=list(family)))
            tests.append({
                "setting": row, "information less": other,
                "tau": interval(wide["information"] - wide[other], family, 3, "+"),
            })  # fmt: skip
    for line, p, q in zip(tests, p_values, holm(p_values), strict=True):
        line |= {"p": f"{p:.2g}", "p, Holm": f"{q:.2g}"}
    return lines, tests


def _ratio(frame: pd.DataFrame) -> str:
    """Error of the network with information, with another task's, in units of the average's."""
    error = frame.groupby("method")["error"].mean()
    own, other = (error[m] / error["average"] for m in ("information", "shuffled"))
    return f"{own:.2f} (shuffled {other:.2f})"


def detectable(differences: np.ndarray, n: int, seed: int = 0) -> float:
    """The least mean difference that Wilcoxon's test over n families finds 4 times in 5, at .05.

    Its statistic is taken as normal, which seven families just allow.

    Families' differences are drawn with replacement about their mean, with random signs, and
    moved; the move is searched by bisection, the same draws for each.

    Args:
        differences: of families.
        n: of families to be drawn.
        seed: draws.
    """
    rng = np.random.default_rng(seed)
    centred = differences - differences.mean()
    drawn = rng.choice(centred, (SIMULATIONS, n)) * rng.choice([-1.0, 1.0], (SIMULATIONS, n))

    def power(shift: float) -> float:
        moved = drawn + shift
        ranks = stats.rankdata(np.abs(moved), axis=1)
        z = (np.sign(moved) * ranks).sum(axis=1) / np.sqrt(np.square(ranks).sum(axis=1))
        return float((np.abs(z) > stats.norm.isf(LEVEL / 2.0)).mean())

    low, high = 0.0, 10.0 * float(centred.std()) / n**0.5
    for _ in range(12):
        middle = (low + high) / 2.0
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def power(frames: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
    """What could have been detected with 7, 20, and all families."""
    lines = []
    for frame in map(together, frames):
        wide = frame.pivot(index="number", columns="method", values="tau")
        family = frame.drop_duplicates("number").set_index("number")["family"].loc[wide.index]
        for other in ("average", "shuffled"):
            by = (wide["information"] - wide[other]).groupby(family.to_numpy()).mean().to_numpy()
            line: dict[str, Any] = {
                "setting": frame["row"].iloc[0],
                "information less": other,
                "standard deviation over families": float(by.std(ddof=1)),
                "seen": f"{by.mean():+.3f}",
            }
            for n in (7, 20, len(by)):
                line[f"{n if n < 50 else 'all'} families"] = detectable(by, n)
            lines.append(line)
    return lines


def ceiling(test: np.ndarray, families: np.ndarray, price: np.ndarray) -> list[dict[str, str]]:
    """How well one draw's scores can be predicted: by another draw, by other families' means.

    Args:
        test: scores, (2, T, A).
        families: codes, (T,).
        price: less which accuracies are scores, (A,).
    """
    family = pd.Series(families)
    static = static_scores(standardised(test.mean(axis=0)), families, np.ones(len(families)))
    by = {
        "the task's other draw": (tau(test[0], test[1]) + tau(test[1], test[0])) / 2.0,
        "the mean of other families' tasks": (tau(static, test[0]) + tau(static, test[1])) / 2.0,
    }
    cheapest = np.repeat(price[None], len(families), axis=0)
    by["the price of units alone"] = (tau(cheapest, test[0]) + tau(cheapest, test[1])) / 2.0
    return [
        {"predicted by": name, "tau with one draw": interval(pd.Series(values), family)}
        for name, values in by.items()
    ]
