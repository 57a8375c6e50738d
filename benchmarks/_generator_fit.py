"""The generator's fit: which draws of its mix to keep, and how well static rankings transfer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from _generator_measure import COMPARED
from scipy.stats import rankdata, spearmanr

LEAST = 0.35  # of the mean odds: variety is kept where the few real tasks have nothing alike


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


def likeness(real: pd.DataFrame, pool: pd.DataFrame, penalty: float) -> np.ndarray:
    """Odds that a draw of the pool is a real task, shape (n,), of mean about 1.

    A logistic regression on the standardised numbers and their squares, real families of equal
    weight: the density ratio of real to drawn tasks (Sugiyama et al., Density Ratio Estimation
    in Machine Learning, 2012, section 4).
    """
    from sklearn.linear_model import LogisticRegression

    both = pd.concat([real, pool], ignore_index=True)
    z = standardised(both, both)
    x = np.concatenate([z, z**2 / 2], axis=1)
    y = np.arange(len(both)) < len(real)
    weights = np.where(y, 0.0, 0.5 / len(pool))
    weights[y] = 0.5 * family_weights(real.family)
    model = LogisticRegression(C=1 / penalty, max_iter=2000)
    model.fit(x, y, sample_weight=weights * 2 * len(real))
    odds = np.exp(np.clip(model.decision_function(x[~y]), -6, 6))
    return np.maximum(odds / odds.mean(), LEAST)


def inclusion(odds: np.ndarray, n: int, power: float) -> np.ndarray:
    """Chances of being kept, shape (n_pool,), of sum n: min(1, c * odds ** power)."""
    tilted = np.clip(odds, 1e-6, None) ** power
    low, high = 0.0, 1e9
    for _ in range(200):
        c = (low + high) / 2
        low, high = (c, high) if np.minimum(1, c * tilted).sum() < n else (low, c)
    return np.minimum(1, high * tilted)


def keep(chances: np.ndarray, seed: int = 0) -> np.ndarray:
    """Systematic sampling with those chances: indices, sorted; as many as their sum."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(chances))
    steps = np.floor(np.cumsum(chances[order]) + rng.random())
    return np.sort(order[np.diff(steps, prepend=0.0) > 0])


def ranks(trained: pd.DataFrame, keys: list, epoch: int = 27) -> np.ndarray:
    """Rank of every architecture on every task, scaled to [0, 1], shape (tasks, architectures)."""
    table = trained[trained.epoch == epoch].pivot(
        index="key", columns="architecture", values="test_accuracy"
    )
    values = table.loc[keys].to_numpy()
    return np.stack([(rankdata(row) - 1) / (len(row) - 1) for row in values])


def agreement(static: np.ndarray, rank: np.ndarray) -> float:
    return float(spearmanr(static, rank).statistic)


def leave_family_out(
    rank: np.ndarray, families: pd.Series, others: tuple[np.ndarray, pd.Series] | None = None
) -> np.ndarray:
    """Spearman of each task with the mean ranking of the other families, shape (tasks,).

    others: further tasks and families to take the mean over
    """
    all_rank = rank if others is None else np.concatenate([rank, others[0]])
    all_families = families if others is None else pd.concat([families, others[1]])
    all_families = all_families.reset_index(drop=True)
    found = []
    for row, family in zip(rank, families, strict=True):
        rest = (all_families != family).to_numpy()
        weights = family_weights(all_families[rest])
        found.append(agreement(weights @ all_rank[rest], row))
    return np.array(found)


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
