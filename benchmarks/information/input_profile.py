"""Input profiles: seconds, and whether what they say of encodings is so.

    python benchmarks/information/input_profile.py [--tasks 12]

1. CPU seconds of `infoprior.profiles.input_profile` of 2,000 rows with and without seven encoders
   (simple ones of this script, with as many columns as those of the space "tabular"), by number of
   columns; beside it the recipe "tabular" on the four probes' layers of the same task, and the
   ratio of the two: the least of three tries each.
2. I(X; Y) as a linear layer sees it in an encoding, against a cross-fitted multinomial logistic
   -fitted with its penalty chosen, on packaged tasks: mean absolute difference, and Spearman's
   correlation over the seven encodings of a task of the one and the other; the same for "lda", the
   plain discriminants. A logistic regression's cross-entropy is a lower bound.
3. The statistics of `BASIC_INPUT_FEATURES` of those tasks.

Writes benchmarks/results/information/input_profile.md, and prints it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import RESULTS, machine, markdown, threads, timed, write

TASKS = (
    "keel/vowel", "keel/segment", "keel/vehicle", "keel/phoneme", "keel/german", "keel/glass",
    "keel/ecoli", "keel/saheart", "keel/ionosphere", "keel/pima", "keel/contraceptive",
    "keel/sonar", "keel/satimage", "keel/penbased",
)  # fmt: skip
PENALTIES = (0.003, 0.03, 0.3, 3.0)


def standard(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(0)) / np.maximum(x.std(0), 1e-9))


def robust(x: np.ndarray) -> np.ndarray:
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    width = np.where(high > low, high - low, np.ptp(x, axis=0) / 2 + 1e-9)
    z = (x - middle) / width
    return np.asarray(z / np.sqrt(1.0 + (z / 3.0) ** 2))


def quantile(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(x, axis=0) - 0.5) / len(x)))


def piecewise(bins: int) -> Callable[[np.ndarray], np.ndarray]:
    """Piecewise-linear encoding (Gorishniy et al., NeurIPS 2022), quantile bins."""

    def encode(x: np.ndarray) -> np.ndarray:
        columns = []
        for column in x.T:
            edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)))
            if len(edges) < 2:
                edges = np.array([edges[0] - 1.0, edges[0] + 1.0])
            columns.append(np.clip((column[:, None] - edges[:-1]) / np.diff(edges), 0.0, 1.0))
        return np.hstack(columns)

    return encode


def periodic(frequency: float) -> Callable[[np.ndarray], np.ndarray]:
    """Eight pairs of random Fourier features a column."""

    def encode(x: np.ndarray) -> np.ndarray:
        frequencies = frequency * np.random.default_rng(0).normal(size=8)
        angles = [2.0 * np.pi * column[:, None] * frequencies for column in standard(x).T]
        return np.hstack([f(a) for a in angles for f in (np.sin, np.cos)])

    return encode


ENCODERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "standard": standard,
    "robust": robust,
    "quantile": quantile,
    "piecewise-8": piecewise(8),
    "piecewise-24": piecewise(24),
    "periodic-low": periodic(0.1),
    "periodic-high": periodic(1.0),
}


def made(columns: int) -> Any:
    """A task of 2,000 training and validation rows and three classes."""
    from infoprior.tasks import Task

    rng = np.random.default_rng(0)
    X = rng.normal(size=(2100, columns)).astype(np.float32)
    score = X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + 0.5 * rng.normal(size=2100)
    y = np.digitize(score, np.quantile(score, [1 / 3, 2 / 3])).astype(np.int64)
    rows = np.arange(2100)
    return Task(
        "made", "made", "made", "synthetic", X, y, rows[:1500], rows[1500:2000], rows[2000:],
        tuple(f"x{j}" for j in range(columns)), ("a", "b", "c"),
    )  # fmt: skip


def costs() -> list[dict[str, Any]]:
    from infoprior.profiles import PROBES, RECIPES, input_profile, profile_networks
    from infoprior.spaces import get_space
    from infoprior.training import train_many

    rows = []
    for columns in (5, 20, 60):
        task = made(columns)
        trained = train_many(
            task, [(p, 0) for p in PROBES.values()], space=get_space("mlp"), epochs=1,
            snapshots=(1,), progress=False,
        )  # fmt: skip
        networks: list[Any] = [
            (t.snapshots[1], name, 1) for name, t in zip(PROBES, trained, strict=True)
        ]

        def least(call: Callable[[], Any]) -> float:
            return min(timed(call)[1] for _ in range(3))

        seconds = {
            "without encoders": least(lambda task=task: input_profile(task, progress=False)),
            "seven encoders": least(
                lambda task=task: input_profile(task, ENCODERS, progress=False)
            ),
            "probes by tabular": least(
                lambda task=task, n=networks: profile_networks(
                    n, task, recipe=RECIPES["tabular"], progress=False
                )
            ),
        }
        rows.append({
            "columns": columns,
            **{name: f"{value:.2f} s" for name, value in seconds.items()},
            "seven encoders / tabular": seconds["seven encoders"] / seconds["probes by tabular"],
        })  # fmt: skip
    return rows


def by_regression(x: np.ndarray, y: np.ndarray) -> float:
    """H(Y) less the cross-entropy of a cross-fitted logistic regression, its penalty the best."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    from infoprior.information import entropy

    values = []
    x = standard(x)
    for penalty in PENALTIES:
        own = np.zeros(len(y))
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
            model = LogisticRegression(C=penalty, max_iter=100).fit(x[train], y[train])
            own[test] = model.predict_proba(x[test])[np.arange(len(test)), y[test]]
        values.append(entropy(y) + np.log(np.maximum(own, 1.0 / len(y))).mean())
    return float(max(values))


