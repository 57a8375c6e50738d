"""How good a prior is on one held-out task, from the task's recorded architectures.

Every metric takes ``log_ratio``: log p(x) − log u(x) of each recorded architecture under the
prior (`Prior.log_ratio`), shape ``(n,)``, nats. The uniform prior is all zeros.

A constant added to log_ratio changes no metric: the recorded architectures alone are judged. Of a
prior made of kernels around them, log_ratio *at* the centres is no importance weight: the mean of
its exponential is not 1 but the height of the spikes, which the bandwidth sets. What such a prior
says about the recorded architectures is their share of the whole: `over_recorded`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infoprior._arguments import check_seed, number_list, real_number, whole_number, whole_within
from infoprior.evaluation._errors import EvaluationError

Floats = NDArray[np.float64]


MOST_DRAWS = 10_000_000
"""Resamples and draws that are kept in memory at once: each is a row of numbers."""


def task_seed(seed: int, task: str) -> int:
    """A seed for one task: the same for every prior (paired draws), different between tasks.

    Without it all tasks of a shared design would draw the same architectures, and the luck of
    that draw wouldn't average out over tasks.

    Args:
        seed: of the whole comparison.
        task: its name.

    Returns:
        a seed of 32 bits.

    Raises:
        EvaluationError: the seed is no whole number of at least 0, or the task no name.
    """
    if not isinstance(task, str):
        raise EvaluationError(f"task has to be a name, got a {type(task).__name__}")
    entropy = [check_seed(seed, EvaluationError), zlib.crc32(task.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


@dataclass(frozen=True)
class RegretScale:
    """Test accuracies that regret 0 and regret 1 stand for.

    Attributes:
        best: highest test accuracy of the recorded architectures (regret 0).
        median: their median test accuracy (regret 1).
        min_gap: a gap ``best − median`` at or below this isn't worth dividing by.
    """

    best: float
    median: float
    min_gap: float = 1e-9

    def __post_init__(self) -> None:
        for name, low in (("best", -math.inf), ("median", -math.inf), ("min_gap", 0.0)):
            number = real_number(getattr(self, name), name, low, error=EvaluationError)
            object.__setattr__(self, name, float(number))

    @classmethod
    def of(cls, test: ArrayLike, *, min_gap: float = 1e-9) -> RegretScale:
        """The scale of recorded test accuracies, shape (n,).

        Args:
            test: recorded test accuracies, shape (n,).
            min_gap: a gap between best and median at or below this is no scale.

        Raises:
            EvaluationError: no architectures, or accuracies that aren't finite.
        """
        values = _finite(test, "test accuracy")
        return cls(float(values.max()), float(np.median(values)), min_gap)

    @property
    def discriminating(self) -> bool:
        """Whether the task tells architectures apart. If not, every regret is 0."""
        return self.best - self.median > self.min_gap

    def regret(self, test: ArrayLike) -> Floats:
        """Normalised regret of test accuracies, same shape; above 1 is worse than the median.

        0 throughout where the task doesn't discriminate: no choice was a mistake there. Leave
        such tasks out of a comparison, or they pull all priors towards each other. NaN (no
        accuracy yet) stays NaN.
        """
        try:
            accuracy = np.asarray(test, dtype=np.float64)
        except (TypeError, ValueError):
            raise EvaluationError("test has to be accuracies, as numbers") from None
        if not self.discriminating:
            return np.where(np.isnan(accuracy), np.nan, 0.0)
        return (self.best - accuracy) / (self.best - self.median)


def over_recorded(log_ratio: ArrayLike) -> Floats:
    """The prior restricted to the recorded architectures, relative to uniform over them.

    log_ratio − log(mean(exp(log_ratio))), the mean over the recorded architectures of one task:
    the exponentials then average to exactly 1, divided by n they are the probabilities of
    drawing each. A constant added to log_ratio makes no difference.

    Args:
        log_ratio: shape (n,), nats; ``-inf`` is impossible under the prior, and stays.

    Returns:
        shape (n,), nats; at most log n, 0 throughout for a uniform prior.

    Raises:
        EvaluationError: NaN, +inf, or ``-inf`` throughout.
    """
    scores = _log_ratio(log_ratio)
    shifted = scores - scores.max()  # so that nothing overflows
    return shifted - np.log(np.exp(shifted).mean())


def kendall_tau(log_ratio: ArrayLike, test: ArrayLike) -> float:
    """Kendall's tau-b between the prior's ranking and the true one (ties handled).

    A constant ranking, such as the uniform prior's, says nothing: 0, not NaN. The same where
    all test accuracies are equal.

    Args:
        log_ratio: of the recorded architectures under the prior, relative to uniform, shape
            (n,), nats.
        test: their test accuracies, shape (n,), in the same order.

    Returns:
        tau-b, from -1 to 1; higher is better.

    Raises:
        EvaluationError: shapes differ, or values that aren't finite (``-inf`` log-ratios are
            allowed: impossible under the prior).
    """
    from scipy.stats import kendalltau

    scores, truth = drawable(_log_ratio(log_ratio)), _finite(test, "test accuracy")
    _same_length(scores, truth)
    if np.ptp(scores) == 0.0 or np.ptp(truth) == 0.0:
        return 0.0
    return float(kendalltau(scores, truth).statistic)


def log_ratio_of_best(log_ratio: ArrayLike, test: ArrayLike, *, share: float = 0.1) -> float:
    """Mean log-probability of the truly best architectures relative to uniform, nats.

    Both over the recorded architectures (`over_recorded`). The best are the top ``share`` by
    test accuracy (rounded up, at least one; those tied with the last are in too). 0 for the
    uniform prior, log 2 where the prior doubles their probability, negative where it avoids
    them, ``-inf`` where it rules one of them out. At most log(n / n_best): all of the prior on
    the best, evenly.

    Args:
        log_ratio: of the recorded architectures under the prior, relative to uniform, shape
            (n,), nats.
        test: their test accuracies, shape (n,), in the same order.
        share: of the architectures that count as the best, above 0 and at most 1.

    Returns:
        nats; higher is better.

    Raises:
        EvaluationError: shapes differ, values that aren't finite, or a share outside (0, 1].
    """
    scores, truth = over_recorded(log_ratio), _finite(test, "test accuracy")
    _same_length(scores, truth)
    share = real_number(share, "share", 0.0, 1.0, above=True, error=EvaluationError)
    # 0.1 * 30 is 3.0000000000000004 in floats: round before rounding up
    n_best = max(1, int(np.ceil(round(share * truth.size, 9))))
    threshold = np.sort(truth)[-n_best]
    return float(scores[truth >= threshold].mean())


def best_of_k_regret(
    log_ratio: ArrayLike,
    validation: ArrayLike,
    test: ArrayLike,
    k: int,
    n_draws: int = 2000,
    seed: int = 0,
    *,
    min_gap: float = 1e-9,
) -> float:
    """Expected normalised regret of the best of ``k`` architectures drawn from the prior.

    k recorded architectures are drawn without replacement, one after the other in proportion
    to exp(log_ratio) (Gumbel top-k: Kool, van Hoof and Welling, ICML 2019, section 2), the one
    with the best *validation* accuracy is kept (ties: the mean over the tied), and its *test*
    accuracy judged by `RegretScale`.

    k = 1 and k = n are exact. Otherwise the mean over ``n_draws`` draws; two priors given the
    same seed and the same order of architectures use the same random numbers, so that their
    difference has less noise than either.

    Args:
        log_ratio, validation, test: shape (n,), in the same order.
        k: number drawn, 1 to n.
        n_draws: number of draws averaged over.
        seed: random numbers; `task_seed` gives one per task.
        min_gap: see `RegretScale`.

    Raises:
        EvaluationError: shapes differ, values that aren't finite, k or n_draws out of range.
    """
    scores = drawable(over_recorded(log_ratio))
    val, truth = _finite(validation, "validation accuracy"), _finite(test, "test accuracy")
    _same_length(scores, val)
    _same_length(scores, truth)
    n = scores.size
    k = whole_number(k, "k", 1, EvaluationError)
    if k > n:
        raise EvaluationError(f"k must lie between 1 and the {n} recorded architectures, got {k}")
    n_draws = whole_within(n_draws, "n_draws", 1, MOST_DRAWS, EvaluationError)
    seed = check_seed(seed, EvaluationError)
    regret = RegretScale.of(truth, min_gap=min_gap).regret(truth)
    if k == 1:
        weights = np.exp(scores - scores.max())  # shifted: only ratios matter, nothing overflows
        return float(regret @ (weights / weights.sum()))
    if k == n:
        return float(regret[val == val.max()].mean())
    keys = scores + _gumbel(seed, n_draws, n)
    drawn = np.argpartition(-keys, k - 1, axis=1)[:, :k]
    drawn_val = val[drawn]
    kept = drawn_val == drawn_val.max(axis=1, keepdims=True)
    return float(((regret[drawn] * kept).sum(axis=1) / kept.sum(axis=1)).mean())


def task_metrics(
    log_ratio: ArrayLike,
    validation: ArrayLike,
    test: ArrayLike,
    *,
    ks: Sequence[int] = (1, 2, 4, 8),
    n_draws: int = 2000,
    seed: int = 0,
    min_gap: float = 1e-9,
) -> dict[str, float | bool]:
    """All metrics of one prior on one task, as one row of a table.

    Args:
        log_ratio: of the recorded architectures under the prior, relative to uniform, shape
            (n,), nats.
        validation, test: accuracies of the architectures, shape (n,), in the same order.
        ks: numbers of draws whose best is judged.
        n_draws, seed, min_gap: as of `best_of_k_regret`.

    Returns:
        ``kendall_tau``, ``log_ratio_of_best``, ``regret_at_<k>`` for each k that is at most the
        number of architectures, and ``discriminating``.

    Raises:
        EvaluationError: shapes differ, values that aren't finite, or a number out of range.
    """
    if isinstance(ks, str) or not isinstance(ks, Sequence):
        raise EvaluationError(f"ks has to be a list of whole numbers, got {ks!r}")
    truth = _finite(test, "test accuracy")
    row: dict[str, float | bool] = {
        "kendall_tau": kendall_tau(log_ratio, truth),
        "log_ratio_of_best": log_ratio_of_best(log_ratio, truth),
    }
    for k in [whole_number(k, "ks", 1, EvaluationError) for k in ks]:
        if k <= truth.size:
            row[f"regret_at_{k}"] = best_of_k_regret(
                log_ratio, validation, truth, k, n_draws, seed, min_gap=min_gap
            )
    row["discriminating"] = RegretScale.of(truth, min_gap=min_gap).discriminating
    return row


@lru_cache(maxsize=8)
def _gumbel(seed: int, n_draws: int, n: int) -> Floats:
    """Standard Gumbel numbers, shape (n_draws, n); kept, as all priors of a task share them."""
    draws = np.random.default_rng(seed).gumbel(size=(n_draws, n))
    draws.flags.writeable = False
    return draws


def _log_ratio(values: ArrayLike) -> Floats:
    scores = number_list(values, "log_ratio", EvaluationError, finite=False)
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise EvaluationError("log_ratio holds NaN or +inf; a prior's log-ratios are finite")
    if np.isneginf(scores).all():
        raise EvaluationError("log_ratio is -inf throughout: it rules out every architecture")
    return scores


def drawable(scores: Floats) -> Floats:
    """``-inf`` replaced by a number far below all others: never drawn while others are left.

    With ``-inf`` itself Gumbel noise couldn't order the impossible ones among themselves.
    """
    possible = ~np.isneginf(scores)
    return np.where(possible, scores, scores[possible].min() - 1e6)


def _finite(values: ArrayLike, what: str) -> Floats:
    return number_list(values, what, EvaluationError)


def _same_length(first: Floats, second: Floats) -> None:
    if first.shape != second.shape:
        raise EvaluationError(
            f"log_ratio and accuracies must be of the same architectures, "
            f"got {first.size} and {second.size}"
        )
