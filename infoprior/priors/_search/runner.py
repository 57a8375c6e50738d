"""Run a study up to a number of trials, alone or beside other workers, and show how far it is."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from .._checks import flag, seconds, study_of, whole
from .._errors import PriorError
from .._trial import ERROR, STALE, write_notes
from .finished import NewlyFinished
from .wrapping import WrappingSampler

if TYPE_CHECKING:
    from tqdm import tqdm

Callback = Callable[[optuna.Study, FrozenTrial], None]


def optimize(
    study: optuna.Study,
    objective: Callable[[Trial], float],
    n_trials: int,
    *,
    n_jobs: int = 1,
    timeout: float | None = None,
    progress: bool | None = None,
    catch: Iterable[type[Exception]] | type[Exception] = (),
    callbacks: Iterable[Callback] = (),
) -> optuna.Study:
    """Run trials until the study has `n_trials` of them, whoever ran them.

    The number is the study's: call it again with the same number after a stop, or in four
    processes at once, and it ends at that number altogether. Workers do not wait for each other,
    so at most one trial for each other worker (process or thread) may come on top. Trials count
    that were completed or pruned, and those whose objective failed here (it raised one of
    `catch`, or did not return one number for each of the study's directions); why is kept in
    their user attribute ``infoprior:error``. Those that a killed worker left behind do not count:
    see `fail_stale`.

    Ctrl-C and exceptions leave a study that can be continued. Where trials are promoted and none
    is trained to the end within `n_trials`, a warning of Optuna's logger says so at once.

    Args:
        study: `hyperband_study`'s, or any other.
        objective: of an Optuna trial.
        n_trials: finished trials of the study, all processes together, at which to stop.
        n_jobs: threads of this process; -1 for as many as there are cores.
        timeout: seconds after which no new trial is begun.
        progress: a bar on standard error with the study's finished trials, the time left and the
            best value; it moves when a trial of this process ends. None: on a terminal only.
        catch: exceptions of the objective that fail its trial and not the call.
        callbacks: called with the study and a frozen trial after each of this process.

    Returns:
        The study.

    Raises:
        PriorError: an argument is of the wrong type or out of its range.
    """
    study = study_of("study", study)
    if not callable(objective):
        raise PriorError(f"objective: needs a function of a trial, got {objective!r}.")
    n_trials = whole("n_trials", n_trials, 0)
    n_jobs = whole("n_jobs", n_jobs, 1, -1)
    timeout = seconds("timeout", timeout)
    progress = None if progress is None else flag("progress", progress)
    catch, callbacks = _exceptions(catch), _callbacks(callbacks)
    tally = _Tally(study)
    done = tally.update()
    _warn_of_none_full(study, max(done, n_trials))
    if done >= n_trials:
        return study
    with _bar(progress, done, n_trials) as bar:

        def after(study: optuna.Study, _: FrozenTrial) -> None:
            n = tally.update()
            if bar is not None:
                _show(bar, n, tally.best)
            if n >= n_trials:
                study.stop()

        study.optimize(
            _saying_why(objective, len(study.directions)),
            timeout=timeout,
            n_jobs=n_jobs,
            catch=catch,
            callbacks=[*callbacks, after],
        )
    if tally.update() < n_trials:  # the timeout's doing
        _warn_of_none_full(study, tally.update())
    return study


class _Tally:
    """How many trials of a study count, and the best one, kept up from trial to trial."""

    def __init__(self, study: optuna.Study) -> None:
        self._study, self._new, self._lock = study, NewlyFinished(), threading.Lock()
        self._single = len(study.directions) == 1
        maximize = self._single and study.direction == StudyDirection.MAXIMIZE
        self._sign, self._n = -1.0 if maximize else 1.0, 0
        self.best: FrozenTrial | None = None  # in a study with one objective

    def update(self) -> int:
        """The number that counts now."""
        with self._lock:
            for trial in self._new.update(self._study.get_trials(deepcopy=False))[0]:
                self._n += _counts(trial)
                if self._single and trial.state == TrialState.COMPLETE:
                    self.best = min(self.best or trial, trial, key=self._loss)
            return self._n

    def _loss(self, trial: FrozenTrial) -> tuple[float, int]:
        return self._sign * (trial.value or 0.0), trial.number


def _exceptions(catch: Any) -> tuple[type[Exception], ...]:
    listed = (catch,) if isinstance(catch, type) else catch
    try:
        kinds = tuple(listed)
    except TypeError:
        kinds = (catch,)
    if isinstance(catch, str) or not all(
        isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds
    ):
        raise PriorError(f"catch: needs classes of exceptions, got {catch!r}.")
    return kinds


def _callbacks(callbacks: Any) -> list[Callback]:
    try:
        listed = list(callbacks)
    except TypeError:
        listed = [None]
    if not all(callable(callback) for callback in listed):
        raise PriorError(f"callbacks: needs a list of functions, got {callbacks!r}.")
    return listed


def _warn_of_none_full(study: optuna.Study, n_trials: int) -> None:
    """Say that a study which promotes has no best trial within so many."""
    first = getattr(study.sampler, "first_full", None)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if first is not None and n_trials <= first and not complete:
        optuna.logging.get_logger("optuna").warning(
            f"The study {study.study_name!r} will have no best trial within {n_trials} trials: "
            f"trial {first} is the first to be trained to the end. Ask for n_trials of "
            f"{first + 1} or more."
        )


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count, see `optimize`: all that ended but those of killed workers."""
    return [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]


def _counts(trial: FrozenTrial) -> bool:
    ended = trial.state.is_finished()
    return ended and (trial.state != TrialState.FAIL or ERROR in trial.user_attrs)


def fail_stale(study: optuna.Study, *, older_than: float | None = None) -> list[int]:
    """Fail the trials that a killed worker left running.

    They do no harm: no sampler learns from them, and `optimize` does not count them. But they
    look like running ones, and only the caller can know that they aren't (a database can:
    see `hyperband_study`'s `heartbeat`).

    Where the study's sampler is a `PriorSampler` that was given the storage, as by
    `hyperband_study`, their user attribute ``infoprior:stale`` says what happened, and they count
    for or against no source. Everywhere they are FAIL without an ``infoprior:error``.

    Args:
        study: whose trials.
        older_than: seconds; younger trials are left alone. Give it where other workers run, and
            longer than any trial takes: a worker cannot finish a trial that was failed. None: no
            worker runs, and all of them are stale. The worker's clock is compared with this one's.

    Returns:
        Their numbers.

    Raises:
        PriorError: `study` is no study, or `older_than` no number of seconds.
    """
    study, older_than = study_of("study", study), seconds("older_than", older_than)
    failed = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if older_than is not None:
            age = datetime.now() - (trial.datetime_start or datetime.now())
            if age.total_seconds() <= older_than:
                continue
        # Another process may be ahead of this one.
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            _mark_stale(study, trial.number)
            told = study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            if told.state == TrialState.FAIL:
                failed.append(trial.number)
    return failed


def _mark_stale(study: optuna.Study, number: int) -> None:
    # Optuna lets one write into another worker's trial by the storage only.
    storage = study.sampler.storage if isinstance(study.sampler, WrappingSampler) else None
    if storage is not None:
        write_notes(storage, study, number, {STALE: True})


def _saying_why(objective: Callable[[Trial], float], n_values: int) -> Callable[[Trial], float]:
    # Also what tells a trial that failed from one that was left behind.
    def run(trial: Trial) -> float:
        try:
            value = objective(trial)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr(ERROR, repr(error)[:1000])
            raise
        if not _is_value(value, n_values):
            trial.set_user_attr(ERROR, f"returned {value!r}"[:1000])
        return value

    return run


def _is_value(value: Any, n_values: int) -> bool:
    """Whether Optuna takes it: one number for each of the study's directions."""
    values = value if isinstance(value, Sequence) else [value]
    try:
        return len(values) == n_values and not any(math.isnan(float(v)) for v in values)
    except (TypeError, ValueError, OverflowError):
        return False


@contextlib.contextmanager
def _bar(progress: bool | None, done: int, n_trials: int) -> Iterator[tqdm | None]:
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if not progress:
        yield None
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    # Optuna's own lines go above the bar instead of through it.
    loggers = [optuna.logging.get_logger("optuna")]
    with (
        tqdm(total=n_trials, initial=done, unit="trial", file=sys.stderr) as bar,
        logging_redirect_tqdm(loggers=loggers),
    ):
        yield bar


def _show(bar: tqdm, n: int, best: FrozenTrial | None) -> None:
    if best is not None:
        bar.set_postfix_str(f"best {best.value:.6g} (trial {best.number})", refresh=False)
    bar.total = max(bar.total, n)  # the trials that came on top
    bar.n = n
    bar.refresh()
