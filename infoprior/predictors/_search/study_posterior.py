"""What a predictor says of one study: a posterior, how far to trust it, and what to train next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from infoprior._arguments import instance_of
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import Evidence, check_evidence
from infoprior.predictors._performance import PerformancePredictor
from infoprior.predictors._posterior import SCORE, Posterior
from infoprior.predictors._scales import SCALES, of_accuracy, of_loss
from infoprior.predictors._search.candidates import points_within
from infoprior.predictors._search.lookahead import Lookahead, expected_improvement
from infoprior.predictors._search.networks import Key, Network, StudyNetworks, TrialReader
from infoprior.predictors._search.trust import Trust, exchangeable
from infoprior.spaces import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._records import Record
    from infoprior.predictors._result_model import ResultModel

Params = dict[str, Any]
Curve = tuple["Record", ...]
Cost = Callable[[Mapping[str, Any]], float]
ACQUISITIONS = ("improvement", "thompson")
MEAN = "mean"
"""Besides these: the highest expected score, whatever could be learned."""


@dataclass(frozen=True)
class Varied:
    """What a study varies of a predictor's space, and what that costs.

    Attributes:
        fixed: parameters that the study does not vary, and their values.
        candidates: points to propose; None: the recorded architectures.
        cost: of training a network of these params for one epoch, in any unit; None: all the same.
    """

    fixed: Mapping[str, Any] | None = None
    candidates: Sequence[Mapping[str, Any]] | None = None
    cost: Cost | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """What the next trial could train.

    Attributes:
        key: the architecture's.
        epochs: at which its result would be seen.
        cost: of that, in epochs of an average network.
        network: the paused one that it continues; None for a new one.
        gain: expected, of the best score by a training; infinite where that was not asked.
    """

    key: Key
    epochs: tuple[int, ...]
    cost: float
    network: Network | None = None
    gain: float = np.inf

    @property
    def params(self) -> Params:
        return dict(self.key)


class StudyPosterior:
    """A predictor's posterior of one study's trials, kept up from trial to trial.

    All of it follows from the trials: nothing is remembered that is not in the study.

    Args:
        predictor: fitted.
        evidence: what is known of the task besides the study.
        metric: what trials report, one of `METRICS`.
        varied: what the study varies, and at what cost.

    Raises:
        PredictorError: an argument is of another type, or a point does not fit the space.
    """

    def __init__(
        self, predictor: PerformancePredictor, evidence: Evidence, metric: str, varied: Varied
    ) -> None:
        fixed, candidates, cost = varied.fixed, varied.candidates, varied.cost
        self._predictor, self._evidence = predictor, evidence
        self._model = model = predictor._require_fitted().model
        start = predictor.posterior(evidence)
        self._fixed = dict(fixed or {})
        assumed = checked_point(model, {**start.best(1)[0], **self._fixed}, "fixed")
        self._points = start.points
        if candidates is not None:
            self._points = [checked_point(model, point, "candidates") for point in candidates]
        self._cost, self._usual = cost, 1.0
        if cost is not None:
            self._usual = float(np.mean([self._costs(cost, p) for p in self._points]))
        offset = max((record.seed for record in evidence.records), default=-1) + 1
        reader = TrialReader(model.space, assumed, metric, model.channels.epochs[-1], offset)
        self._networks = StudyNetworks(reader)
        self._rows = float(evidence.n_validation or model.n_validation)
        self._start_runs = _runs_of(model, evidence.records)
        self._stages = start._stages[: -1 if evidence.records else None]
        before = self._stages[-1][1]
        self._before = before.mean, before.covariance
        self._lookahead = Lookahead(model, before.mean, self._rows)
        self._trust, self._alike = Trust(model, self._rows), exchangeable(model)
        self._asked: dict[str, BaseDistribution] | None = None
        self._moved: list[Key] = []
        self.networks: dict[int, Network] = {}
        self.runs: dict[Key, list[Curve]] = {}
        self.posterior = start
        self._shared = before.covariance[model.size :, model.size :]
        # Of each architecture what its curves say, and its score given that, until there are more.
        self._blocks: dict[Key, tuple[list[Curve], Block, np.ndarray]] = {}
        self._scores: dict[Key, tuple[Block | None, float, np.ndarray]] = {}

    @staticmethod
    def _costs(cost: Cost, point: Mapping[str, Any]) -> float:
        value = float(cost(dict(point)))
        if not (np.isfinite(value) and value > 0.0):
            raise PredictorError(f"cost gave {value!r} for {dict(point)}; it needs to be above 0.")
        return value

    def update(self, trials: Sequence[FrozenTrial], asking: int = -1) -> None:
        """Take account of all trials of the study but the one that is being decided on."""
        self.networks = self._networks.update(trials, asking)
        runs = {key: list(curves) for key, curves in self._start_runs.items()}
        for _, network in sorted(self.networks.items()):
            if network.key is not None and network.records:
                runs.setdefault(network.key, []).append(network.curve)
        self.runs = runs
        # As `PerformancePredictor.posterior` does it, but only what is new is looked at.
        model = self._model
        blocks, variances = {}, []
        for key in sorted(runs, key=model._order):
            _, block, variance = self._block(key, runs[key])
            if len(block.values):
                blocks[key] = block
                variances.append(variance)
        self._shared = model._shared(variances, self._rows)
        common = model.common(self._factors(), self._shared, blocks)
        stages = [*self._stages, ("curves", common, blocks)] if blocks else self._stages
        self.posterior = Posterior(model, stages, self._predictor.prior_settings)

    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the task's factors before its curves."""
        (mean, covariance), size = self._before, self._model.size
        return mean[:size], covariance[:size, :size]

    def _block(self, key: Key, curves: list[Curve]) -> tuple[list[Curve], Block, np.ndarray]:
        known = self._blocks.get(key)
        if known is None or not (
            len(known[0]) == len(curves)
            and all(a is b for a, b in zip(known[0], curves, strict=True))
        ):
            (architecture,) = self._model.architectures([key])
            seen = [self._model._observed(curve, self._rows, architecture) for curve in curves]
            known = self._blocks[key] = curves, *self._model._block(architecture, seen)
        return known

    def _score(self, keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
        """Offsets (n,) and rows (n, u) of scores, given what was observed of each architecture."""
        blocks = self.posterior._blocks
        new = [
            key for key in keys
            if key not in self._scores or self._scores[key][0] is not blocks.get(key)
        ]  # fmt: skip
        for key, final in zip(new, self._model.finals(new, blocks), strict=True):
            self._scores[key] = blocks.get(key), float(final.offset[SCORE]), final.row[SCORE]
        known = [self._scores[key] for key in keys]
        return np.array([offset for _, offset, _ in known]), np.array([row for *_, row in known])

    def trust(self) -> float:
        """The probability that the predictor is to be followed here."""
        mean, covariance = self._before
        covariance = covariance.copy()
        size = self._model.size
        covariance[size:, size:] = self._shared
        return self._trust.probability(mean, covariance, self.runs)

    def without_names(self) -> Posterior:
        """The posterior had the predictor known nothing of which architecture is which."""
        records = [r for curves in self.runs.values() for curve in curves for r in curve]
        blocks, shared = self._alike.blocks(records, self._evidence.n_validation)
        common = self._alike.common(self._factors(), shared, blocks)
        return Posterior(self._alike, [("trials", common, blocks)], self._predictor.prior_settings)

    def ranking(
        self, rungs: Sequence[int] | None, acquisition: str, rng: np.random.Generator,
        pending: Sequence[Mapping[str, Any]] = (),
    ) -> list[Candidate]:  # fmt: skip
        """What could be trained next, the best first.

        Args:
            rungs: the steps at which trials stop, ascending; None: they are trained to the end.
            acquisition: one of `ACQUISITIONS`, or `MEAN`.
            rng: of Thompson draws.
            pending: points of trials that have been decided on, and are not in the study yet.
        """
        open_, closed = self._candidates(rungs, {tuple(sorted(p.items())) for p in pending})
        if not open_:
            return []
        keys = [candidate.key for candidate in open_] + closed
        n = len(open_)
        offset, rows = self._score(keys)
        mean = offset + rows @ self.posterior._common.mean
        if acquisition == "thompson":
            points = [dict(key) for key in keys[:n]]
            value = self.posterior.sample(1, rng, points, of="score")[0]
        elif acquisition == MEAN:
            value = mean[:n]
        else:
            metric = self._networks.reader.metric
            losses = metric == "loss" or any(
                not np.isnan(curve[-1].loss) for curves in self.runs.values() for curve in curves
            )
            change = self._lookahead.changes(
                self.posterior._common.covariance, rows[:n], keys[:n], self.runs,
                [c.epochs for c in open_], [c.network is not None for c in open_],
                metric != "loss", losses,
            )  # fmt: skip
            change = np.concatenate([change, np.zeros(len(closed))])
            gain = expected_improvement(mean, change)[:n]
            cost = np.array([candidate.cost for candidate in open_])
            # Equal gains (one candidate alone, or none that could change anything) by the mean.
            order = np.lexsort((-mean[:n], -gain / cost))
            return [replace(open_[i], gain=float(gain[i])) for i in order]
        return [open_[i] for i in np.argsort(-value, kind="stable")]

    def known_keys(self, trained_only: bool = False) -> list[Key]:
        """Architectures that could be trained or recommended: candidates, and the study's own.

        Args:
            trained_only: whether only those with results in the study.
        """
        own = [
            network.key
            for _, network in sorted(self.networks.items())
            if network.key is not None and (network.records or not trained_only)
        ]
        return list(dict.fromkeys([*(() if trained_only else self._within()), *own]))

    def _within(self) -> list[Key]:
        """The candidates where the study can go."""
        asked = self._networks.distributions
        if self._asked != asked:
            points = points_within(self._model.space, self._points, asked, self._fixed)
            self._asked, self._moved = dict(asked), [tuple(sorted(p.items())) for p in points]
        return self._moved

    def results(self, keys: Sequence[Key]) -> np.ndarray:
        """Best result of each at the latest epoch that any of them has one at, shape (n,).

        Accuracies, or logarithms of losses with their signs turned, in the standard errors that the
        rows leave the best of them; -inf where there is no result at that epoch.
        """
        losses = self._networks.reader.metric == "loss"
        values: list[dict[int, float]] = []
        for key in keys:
            of_key: dict[int, float] = {}
            for record in itertools.chain(*self.runs.get(key, ())):
                value = -record.loss if losses else record.accuracy
                if not math.isnan(value):
                    of_key[record.epoch] = max(value, of_key.get(record.epoch, -math.inf))
            values.append(of_key)
        last = max(itertools.chain(*values), default=0)
        result = np.full(len(keys), -np.inf)
        at = [i for i, of_key in enumerate(values) if last in of_key]
        if at:
            best, rows = np.array([values[i][last] for i in at]), np.array(self._rows)
            if losses:
                value, variance = of_loss(-best, rows)
                value = -value
            else:
                value, variance = of_accuracy(SCALES["accuracy"], best, rows)
            result[at] = value / np.sqrt(variance[value.argmax()])
        return result

    def latest(self, key: Key) -> Network | None:
        """The network of an architecture that was trained longest; of these the latest."""
        own = [network for network in self.networks.values() if network.key == key]
        return max(own, key=lambda n: (n.reached, n.number), default=None)

    def _candidates(
        self, rungs: Sequence[int] | None, pending: set[Key]
    ) -> tuple[list[Candidate], list[Key]]:
        """Those that can be trained (further), and those that cannot."""
        steps = tuple(rungs or self._model.channels.epochs)
        latest: dict[Key, list[Network]] = {}
        for number in sorted(self.networks):
            network = self.networks[number]
            if network.key is not None:
                latest.setdefault(network.key, []).append(network)
        keys = self.known_keys()
        open_, closed = [], []
        for key in keys:
            networks = latest.get(key, [])
            paused = [network for network in networks if network.open]
            if key in pending or any(
                network.trial.state in (TrialState.RUNNING, TrialState.WAITING, TrialState.COMPLETE)
                for network in networks
            ):
                closed.append(key)
            elif not networks:
                epochs = steps[:1] if rungs else steps
                open_.append(Candidate(key, epochs, epochs[-1] * self._relative(key)))
            elif paused and rungs and paused[-1].reached < steps[-1]:
                reached = paused[-1].reached
                step = next(step for step in steps if step > reached)
                cost = (step - reached) * self._relative(key)
                open_.append(Candidate(key, (step,), cost, paused[-1]))
            else:
                closed.append(key)
        return open_, closed

    def _relative(self, key: Key) -> float:
        return 1.0 if self._cost is None else self._costs(self._cost, dict(key)) / self._usual


def _runs_of(model: ResultModel, records: Sequence[Record]) -> dict[Key, list[Curve]]:
    """Learning curves by architecture, networks in the order of their first record."""
    networks: dict[tuple[Key, int], list[Record]] = {}
    for record in records:
        networks.setdefault((model.key_of(record.architecture), record.seed), []).append(record)
    runs: dict[Key, list[Curve]] = {}
    for (key, _), curve in networks.items():
        runs.setdefault(key, []).append(tuple(sorted(curve, key=lambda r: r.epoch)))
    return runs


def checked_point(model: ResultModel, point: Mapping[str, Any], what: str) -> Params:
    """A point of the predictor's space; PredictorError where it is none."""
    try:
        return model.space.validate(point)
    except SpaceError as error:
        raise PredictorError(f"{what}: {error}") from error


def check_predictor(predictor: object, evidence: object) -> None:
    """PredictorError where either is of another type, or the predictor is not fitted."""
    remedy = "give a PerformancePredictor"
    instance_of(predictor, PerformancePredictor, "predictor", remedy, PredictorError)
    assert isinstance(predictor, PerformancePredictor)
    predictor._require_fitted()
    check_evidence(evidence)