def checked(n_tasks: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    import warnings

    from scipy.stats import spearmanr

    from infoprior.information import estimate
    from infoprior.profiles import BASIC_INPUT_FEATURES, input_profile, numeric_columns
    from infoprior.tasks import catalogue, load_task

    warnings.simplefilter("ignore")
    there = {info.name for info in catalogue()}
    values: dict[str, list[list[float]]] = {"flexible-lda": [], "lda": [], "regression": []}
    features = []
    for name in tqdm([name for name in TASKS if name in there][:n_tasks], desc="tasks"):
        task = load_task(name, max_train=900, max_validation=300)
        rows = np.concatenate([task.train, task.validation])
        X, y = task.X[rows], np.unique(task.y[rows], return_inverse=True)[1]
        numeric = numeric_columns(task)
        profile = input_profile(task, ENCODERS, progress=False)
        encoded = [np.hstack([f(X[:, numeric]), X[:, ~numeric]]) for f in ENCODERS.values()]
        values["flexible-lda"].append([profile.whole[f"linear/{e}"] for e in ENCODERS])
        values["lda"].append([estimate(x, y, "lda", True, progress=False).nats for x in encoded])
        values["regression"].append([by_regression(x, y) for x in encoded])
        all_features = profile.features()
        features.append(
            {"task": name, **{feature: all_features[feature] for feature in BASIC_INPUT_FEATURES}}
        )
    reference = np.array(values["regression"])
    table = []
    for method in ("flexible-lda", "lda"):
        told = np.array(values[method])
        orders = [spearmanr(a, b)[0] for a, b in zip(told, reference, strict=True)]
        gains = told - told[:, :1], reference - reference[:, :1]
        table.append({
            "linear part by": method,
            "difference from the regression, nats": f"{np.abs(told - reference).mean():.3f} "
            f"({(told - reference).mean():+.3f})",
            "order of encodings, mean over tasks": float(np.mean(orders)),
            "gains over standard, correlation": float(
                np.corrcoef(gains[0][:, 1:].ravel(), gains[1][:, 1:].ravel())[0, 1]
            ),
            "tasks": len(told),
        })  # fmt: skip
    return table, features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=int, default=12)
    options = parser.parse_args()
    threads(1)
    seconds = costs()
    table, features = checked(options.tasks)
    parts = {
        "Seconds of 2,000 rows": seconds,
        "What a linear layer sees of an encoding, beside a logistic regression": table,
        "Statistics": features,
    }
    head = (
        "# Input profiles\n\n`python benchmarks/information/input_profile.py`; 1 thread, "
        f"{machine()}. What the tables are is in the script's head.\n\n"
    )
    text = head + "\n\n".join(f"## {title}\n\n{markdown(rows)}" for title, rows in parts.items())
    write(RESULTS / "information" / "input_profile.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
