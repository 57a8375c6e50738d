"""`ResultModel`: what `PerformancePredictor.fit` learns, and the posterior that it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._conditioning import Block, Final, condition, final_given
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import Record
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._recorded_runs import Channels
from infoprior.predictors._run_noise import RunNoise
from infoprior.predictors._scales import SCALES, Scale, of_accuracy, of_loss
from infoprior.spaces import SearchSpace

Key = tuple[tuple[str, Any], ...]  # the params of an architecture, sorted by name
_JITTER = 1e-9


@dataclass(frozen=True, eq=False)
class Architecture:
    """What is known of an architecture before anything of it is seen on a task.

    Attributes:
        mean: of its channels, shape (D,).
        loadings: on the factors, shape (D, r).
        rest: covariance, given the factors, shape (D, D).
        noise: how much noisier than usual its results are.
    """

    mean: np.ndarray
    loadings: np.ndarray
    rest: np.ndarray
    noise: float


@dataclass(frozen=True, eq=False)
class Common:
    """The coordinates that architectures share on one task: factors, then shared noise.

    Attributes:
        mean: shape (u,).
        covariance: shape (u, u).
    """

    mean: np.ndarray
    covariance: np.ndarray


class ResultModel:
    """The Gaussian over results, ready to be asked.

    Args:
        space: of the architectures.
        points: of the anchors, K params.
        names: their ids.
        channels: of results.
        scale: of accuracies, a key of `SCALES`.
        factors: means, loadings and rests of the anchors.
        noise: of single runs.
        kernel: carries the anchors' values to other architectures.
        n_validation: rows that validation results are of, unless the evidence says otherwise.
    """

    def __init__(
        self, *, space: SearchSpace, points: Sequence[Mapping[str, Any]], names: Sequence[str],
        channels: Channels, scale: str, factors: FactorModel, noise: RunNoise,
        kernel: ArchitectureKernel, n_validation: int,
    ) -> None:  # fmt: skip
        self.space, self.points, self.names = space, [dict(p) for p in points], list(names)
        self.channels, self.scale_name, self.factors = channels, scale, factors
        self.noise, self.kernel, self.n_validation = noise, kernel, n_validation
        self._place = {self.key(point): k for k, point in enumerate(self.points)}
        self._named = dict(zip(self.names, self._place, strict=True))
        self._others: dict[Key, Architecture] = {}

    @property
    def scale(self) -> Scale:
        return SCALES[self.scale_name]

    @property
    def size(self) -> int:
        """Number of factors."""
        return self.factors.loadings.shape[-1]

    # Architectures ---------------------------------------------------------------------------

    def key(self, params: Mapping[str, Any]) -> Key:
        """Whatever compares equal for points that are equal."""
        return tuple(sorted(params.items()))

    def key_of(self, architecture: str | Key) -> Key:
        """The key of an architecture of a record, after a check of its point.

        Raises:
            PredictorError: no architecture was recorded under that id, or the space has no such
                point.
        """
        if isinstance(architecture, str):
            if architecture not in self._named:
                raise PredictorError(
                    f"curves name the architecture {architecture!r}, which the predictor has not "
                    "been fitted on; give its `params`."
                )
            return self._named[architecture]
        if architecture in self._place or architecture in self._others:
            return architecture
        return self.key(self.space.validate(dict(architecture)))

    def architectures(self, keys: Iterable[Key]) -> list[Architecture]:
        """What is known of architectures, by their keys."""
        keys = list(keys)
        new = [k for k in dict.fromkeys(keys) if k not in self._place and k not in self._others]
        if new:
            self._carry(new)
        return [self._anchor(self._place[k]) if k in self._place else self._others[k] for k in keys]

    def _anchor(self, place: int) -> Architecture:
        model = self.factors
        return Architecture(
            model.mean[place], model.loadings[place], model.rest[place],
            float(self.noise.factor[place]),
        )  # fmt: skip

    def _carry(self, keys: Sequence[Key]) -> None:
        """Architectures that no task has been seen with, from the anchors."""
        model = self.factors
        weights, unknown = self.kernel.carry(self.space.encode([dict(key) for key in keys]))
        mean, loadings = model.mean.mean(axis=0), model.loadings.mean(axis=0)
        off_mean, off_loadings = model.mean - mean, model.loadings - loadings
        log_noise = np.log(self.noise.factor)
        means = mean + weights @ off_mean
        carried = loadings + np.tensordot(weights, off_loadings, 1)
        factors = np.exp(log_noise.mean() + weights @ (log_noise - log_noise.mean()))
        # How far architectures lie apart on a task, of which the kernel leaves some unknown.
        apart = np.einsum("kd,ke->de", off_mean, off_mean)
        apart += np.einsum("kdr,ker->de", off_loadings, off_loadings)
        apart /= len(model.mean) - 1
        rest = model.rest.mean(axis=0)
        for i, key in enumerate(keys):
            if len(self._others) > 20_000:  # a long search must not fill the memory
                self._others.clear()
            self._others[key] = Architecture(
                means[i], carried[i], rest + unknown[i] * apart, float(factors[i])
            )

    # Evidence --------------------------------------------------------------------------------

    def blocks(
        self, records: Iterable[Record], n_validation: int | None
    ) -> tuple[dict[Key, Block], np.ndarray]:
        """What was observed of each architecture, and the covariance of the shared noise.

        Args:
            records: of networks at epochs.
            n_validation: rows that they were judged on.

        Returns:
            key -> its block; and the shared noise of the D - 1 validation channels.
        """
        rows = float(n_validation or self.n_validation)
        runs: dict[Key, dict[int, list[Record]]] = {}
        known: dict[str | Key, Key] = {}
        for record in records:
            if record.architecture not in known:
                known[record.architecture] = self.key_of(record.architecture)
            key = known[record.architecture]
            runs.setdefault(key, {}).setdefault(record.seed, []).append(record)
        keys = sorted(runs, key=repr)  # whatever the order of the evidence
        blocks, variances = {}, []
        for key, architecture in zip(keys, self.architectures(keys), strict=True):
            seen = [self._observed(runs[key][seed], rows) for seed in sorted(runs[key])]
            seen = [(h, values, variance) for h, values, variance in seen if len(values)]
            if seen:
                blocks[key] = self._block(architecture, seen)
                variances += [variance for _, _, variance in seen]
        typical = np.nanmedian(np.array(variances), axis=0) if variances else None
        return blocks, self._shared(typical, rows)

    def _shared(self, variance: np.ndarray | None, rows: float) -> np.ndarray:
        size = len(self.channels) - 1
        filled = np.full(size + 1, 1.0 / rows)
        if variance is not None:
            filled = np.where(np.isfinite(variance), variance, 1.0 / rows)
        return self.noise.shared(filled)[:size, :size]

    def _observed(
        self, records: Sequence[Record], rows: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One network's learning curve: H (m, D), values (m,), binomial variances (D,)."""
        channels, epochs = self.channels, np.log(self.channels.epochs)
        # Of several epochs between two rungs the last one says it all.
        latest: dict[tuple[int, int], Record] = {}
        for record in sorted(records, key=lambda r: (r.epoch, r.accuracy, r.loss)):
            place = np.interp(np.log(record.epoch), epochs, np.arange(len(epochs)))
            latest[int(np.floor(place)), int(place == np.floor(place))] = record
        weights, values = [], []
        variance = np.full((len(channels), 2), np.nan)
        for record in latest.values():
            place = float(np.interp(np.log(record.epoch), epochs, np.arange(len(epochs))))
            low = int(min(np.floor(place), max(len(epochs) - 2, 0)))
            share = place - low
            known = {
                "validation_accuracy": of_accuracy(
                    self.scale, np.array(record.accuracy), np.array(rows)
                ),
                "validation_loss": of_loss(
                    np.array(record.loss), np.array(rows)
                ),
            }
            given = {"validation_accuracy": record.accuracy, "validation_loss": record.loss}
            for quantity, (value, spread) in known.items():
                if np.isnan(given[quantity]):
                    continue
                row = np.zeros(len(channels))
                for rung, part in ((low, 1.0 - share), (low + 1, share)):
                    if part > 0.0:
                        column = channels.place(quantity, rung)
                        row[column] = part
                        variance[column, 0] = np.fmax(variance[column, 0], spread)
                weights.append(row)
                values.append(float(value))
        return np.array(weights).reshape(-1, len(channels)), np.array(values), variance[:, 0]

    def _block(
        self, architecture: Architecture,
        seen: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    ) -> Block:  # fmt: skip
        """All networks of one architecture: their rest is one, their noise is each one's own."""
        h = np.concatenate([rows for rows, _, _ in seen])
        values = np.concatenate([values for _, values, _ in seen]) - h @ architecture.mean
        covariance = h @ architecture.rest @ h.T
        start = 0
        for rows, _, variance in seen:
            own = self.noise.own(np.nan_to_num(variance), architecture.noise)
            noise = rows @ own @ rows.T
            # Between two rungs a curve is no straight line.
            spread = np.einsum("md,md->m", rows * (1.0 - rows), np.diag(architecture.rest + own)[None])
            end = start + len(rows)
            covariance[start:end, start:end] += noise + np.diag(spread + _JITTER)
            start = end
        size = len(self.channels) - 1
        loadings = np.concatenate([h @ architecture.loadings, h[:, :size]], axis=1)
        return Block(values, loadings, covariance, h @ architecture.rest[:, -1])

    # Answers ---------------------------------------------------------------------------------

    def common(
        self, factors: tuple[np.ndarray, np.ndarray] | None, shared: np.ndarray,
        blocks: Mapping[Key, Block],
    ) -> Common:  # fmt: skip
        """What is known of the coordinates that architectures share.

        Args:
            factors: their mean and covariance from the task's profile; None: without one.
            shared: covariance of the shared noise.
            blocks: what was observed.
        """
        size = self.size
        mean = np.zeros(size + len(shared))
        covariance = np.zeros((len(mean), len(mean)))
        covariance[:size, :size] = np.eye(size)
        if factors is not None:
            mean[:size], covariance[:size, :size] = factors
        covariance[size:, size:] = shared
        return Common(*condition(mean, covariance, list(blocks.values())))

    def finals(self, keys: Sequence[Key], blocks: Mapping[Key, Block]) -> list[Final]:
        """The final results of architectures, given the common coordinates and their blocks."""
        others = len(self.channels) - 1
        results = []
        for key, architecture in zip(keys, self.architectures(keys), strict=True):
            prior = Final(
                float(architecture.mean[-1]),
                np.concatenate([architecture.loadings[-1], np.zeros(others)]),
                float(architecture.rest[-1, -1]),
            )
            results.append(final_given(blocks[key], prior) if key in blocks else prior)
        return results
