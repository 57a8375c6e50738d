"""A real search: Optuna, Hyperband, a prior, and networks that are trained.

Replays answer the same question for many priors at once; this checks that the answer holds where
nothing is recorded: architectures come from the whole space, and Hyperband decides, by promotion as
in `hyperband_study`, or by Optuna's own pruner (Li et al., MLSys 2020, without pausing: a trial is
judged when it reaches a rung, against those that reached it before).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from infoprior._arguments import (
    check_seed,
    data_frame,
    instance_of,
    number_list,
    real_number,
    whole_number,
)
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._metrics import RegretScale
from infoprior.evaluation._replay import epochs_at_rungs
from infoprior.priors import PriorError, fail_stale, hyperband_study, optuna_brackets, resumed_from

if TYPE_CHECKING:
    from infoprior.priors import Prior
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

_BASES = {
    None: None,
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
}
_ATTRIBUTE = "infoprior"


def live_study(
    task: Task,
    prior: Prior | None,
    *,
    space: SearchSpace,
    promote: bool = True,
    base_sampler: str | None = None,
    weight: float = 0.25,
    adaptive: bool = True,
    seed: int = 0,
    budget_epochs: int | None = None,
    n_trials: int | None = None,
    max_epochs: int = 27,
    eta: int = 3,
    start_cost: float = 0.0,
    storage: str | Path | None = None,
    study_name: str | None = None,
) -> pd.DataFrame:
    """Search on a task with `hyperband_study`, training real networks.

    The samplers' draws in trial t depend on (seed, t), and the network's seed too: a trial
    depends on the seed, its number and the trials before it only. So the same call gives the
    same rows, a larger budget the same rows up to the one that the smaller budget cut short,
    and a study with a ``storage`` that was stopped between trials continues as if it hadn't been.

    A promoted trial is the network of the trial that was paused, trained further. What is charged
    are the further epochs, as if its weights had been kept; they are trained again here.

    Args:
        task: the data.
        prior: what `PriorSampler` draws from; None for the base sampler alone.
        space: what is searched.
        promote: stop trials at rungs and promote the best, see `hyperband_study`; False is Optuna's
            HyperbandPruner.
        base_sampler: "random" or "tpe": Optuna's sampler beneath (or instead of) the prior. None:
            what `hyperband_study` has by default, local search where it promotes, TPE otherwise.
        weight, adaptive: how much of the sampling the prior gets, see `PriorSampler`.
        seed: everything random.
        budget_epochs: stop when so many epochs are spent, start cost included. It is never
            overrun: the trial that meets it is cut short (state PRUNED, ``cut`` True).
        n_trials: stop after so many trials. At least one of the two is needed.
        max_epochs: a full training; a power of eta.
        eta: reduction factor of Hyperband.
        start_cost: what probes and profiling cost before the first trial, in full trainings.
        storage: path of an Optuna journal; the study continues what it holds. Default: memory.
        study_name: fixed, because Hyperband's brackets depend on it; default: from task and seed.

    Returns:
        One row per trial: ``trial`` (number), ``state`` (COMPLETE, PRUNED or FAIL), ``cut``,
        ``params`` (JSON), ``epochs`` charged, ``reached`` (epochs that the network was trained for
        altogether), ``cost`` (cumulative, full trainings, start cost included),
        ``validation_accuracy`` and ``test_accuracy`` of the network at its last epoch,
        ``incumbent`` (trial number) and ``incumbent_test_accuracy``. The incumbent is the trial of
        the best validation accuracy among those that reached the highest rung so far, as in
        `replay`, and its test accuracy that of the network in hand.

    Raises:
        EvaluationError: neither a budget nor a number of trials, an unknown base, settings out
            of range, or a study in the storage that had other settings.
    """
    _check(task, prior, space)
    seed = check_seed(seed, EvaluationError)
    start_cost = real_number(start_cost, "start_cost", 0.0, error=EvaluationError)
    if n_trials is not None:
        n_trials = whole_number(n_trials, "n_trials", 1, EvaluationError)
    if budget_epochs is not None:
        budget_epochs = whole_number(budget_epochs, "budget_epochs", 1, EvaluationError)
    levels = epochs_at_rungs(max_epochs, eta)
    if not promote and optuna_brackets(max_epochs, reduction_factor=eta) != len(levels):
        raise EvaluationError(f"Optuna miscounts the brackets of max_epochs = {max_epochs}")
    if base_sampler not in _BASES:
        raise EvaluationError(
            f"unknown base_sampler {base_sampler!r}; there are 'random' and 'tpe'"
        )
    if budget_epochs is None and n_trials is None:
        raise EvaluationError("say when to stop: give budget_epochs or n_trials")
    name, memory = study_name or f"{task.name}/{seed}", storage is None
    try:
        study = hyperband_study(
            prior,
            name=name,
            max_resource=max_epochs,
            reduction_factor=eta,
            direction="maximize",
            storage="memory" if memory else storage,
            base_sampler=_BASES[base_sampler],
            weight=weight,
            adaptive=adaptive,
            promote=promote,
            seed=seed,
        )
    except PriorError as error:
        raise EvaluationError(str(error)) from error
    about = {"task": task.name, "space": space.name, "base_sampler": base_sampler or "default"}
    if study.user_attrs.setdefault(_ATTRIBUTE, about) != about:
        raise EvaluationError(f"the study {name!r} in {storage} was run with other settings")
    study.set_user_attr(_ATTRIBUTE, about)
    fail_stale(study)

    budget = math.inf if budget_epochs is None else budget_epochs - start_cost * max_epochs
    budget = math.floor(budget + 1e-6) if math.isfinite(budget) else budget
    trials = study.get_trials(deepcopy=False)
    spent = sum(_charged(trial) for trial in trials)
    number = len(trials)
    while spent < budget and (n_trials is None or number < n_trials):
        spent += _one_trial(study, task, space, max_epochs, budget - spent, seed)
        number += 1
    return _rows(study.get_trials(deepcopy=False), levels, start_cost)


def regret_curve(
    rows: pd.DataFrame, budgets: Sequence[float], *, scale: RegretScale | None = None
) -> pd.DataFrame:
    """The incumbent's test accuracy at given budgets, from the rows of `live_study`.

    A trial counts when it has ended.

    Args:
        rows: of one study.
        budgets: in full trainings.
        scale: what regret is measured by, e.g. that of the task's recorded architectures. A
            live search may find better ones: its regret may be below 0.

    Returns:
        One row per budget: ``budget``, ``incumbent`` (trial number, -1 before the first),
        ``test_accuracy`` and, with a scale, ``regret`` (both NaN before the first: no network
        is not as good as a median one).
    """
    columns = ("cost", "incumbent", "incumbent_test_accuracy")
    data_frame(rows, "rows", columns, EvaluationError)
    allowed = number_list(budgets, "budgets", EvaluationError, least=0)
    if scale is not None:
        instance_of(scale, RegretScale, "scale", "give a RegretScale", EvaluationError)
    cost = rows["cost"].to_numpy(np.float64)
    accuracy = rows["incumbent_test_accuracy"].to_numpy(np.float64)
    last = np.searchsorted(cost, allowed + 1e-9, side="right") - 1
    none = last < 0
    if len(rows) == 0:
        reached, who = np.full(len(last), np.nan), np.full(len(last), -1)
    else:
        reached = np.where(none, np.nan, accuracy[np.maximum(last, 0)])
        who = np.where(none, -1, rows["incumbent"].to_numpy(np.int64)[np.maximum(last, 0)])
    curve = pd.DataFrame({"budget": allowed, "incumbent": who})
    curve["test_accuracy"] = reached
    if scale is not None:
        curve["regret"] = scale.regret(reached)
    return curve


def _check(task: Any, prior: Any, space: Any) -> None:
    from infoprior.priors import Prior
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

    instance_of(task, Task, "task", "give a Task, as read_table returns it", EvaluationError)
    instance_of(space, SearchSpace, "space", "give one of get_space", EvaluationError)
    if prior is not None:
        instance_of(prior, Prior, "prior", "give a Prior, or None", EvaluationError)


def _one_trial(
    study: optuna.Study,
    task: Task,
    space: SearchSpace,
    max_epochs: int,
    budget: float,
    seed: int,
) -> int:
    """Run one trial within the epochs left; how many of them it took."""
    from infoprior.training import train

    trial = study.ask()
    last: dict[str, Any] = {}
    before = 0  # epochs that the paused network was trained for

    def report(epoch: int, row: Mapping[str, Any]) -> None:
        if epoch <= before:
            return
        last.update(
            epochs=epoch,
            validation=float(row["validation_accuracy"]),
            test=float(row["test_accuracy"]),
            cut=False,
        )
        trial.report(last["validation"], step=epoch)
        if epoch >= max_epochs:
            return  # trained to the end: nothing is saved by pruning it now
        if trial.should_prune():
            raise optuna.TrialPruned
        if epoch - before >= budget and not row.get("diverged", False):
            last["cut"] = True
            raise optuna.TrialPruned

    try:
        params = space.suggest(trial)
        first, before = _network(study, trial)
        network_seed = int(np.random.SeedSequence([seed, first, 1]).generate_state(1)[0])
        train(
            task, params, space=space, seed=network_seed, epochs=max_epochs, report=report,
            progress=False,
        )  # fmt: skip
    except optuna.TrialPruned:
        _finish(study, trial, last, TrialState.PRUNED)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        _finish(study, trial, last, TrialState.COMPLETE)
    return int(last["epochs"]) - before


def _network(study: optuna.Study, trial: Trial) -> tuple[int, int]:
    """The trial that a trial's network began in, and the epochs that it was trained for so far."""
    paused = resumed_from(trial)
    if paused is None:
        return trial.number, 0
    trials, first, before = study.get_trials(deepcopy=False), paused.number, paused.step
    while (paused := resumed_from(trials[first])) is not None:
        first = paused.number
    return first, before


