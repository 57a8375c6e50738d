"""`ResultModel`: what `PerformancePredictor.fit` learns, and the posterior that it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._auxiliary import AuxiliaryModel
from infoprior.predictors._conditioning import Block, Final, condition, final_given
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._recorded_runs import TEST, Channels
from infoprior.predictors._records import Record
from infoprior.predictors._run_noise import RunNoise
from infoprior.predictors._scales import SCALES, Scale, of_accuracy, of_loss
from infoprior.spaces import SearchSpace

Key = tuple[tuple[str, Any], ...]  # the params of an architecture, sorted by name
_JITTER = 1e-9
MOST_KEPT = 20_000  # architectures, blocks: a long search must not fill the memory


@dataclass(frozen=True, eq=False)
class Architecture:
    """What is known of an architecture before anything of it is seen on a task.

    Attributes:
        mean: of its channels, shape (D,).
        loadings: on the factors, shape (D, r).
        rest: covariance, given the factors, shape (D, D).
        noise: how much noisier than usual its results are.
        auxiliary: what else is expected of its networks, shape (L,).
        auxiliary_unknown: variance of that, shape (L,).
    """

    mean: np.ndarray
    loadings: np.ndarray
    rest: np.ndarray
    noise: float
    auxiliary: np.ndarray
    auxiliary_unknown: np.ndarray


@dataclass(frozen=True, eq=False)
class Observed:
    """m numbers that one network showed: H (theta - mu) + G n + F z + rest.

    Attributes:
        values: less what is expected of them, shape (m,).
        of_results: H, shape (m, D).
        of_luck: G, shape (m, D).
        of_factors: F, beside what factors do to theta, shape (m, r).
        of_shared: of what networks of a task share beside curves, shape (m, L).
        rest: covariance, shape (m, m), less what `bend` adds to it.
        bend: times the variances of theta + n, for a curve is no straight line, shape (m, D).
        variance: binomial variances that its curve has, shape (D,); NaN where nothing was seen.
    """

    values: np.ndarray
    of_results: np.ndarray
    of_luck: np.ndarray
    of_factors: np.ndarray
    of_shared: np.ndarray
    rest: np.ndarray
    bend: np.ndarray
    variance: np.ndarray


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
        auxiliary: what training losses and layers say; None: they are not read.
    """

    def __init__(
        self, *, space: SearchSpace, points: Sequence[Mapping[str, Any]], names: Sequence[str],
        channels: Channels, scale: str, factors: FactorModel, noise: RunNoise,
        kernel: ArchitectureKernel, n_validation: int, auxiliary: AuxiliaryModel | None = None,
    ) -> None:  # fmt: skip
        self.auxiliary = auxiliary
        self.space, self.points, self.names = space, [dict(p) for p in points], list(names)
        self.channels, self.scale_name, self.factors = channels, scale, factors
        self.noise, self.kernel, self.n_validation = noise, kernel, n_validation
        self._place = {self.key(point): k for k, point in enumerate(self.points)}
        self._named = dict(zip(self.names, self._place, strict=True))
        self._others: dict[Key, Architecture] = {}
        self._rungs: dict[int, float] = {}
        empty = np.zeros((len(self.points), 0))
        self._constants = empty if auxiliary is None else auxiliary.constant
        self._nothing = np.zeros(self._constants.shape[1])
        self._orders: dict[Key, str] = {}
        self._seen: dict[Any, tuple[Block, np.ndarray]] = {}

    def with_auxiliary(self, auxiliary: AuxiliaryModel | None) -> ResultModel:
        """The same Gaussian, with other measurements of networks beside their curves."""
        return ResultModel(
            space=self.space, points=self.points, names=self.names, channels=self.channels,
            scale=self.scale_name, factors=self.factors, noise=self.noise, kernel=self.kernel,
            n_validation=self.n_validation, auxiliary=auxiliary,
        )  # fmt: skip

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
            float(self.noise.factor[place]), self._constants[place], self._nothing,
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
        usual = self._constants.mean(axis=0)
        constants = usual + weights @ (self._constants - usual)
        scatter = self._constants.var(axis=0)
        for i, key in enumerate(keys):
            if len(self._others) > MOST_KEPT:
                self._others.clear()
            self._others[key] = Architecture(
                means[i], carried[i], rest + unknown[i] * apart, float(factors[i]),
                constants[i], unknown[i] * scatter,
            )  # fmt: skip

    def _order(self, key: Key) -> str:
        """What sorts architectures, whatever the order of the evidence."""
        if key not in self._orders:
            self._orders[key] = repr(key)
        return self._orders[key]

    # Evidence --------------------------------------------------------------------------------

    def blocks(
        self, records: Iterable[Record], n_validation: int | None
    ) -> tuple[dict[Key, Block], np.ndarray]:
        """What was observed of each architecture, and the covariance of the shared noise.

        Args:
            records: of networks at epochs.
            n_validation: rows that they were judged on.

        Returns:
            key -> its block; and the covariance of the shared noise of the evidence channels.
        """
        rows = float(n_validation or self.n_validation)
        runs: dict[Key, dict[int, list[Record]]] = {}
        known: dict[str | Key, Key] = {}
        for record in records:
            if record.architecture not in known:
                known[record.architecture] = self.key_of(record.architecture)
            key = known[record.architecture]
            runs.setdefault(key, {}).setdefault(record.seed, []).append(record)
        keys = sorted(runs, key=self._order)
        blocks, variances = {}, []
        for key, architecture in zip(keys, self.architectures(keys), strict=True):
            # Of a search only the last trial is new: the others' blocks are as they were.
            same = key, rows, tuple((s, frozenset(runs[key][s])) for s in sorted(runs[key]))
            if same not in self._seen:
                if len(self._seen) > MOST_KEPT:
                    self._seen.clear()
                self._seen[same] = self._block(
                    architecture,
                    [self._observed(runs[key][s], rows, architecture) for s in sorted(runs[key])],
                )
            block, variance = self._seen[same]
            if len(block.values):
                blocks[key] = block
                variances.append(variance)
        return blocks, self._shared(variances, rows)

    def _shared(self, variances: Sequence[np.ndarray], rows: float) -> np.ndarray:
        """Covariance of what networks share, by the usual binomial variances of what was seen."""
        size = self.channels.evidence
        filled = np.full(len(self.channels), 1.0 / rows)
        if variances:
            table = np.array(variances)
            seen = np.isfinite(table).any(axis=0)
            filled[seen] = np.nanmedian(table[:, seen], axis=0)
        more = len(self._nothing)
        shared = np.zeros((size + more, size + more))
        shared[:size, :size] = self.noise.shared(filled)[:size, :size]
        if self.auxiliary is not None:
            shared[size:, size:] = self.auxiliary.shared
        return shared

    def _observed(
        self, records: Sequence[Record], rows: float, architecture: Architecture
    ) -> Observed:
        """What one network showed: its learning curve, then what else is known of it."""
        # Of several epochs between two rungs the last one says it all.
        latest: dict[tuple[int, bool], tuple[float, Record]] = {}
        for record in sorted(records, key=_content):
            place = self._rung(record.epoch)
            if not (np.isnan(record.accuracy) and np.isnan(record.loss)):
                latest[int(place), place == int(place)] = place, record
        count, size = len(latest), len(self.channels)
        accuracy = np.array([record.accuracy for _, record in latest.values()])
        loss = np.array([record.loss for _, record in latest.values()])
        places = np.array([place for place, _ in latest.values()])
        low = np.minimum(places.astype(int), max(len(self.channels.epochs) - 2, 0))
        share, order = places - low, np.arange(count)
        weights, values, spreads = [], [], []
        for quantity, given, (value, spread) in (
            ("validation_accuracy", accuracy, of_accuracy(self.scale, accuracy, np.array(rows))),
            ("validation_loss", loss, of_loss(loss, np.array(rows))),
        ):
            h, first = np.zeros((count, size)), self.channels.place(quantity, 0)
            h[order, first + low] = 1.0 - share
            h[order, first + np.minimum(low + 1, len(self.channels.epochs) - 1)] += share
            known = ~np.isnan(given)
            weights.append(h[known])
            values.append(value[known])
            spreads.append(spread[known])
        h, spread = np.concatenate(weights), np.concatenate(spreads)
        total = h.sum(axis=0)
        variance = np.where(total > 0.0, spread @ h / np.where(total > 0.0, total, 1.0), np.nan)
        off = np.concatenate(values) - h @ architecture.mean
        curve = Observed(
            off, h, h, np.zeros((len(h), self.size)), np.zeros((len(h), len(self._nothing))),
            np.diag(np.full(len(h), _JITTER)), h * (1.0 - h), variance,
        )  # fmt: skip
        if self.auxiliary is None:
            return curve
        return self._beside(self.auxiliary, curve, records, architecture)

    def _beside(
        self, model: AuxiliaryModel, curve: Observed, records: Sequence[Record],
        architecture: Architecture,
    ) -> Observed:  # fmt: skip
        """A network's curve and, below it, what else is known of it."""
        places, values = model.read(records)
        if not len(places):
            return curve
        n, m = len(curve.values), len(places)
        rest = np.zeros((n + m, n + m))
        rest[:n, :n] = curve.rest
        rest[n:, n:] = model.rest[np.ix_(places, places)]
        rest[range(n, n + m), range(n, n + m)] += architecture.auxiliary_unknown[places]
        return Observed(
            np.concatenate([curve.values, values - architecture.auxiliary[places]]),
            np.concatenate([curve.of_results, model.of_results[places]]),
            np.concatenate([curve.of_luck, model.of_luck[places]]),
            np.concatenate([curve.of_factors, model.of_factors[places]]),
            np.concatenate([curve.of_shared, np.eye(len(self._nothing))[places]]),
            rest, np.concatenate([curve.bend, np.zeros((m, len(self.channels)))]), curve.variance,
        )  # fmt: skip

    def _rung(self, epoch: int) -> float:
        """Where an epoch lies between the rungs, from 0 to the last one's index."""
        epochs = self.channels.epochs
        if epoch not in self._rungs:
            places = np.arange(len(epochs), dtype=np.float64)
            self._rungs[epoch] = float(np.interp(np.log(epoch), np.log(epochs), places))
        return self._rungs[epoch]

    def _block(
        self, architecture: Architecture, seen: Sequence[Observed]
    ) -> tuple[Block, np.ndarray]:
        """All networks of one architecture: their rest is one, their noise is each one's own."""
        h = np.concatenate([network.of_results for network in seen])
        g = np.concatenate([network.of_luck for network in seen])
        f = np.concatenate([network.of_factors for network in seen])
        s = np.concatenate([network.of_shared for network in seen])
        covariance = h @ architecture.rest @ h.T
        start = 0
        for network in seen:
            end = start + len(network.values)
            luck = self.noise.own(np.nan_to_num(network.variance), architecture.noise)
            own = network.of_luck @ luck @ network.of_luck.T
            bend = np.einsum("md,md->m", network.bend, np.diag(architecture.rest + luck)[None])
            covariance[start:end, start:end] += own + (network.rest + np.diag(bend))
            start = end
        size = self.channels.evidence
        block = Block(
            values=np.concatenate([network.values for network in seen]),
            loadings=np.concatenate([h @ architecture.loadings + f, g[:, :size], s], axis=1),
            covariance=covariance,
            with_final=h @ architecture.rest[:, TEST:],
        )
        return block, np.fmax.reduce([network.variance for network in seen])

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
        """Test accuracy and score of architectures, given the common coordinates and blocks."""
        others = np.zeros((2, self.channels.evidence + len(self._nothing)))
        results = []
        for key, architecture in zip(keys, self.architectures(keys), strict=True):
            prior = Final(
                architecture.mean[TEST:],
                np.concatenate([architecture.loadings[TEST:], others], axis=1),
                architecture.rest[TEST:, TEST:],
            )
            results.append(final_given(blocks[key], prior) if key in blocks else prior)
        return results


def _content(record: Record) -> tuple[int, str]:
    """What sorts the records of one network, whatever the order of the evidence."""
    return record.epoch, repr((record.accuracy, record.loss, record.train_loss, record.layers))
