"""How far a predictor is right about the architectures of a task, judged by a search's own trials.

A predictor's density of every result, made before the result was told, given all results before:
their product is the marginal likelihood of all of them, in whatever order. It is compared with that
of the same predictor with its architectures renamed at random, which knows as much of tasks, of
learning curves and of noise, but nothing of which architecture is which. A predictor that does not
beat its own shuffles is not to be followed, and one that is about to be followed has to beat them
by more, the more architectures have been seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logsumexp

from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._result_model import ResultModel

if TYPE_CHECKING:
    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._result_model import Key
    from infoprior.predictors._search.lookahead import Curves

SHUFFLES = 20
AT_FIRST = 2.0  # log odds of a predictor that nothing is known against: 0.88
PER_ARCHITECTURE = 0.25  # nats that each further architecture has to add
_MOST = 64  # architectures, the first of a study: they decide


def log_evidence(mean: np.ndarray, covariance: np.ndarray, blocks: Sequence[Block]) -> float:
    """Log density of all that was observed, in nats.

    Args:
        mean: of the common coordinates before, shape (u,).
        covariance: of the same, shape (u, u).
        blocks: of different architectures.
    """
    return _evidence(mean, covariance, [_Terms(block, mean) for block in blocks])


class _Terms:
    """What a block adds to the log density, given the common coordinates' mean."""

    def __init__(self, block: Block, mean: np.ndarray) -> None:
        residual = block.values - block.loadings @ mean
        self.precision, self.shift = block.precision, block.scaled.T @ residual
        self.quadratic = float(residual @ np.linalg.solve(block.covariance, residual))
        self.log_det = float(np.linalg.slogdet(block.covariance)[1])
        self.size = len(residual)


def _evidence(mean: np.ndarray, covariance: np.ndarray, terms: Sequence[_Terms]) -> float:
    precision, shift = np.zeros_like(covariance), np.zeros_like(mean)
    quadratic = log_det = 0.0
    size = 0
    for term in terms:
        precision += term.precision
        shift += term.shift
        quadratic, log_det = quadratic + term.quadratic, log_det + term.log_det
        size += term.size
    # The matrix determinant lemma and Woodbury's identity, for covariances that may be singular.
    inner = np.eye(len(mean)) + covariance @ precision
    quadratic -= float(shift @ np.linalg.solve(inner, covariance @ shift))
    log_det += float(np.linalg.slogdet(inner)[1])
    return -0.5 * (quadratic + log_det + size * math.log(2.0 * math.pi))


def renamed(model: ResultModel, order: np.ndarray) -> ResultModel:
    """The model with its k-th architecture taken for another one.

    Args:
        model: any.
        order: a permutation, shape (K,).
    """
    kernel = model.kernel
    return ResultModel(
        space=model.space, points=[model.points[k] for k in order],
        names=[model.names[k] for k in order], channels=model.channels, scale=model.scale_name,
        factors=model.factors, noise=model.noise, n_validation=model.n_validation,
        kernel=ArchitectureKernel(kernel.encoded[order], kernel.scales, kernel.nugget),
    )  # fmt: skip


def exchangeable(model: ResultModel) -> ResultModel:
    """The model with all architectures alike: how they differ on average is their rest."""
    factors, noise = model.factors, model.noise
    k = len(factors.mean)
    mean, loadings = factors.mean.mean(axis=0), factors.loadings.mean(axis=0)
    off_mean, off_loadings = factors.mean - mean, factors.loadings - loadings
    apart = np.einsum("kd,ke->de", off_mean, off_mean)
    apart += np.einsum("kdr,ker->de", off_loadings, off_loadings)
    rest = factors.rest.mean(axis=0) + apart / max(k - 1, 1)
    usual = type(noise)(
        noise.luck, noise.rows, noise.shared_luck, noise.shared_rows,
        np.full(k, np.exp(np.log(noise.factor).mean())),
    )  # fmt: skip
    return ResultModel(
        space=model.space, points=model.points, names=model.names, channels=model.channels,
        scale=model.scale_name, noise=usual, kernel=model.kernel, n_validation=model.n_validation,
        factors=FactorModel(
            np.tile(mean, (k, 1)), np.tile(loadings, (k, 1, 1)), np.tile(rest, (k, 1, 1))
        ),
    )  # fmt: skip


class Trust:
    """The probability that a predictor is to be followed on one task.

    Args:
        model: the predictor's Gaussian.
        rows: validation rows that results are of.
    """

    def __init__(self, model: ResultModel, rows: float) -> None:
        self._rows = rows
        self._models = [model] + [
            renamed(model, np.random.default_rng([0, s]).permutation(len(model.points)))
            for s in range(SHUFFLES)
        ]
        self._terms: list[dict[Key, tuple[object, _Terms]]] = [{} for _ in self._models]

    def probability(
        self,
        mean: np.ndarray,
        covariance: np.ndarray,
        seen: Mapping[Key, Curves],
    ) -> float:
        """How likely the predictor is the better one.

        Args:
            mean: of the common coordinates before the search, shape (u,).
            covariance: of the same.
            seen: learning curves by architecture, in the order in which they were begun.
        """
        keys = list(seen)[:_MOST]
        ahead = self.lead(mean, covariance, {key: seen[key] for key in keys})
        return float(expit(AT_FIRST + ahead - PER_ARCHITECTURE * max(len(keys) - 1, 0)))

    def lead(
        self,
        mean: np.ndarray,
        covariance: np.ndarray,
        seen: Mapping[Key, Curves],
    ) -> float:
        """Nats by which the predictor's density is above the mean of its shuffles'."""
        if not seen:
            return 0.0
        scores = [
            _evidence(
                mean, covariance,
                [self._term(place, key, seen[key], mean) for key in sorted(seen, key=repr)],
            )
            for place in range(len(self._models))
        ]  # fmt: skip
        return scores[0] - float(logsumexp(scores[1:])) + math.log(SHUFFLES)

    def _term(self, place: int, key: Key, curves: Curves, mean: np.ndarray) -> _Terms:
        known = self._terms[place]
        same = tuple(map(tuple, curves)), mean.tobytes()
        if key not in known or known[key][0] != same:
            model = self._models[place]
            (architecture,) = model.architectures([key])
            observed = [model._observed(curve, self._rows) for curve in curves]
            known[key] = same, _Terms(model._block(architecture, observed)[0], mean)
        return known[key][1]