def _finish(study: optuna.Study, trial: Trial, last: dict[str, Any], state: TrialState) -> None:
    # Kept with the trial: the rows can be told from the storage alone.
    trial.set_user_attr(_ATTRIBUTE, last)
    if state == TrialState.COMPLETE:
        study.tell(trial, last["validation"])
    else:
        study.tell(trial, state=state)


def _charged(trial: FrozenTrial) -> int:
    """Epochs that a trial was trained: of one that failed, those that it reported."""
    paused, last = resumed_from(trial), trial.last_step
    return 0 if last is None else int(last) - (0 if paused is None else paused.step)


def _rows(
    trials: Iterable[FrozenTrial], levels: tuple[int, ...], start_cost: float
) -> pd.DataFrame:
    rows = []
    spent, best, incumbent, in_hand = 0, (-1, -1.0), -1, math.nan
    for trial in trials:
        spent += _charged(trial)
        last = trial.user_attrs.get(_ATTRIBUTE, {})
        validation, test = last.get("validation", math.nan), last.get("test", math.nan)
        if last:
            rung = sum(level <= last["epochs"] for level in levels)
            if (rung, validation) > best:
                best, incumbent, in_hand = (rung, validation), trial.number, test
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state.name,
                "cut": bool(last.get("cut", False)),
                "params": json.dumps(trial.params, sort_keys=True),
                "epochs": _charged(trial),
                "reached": int(trial.last_step or 0),
                "cost": start_cost + spent / levels[-1],
                "validation_accuracy": validation,
                "test_accuracy": test,
                "incumbent": incumbent,
                "incumbent_test_accuracy": in_hand,
            }
        )
    columns = ["trial", "state", "cut", "params", "epochs", "reached", "cost"]
    columns += ["validation_accuracy", "test_accuracy", "incumbent", "incumbent_test_accuracy"]
    return pd.DataFrame(rows, columns=columns)
