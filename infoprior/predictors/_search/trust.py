"""How far a predictor is right about the architectures of a task, judged by a search's own trials.

A predictor's density of every result, made before the result was told, given all results before:
their product is the marginal likelihood of all of them, in whatever order. It is compared with that
of the same predictor with its architectures renamed at random, which knows as much of tasks, of
learning curves and of noise, but nothing of which architecture is which. A predictor that does not
beat its own shuffles is not to be followed, and one that is about to be followed has to beat them
by more, the more architectures have been seen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logsumexp

from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._result_model import ResultModel

if TYPE_CHECKING:
    from infoprior.predictors._result_model import Key
    from infoprior.predictors._search.lookahead import Curves

SHUFFLES = 20
AT_FIRST = 2.0  # log odds of a predictor that nothing is known against: 0.88
PER_ARCHITECTURE = 0.25  # nats that each further architecture has to add
_MOST = 64  # architectures, the first of a study: they decide


@dataclass(frozen=True, eq=False)
class _Terms:
    """What one architecture's results add to the log density, under S models at once.

    Attributes:
        precision: of the u common coordinates, shape (S, u, u).
        shift: shape (S, u).
        rest: log density but for these, shape (S,).
    """

    precision: np.ndarray
    shift: np.ndarray
    rest: np.ndarray


def log_evidence(mean: np.ndarray, covariance: np.ndarray, terms: Sequence[_Terms]) -> np.ndarray:
    """Log density of all that was observed under S models, in nats, shape (S,).

    By Woodbury's identity and the matrix determinant lemma, for covariances that may be singular.

    Args:
        mean: of the common coordinates before, shape (u,).
        covariance: of the same, shape (u, u).
        terms: of different architectures, at least one.
    """
    precision, shift, rest = (
        functools.reduce(np.add, [getattr(term, name) for term in terms])
        for name in ("precision", "shift", "rest")
    )
    inner = np.eye(len(mean)) + covariance @ precision
    solved = np.linalg.solve(inner, (shift @ covariance)[..., None])[..., 0]
    gained = (shift * solved).sum(axis=1)
    return rest + 0.5 * (gained - np.linalg.slogdet(inner)[1])


def terms_of(
    models: Sequence[ResultModel], key: Key, curves: Curves, rows: float, mean: np.ndarray
) -> _Terms:
    """What learning curves of one architecture say, under models that differ in names only.

    The same Gaussian as `ResultModel.blocks`, for all models in one go.

    Args:
        models: S of them.
        key: of the architecture.
        curves: of its networks.
        rows: validation rows.
        mean: of the common coordinates before, shape (u,).
    """
    of_each = [model.architectures([key])[0] for model in models]
    first, noise = of_each[0], models[0].noise
    means, loadings, rests, factor, auxiliary, unknown = (
        np.array([getattr(architecture, name) for architecture in of_each])
        for name in ("mean", "loadings", "rest", "noise", "auxiliary", "auxiliary_unknown")
    )
    observed = [models[0]._observed(curve, rows, first) for curve in curves]
    values, h, g, f, s = (
        np.concatenate([getattr(network, name) for network in observed])
        for name in ("values", "of_results", "of_luck", "of_factors", "of_shared")
    )
    covariance = h @ rests @ h.T  # (S, m, m)
    start = 0
    for network in observed:
        end, i = start + len(network.values), np.arange(len(network.values))
        own = noise.own(np.nan_to_num(network.variance), factor)
        block = network.of_luck @ own @ network.of_luck.T + network.rest
        block[:, i, i] += np.diagonal(rests + own, axis1=1, axis2=2) @ network.bend.T
        block[:, i, i] += (unknown - first.auxiliary_unknown) @ network.of_shared.T
        covariance[:, start:end, start:end] += block
        start = end
    shared = np.concatenate([g[:, : models[0].channels.evidence], s], axis=1)
    shared = np.broadcast_to(shared, (len(models), *shared.shape))
    load = np.concatenate([h @ loadings + f, shared], axis=2)  # (S, m, u)
    # What is expected of curves is a mean, of all else a constant.
    curve = np.where(s.any(axis=1, keepdims=True), 0.0, h)
    values = values - (means - first.mean) @ curve.T - (auxiliary - first.auxiliary) @ s.T
    residual = values - load @ mean  # (S, m)
    solved = np.linalg.solve(covariance, np.concatenate([load, residual[..., None]], axis=2))
    scaled, weighted = solved[..., :-1], solved[..., -1]
    return _Terms(
        load.swapaxes(1, 2) @ scaled,
        (load * weighted[..., None]).sum(axis=1),
        -0.5 * ((residual * weighted).sum(axis=1) + np.linalg.slogdet(covariance)[1]
                + values.shape[1] * math.log(2.0 * math.pi)),
    )  # fmt: skip


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
        auxiliary=model.auxiliary,
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
    auxiliary = model.auxiliary
    if auxiliary is not None:
        constant = auxiliary.constant
        auxiliary = replace(
            auxiliary, constant=np.tile(constant.mean(axis=0), (k, 1)),
            rest=auxiliary.rest + np.diag(constant.var(axis=0)),
        )  # fmt: skip
    usual = type(noise)(
        noise.luck, noise.rows, noise.shared_luck, noise.shared_rows,
        np.full(k, np.exp(np.log(noise.factor).mean())),
    )  # fmt: skip
    return ResultModel(
        space=model.space, points=model.points, names=model.names, channels=model.channels,
        scale=model.scale_name, noise=usual, kernel=model.kernel, n_validation=model.n_validation,
        auxiliary=auxiliary,
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
        self._terms: dict[Key, tuple[object, _Terms]] = {}

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
        terms = [self._of(key, seen[key], mean) for key in sorted(seen, key=repr)]
        scores = log_evidence(mean, covariance, terms)
        return float(scores[0] - logsumexp(scores[1:]) + math.log(SHUFFLES))

    def _of(self, key: Key, curves: Curves, mean: np.ndarray) -> _Terms:
        """The terms of an architecture, kept until there are other results of it."""
        same = tuple(map(tuple, curves)), mean.tobytes()
        if key not in self._terms or self._terms[key][0] != same:
            self._terms[key] = same, terms_of(self._models, key, curves, self._rows, mean)
        return self._terms[key][1]
