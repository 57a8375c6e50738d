"""The trials of a study as learning curves of networks: what a predictor takes as evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from infoprior.predictors._errors import PredictorError
from infoprior.predictors._records import Record
from infoprior.predictors._result_model import Key
from infoprior.priors._search.finished import NewlyFinished
from infoprior.priors._trial import ERROR, PROMOTES, RUNG, resumed_from
from infoprior.spaces import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from infoprior.spaces import SearchSpace

METRICS = ("accuracy", "error", "loss")
LOSSES = "validation_loss"
"""A trial's user attribute: step -> validation loss in nats, beside the accuracies it reports."""


def metric_of(study: Study, metric: str | None) -> str:
    """What a study's trials report; None: "accuracy" where it is maximised, else "error".

    Raises:
        PredictorError: there is no such metric, the study goes the other way, or it has several
            objectives.
    """
    if len(study.directions) != 1:
        raise PredictorError("The study has several objectives; a predictor needs one.")
    maximized = study.direction == StudyDirection.MAXIMIZE
    if metric is None:
        return "accuracy" if maximized else "error"
    if metric not in METRICS:
        raise PredictorError(f"There is no metric {metric!r}; choose one of {list(METRICS)}.")
    if maximized != (metric == "accuracy"):
        goal = "maximize" if metric == "accuracy" else "minimize"
        raise PredictorError(f"The metric {metric!r} needs a study with direction={goal!r}.")
    return metric


@dataclass(frozen=True)
class TrialReader:
    """Reads a trial as a point of the predictor's space and its learning curve.

    Attributes:
        space: the predictor's.
        assumed: values of parameters that a trial does not have.
        metric: what trials report, one of `METRICS`.
        last: the epoch of a final value where nothing else was reported.
        offset: added to a network's number: the seed of its records.
    """

    space: SearchSpace
    assumed: Mapping[str, Any]
    metric: str
    last: int
    offset: int = 0

    def key(self, params: Mapping[str, Any]) -> Key | None:
        """The architecture of a trial's parameters; None where it lies outside of the space."""
        known = {name: value for name, value in params.items() if name in self.space}
        try:
            point = self.space.validate({**self.assumed, **known})
        except SpaceError:
            return None
        return tuple(sorted(point.items()))

    def records(self, trial: FrozenTrial, key: Key, network: int) -> dict[int, Record]:
        """epoch -> what the trial reported there.

        Raises:
            PredictorError: a value is none of the metric's.
        """
        reported = dict(trial.intermediate_values)
        if not reported and trial.state == TrialState.COMPLETE and trial.value is not None:
            reported = {self.last: trial.value}
        losses = trial.user_attrs.get(LOSSES)
        losses = losses if isinstance(losses, Mapping) else {}
        return {
            step: self._record(key, network, step, value, losses.get(str(step), losses.get(step)))
            for step, value in reported.items()
            if step >= 1
        }

    def _record(self, key: Key, network: int, epoch: int, value: float, loss: Any) -> Record:
        if self.metric == "loss":
            loss = math.inf if math.isnan(value) else value
            return Record(key, network + self.offset, epoch, math.nan, loss)
        accuracy = value if self.metric == "accuracy" else 1.0 - value
        if not (0.0 <= accuracy <= 1.0 or math.isnan(accuracy)):
            raise PredictorError(
                f"Trial {network} reported {value!r} at step {epoch}; as {self.metric} that needs "
                "to lie in [0, 1]. Report shares, or say metric='loss'."
            )
        known = math.nan if loss is None else float(loss)
        return Record(key, network + self.offset, epoch, accuracy, known)


@dataclass(frozen=True, eq=False)
class Network:
    """One network of a study: a trial, and those that continued it.

    Attributes:
        number: of the trial that it began in.
        key: its architecture; None outside of the predictor's space.
        records: epoch -> result.
        trial: the latest.
        open: whether it was paused at a rung and can be continued.
    """

    number: int
    key: Key | None
    records: Mapping[int, Record]
    trial: FrozenTrial
    open: bool = False

    @cached_property
    def curve(self) -> tuple[Record, ...]:
        """Its results by epoch; always the same object, by which to tell that nothing is new."""
        return tuple(self.records[epoch] for epoch in sorted(self.records))

    @property
    def reached(self) -> int:
        """The last epoch that it was trained for."""
        return max(self.records, default=0)


@dataclass
class StudyNetworks:
    """The networks of one study, kept up from trial to trial.

    Finished trials are read once; those that still run at every update.
    """

    reader: TrialReader
    ended: dict[int, Network] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    _new: NewlyFinished = field(default_factory=NewlyFinished)
    _first: dict[int, int] = field(default_factory=dict)  # trial -> the first of its network
    _killed: set[int] = field(default_factory=set)

    def update(self, trials: Sequence[FrozenTrial], asking: int = -1) -> dict[int, Network]:
        """All networks with a result or one to come: by the number of their first trial.

        Args:
            trials: all of the study.
            asking: the number of a trial that is just being decided on, and left out.
        """
        ended, running = self._new.update(trials)
        for trial in ended:
            network = self._with(self.ended, trial)
            if network is not None:
                self.ended[network.number] = network
            self.distributions.update(trial.distributions)
        networks = dict(self.ended)
        for trial in running:
            if trial.number != asking:
                network = self._with(networks, trial)
                if network is not None:
                    networks[network.number] = network
        return networks

    def _with(self, networks: Mapping[int, Network], trial: FrozenTrial) -> Network | None:
        """The network of a trial after it; None where the trial says nothing."""
        paused = resumed_from(trial)
        old = None if paused is None else networks.get(self._first.get(paused.number, -1))
        promotes = trial.user_attrs.get(PROMOTES)
        if old is None and promotes is not None and not trial.state.is_finished():
            # Its parameters are still to be asked for: the paused one is taken already.
            old = networks.get(self._first.get(promotes, -1))
        if old is None and trial.state == TrialState.FAIL and not trial.params:
            return None
        number = trial.number if old is None else old.number
        if trial.state.is_finished():
            self._first[trial.number] = number
        killed = trial.state == TrialState.FAIL and ERROR not in trial.user_attrs
        if old is not None and killed and number not in self._killed:
            self._killed.add(number)  # by an interruption: it can be tried once more
            return old
        key = self.reader.key(trial.params) if old is None else old.key
        records = {} if old is None else dict(old.records)
        if key is not None:
            records |= self.reader.records(trial, key, number)
        rung, step = trial.user_attrs.get(RUNG), trial.last_step
        stopped = trial.state == TrialState.PRUNED and rung is not None and step is not None
        return Network(number, key, records, trial, stopped and int(step or 0) >= int(rung or 0))
