"""Which of the generator's tasks to choose, and how well static rankings transfer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import rankdata, spearmanr

from benchmarks.metadataset._measure import COMPARED
from benchmarks.metadataset._pool import architectures

MOST_REAL_ROWS = 2000  # that a real table is trained on
RANKS_WEIGH = 5.0  # beside numbers of standard deviation 1
SLACK = 0.3


def family_weights(families: pd.Series) -> np.ndarray:
    """Equal weight for every family, shape (n,), of sum 1."""
    share = 1.0 / families.map(families.value_counts()).to_numpy(float)
    return share / share.sum()


def standardised(frame: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """The compared numbers by the median and quartiles of the reference, clipped to [-4, 4]."""
    columns = list(COMPARED)
    low, middle, high = (reference[columns].quantile(q).to_numpy() for q in (0.25, 0.5, 0.75))
    scale = np.maximum((high - low) / 1.35, 0.05)
    return np.clip((frame[columns].to_numpy() - middle) / scale, -4, 4)


def moments(
    real: pd.DataFrame, pool: pd.DataFrame, by: Sequence[str] = ("numbers", "ranks")
) -> tuple[np.ndarray, np.ndarray]:
    """What the means of a choice are to be: the features of the pool, and their targets.

    by: "numbers" (the compared numbers, their squares, the training rows), "ranks" (the mean ranks
        of the architectures); the targets are the means over the real tasks, families weighing
        equally
    """
    both = pd.concat([real, pool], ignore_index=True)
    z = standardised(both, both)
    rows = np.log(np.minimum(both["n_train"].to_numpy(float), MOST_REAL_ROWS))
    numbers = np.column_stack([z / 2, z**2 / 4, (rows - rows.mean()) / rows.std()])
    parts = {"numbers": numbers, "ranks": RANKS_WEIGH * ranks(both)}
    x = np.concatenate([parts[name] for name in by], axis=1)
    return x[len(real) :], family_weights(real["family"]) @ x[: len(real)]


def balanced_chances(x: np.ndarray, target: np.ndarray, n: int, slack: float = SLACK) -> np.ndarray:
    """Chances of being kept, shape (n_pool,), of sum n, whose weighted means are near the target.

    Entropy balancing (Hainmueller, Political Analysis 20, 2012, section 3) where no row can count
    more than once: of all such chances those of most entropy, sum of -p ln p - (1 - p) ln(1 - p),
    whose log-odds are linear in x. A quadratic penalty on the multipliers is for moments of noise.
    """

    def dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        first, rest = multipliers[0], multipliers[1:]
        log_odds = first + x @ rest
        chances = expit(log_odds)
        value = np.logaddexp(0, log_odds).sum() / n - first - rest @ target
        gradient = np.append(chances.sum() / n - 1, x.T @ chances / n - target + slack * rest)
        return value + slack / 2 * rest @ rest, gradient

    start = np.zeros(x.shape[1] + 1)
    start[0] = logit(n / len(x)) if n < len(x) else 10.0
    options = {"maxiter": 2000}
    multipliers = minimize(dual, start, jac=True, method="L-BFGS-B", options=options).x
    return expit(multipliers[0] + x @ multipliers[1:])


def inclusion(odds: np.ndarray, n: int) -> np.ndarray:
    """Chances of being kept, shape (n_pool,), of sum n: min(1, c * odds)."""
    low, high = 0.0, 1e9
    for _ in range(200):
        c = (low + high) / 2
        low, high = (c, high) if np.minimum(1, c * odds).sum() < n else (low, c)
    return np.minimum(1, high * odds)


def keep(chances: np.ndarray, seed: int = 0) -> np.ndarray:
    """Systematic sampling with those chances: indices, sorted; as many as their sum."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(chances))
    steps = np.floor(np.cumsum(chances[order]) + rng.random())
    return np.sort(order[np.diff(steps, prepend=0.0) > 0])


def ranks(table: pd.DataFrame) -> np.ndarray:
    """Rank of every architecture on every task, scaled to [0, 1], shape (tasks, architectures)."""
    values = table[architectures(table)].to_numpy(float)
    return (rankdata(values, axis=1) - 1) / (values.shape[1] - 1)


def agreement(static: np.ndarray, rank: np.ndarray) -> float:
    return float(spearmanr(static, rank).statistic)


def leave_family_out(rank: np.ndarray, families: pd.Series) -> np.ndarray:
    """Spearman of each task with the mean ranking of the other families, shape (tasks,)."""
    families = families.reset_index(drop=True)
    agreements = []
    for row, family in zip(rank, families, strict=True):
        rest = (families != family).to_numpy()
        agreements.append(agreement(family_weights(families[rest]) @ rank[rest], row))
    return np.array(agreements)


def discrepancy(real: pd.DataFrame, drawn: pd.DataFrame, weights: np.ndarray) -> float:
    """Squared maximum mean discrepancy of the compared numbers, Gaussian kernel of median width."""
    both = standardised(pd.concat([real, drawn]), pd.concat([real, drawn]))
    a, b = both[: len(real)], both[len(real) :]
    u, w = family_weights(real.family), weights / weights.sum()
    width = np.median(((b[:300, None] - b[None, :300]) ** 2).sum(-1))

    def kernel(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        squared = (p**2).sum(1)[:, None] - 2 * p @ q.T + (q**2).sum(1)
        return np.exp(-np.maximum(squared, 0) / width)

    return float(u @ kernel(a, a) @ u - 2 * u @ kernel(a, b) @ w + w @ kernel(b, b) @ w)


def coverage(real: pd.DataFrame, drawn: pd.DataFrame, n: int | None = None) -> float:
    """Share of real tasks nearer to a drawn one than to a real one of another family.

    n: take the mean over random subsets of n drawn tasks, to compare equal numbers
    """
    both = standardised(pd.concat([real, drawn]), real)
    a, b = both[: len(real)], both[len(real) :]
    to_real = ((a[:, None] - a[None]) ** 2).sum(-1)
    same = real.family.to_numpy()[:, None] == real.family.to_numpy()[None]
    nearest = np.where(same, np.inf, to_real).min(1)
    to_drawn = ((a[:, None] - b[None]) ** 2).sum(-1)
    if n is None:
        return float((to_drawn.min(1) < nearest).mean())
    rng = np.random.default_rng(0)
    subsets = [rng.choice(len(b), size=n, replace=False) for _ in range(100)]
    return float(np.mean([(to_drawn[:, s].min(1) < nearest).mean() for s in subsets]))
