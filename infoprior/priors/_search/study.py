"""A Hyperband study that gives the same trials whoever runs it and however often it stops."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from .._checks import flag, fraction, whole
from .._errors import PriorError
from .._prior import Prior
from .._trial import SETTINGS
from .bases import DealingSampler, make_base_sampler
from .brackets import hyperband_rungs, optuna_brackets
from .local_search import make_local_search
from .promotion import PromotingSampler, Promotion, RungPruner
from .sampler import PriorSampler
from .seeded import MakeSampler, SeededSampler, make_tpe
from .storage import open_storage

_LARGEST = 2**53  # a resource that a float holds too
_Direction = Literal["minimize", "maximize"]


def hyperband_study(
    prior: Prior | None = None,
    *,
    name: str,
    max_resource: int,
    min_resource: int = 1,
    reduction_factor: int = 3,
    direction: _Direction | StudyDirection = "minimize",
    storage: str | os.PathLike[str] | BaseStorage | None = None,
    base_sampler: BaseSampler | MakeSampler | None = None,
    weight: float = 0.25,
    adaptive: bool = True,
    promote: bool | Promotion = True,
    seed: int = 0,
    heartbeat: int | None = None,
) -> optuna.Study:
    """Make, or open again, an Optuna study: Hyperband, a prior, and a storage to share.

    A trial depends on the settings, its number and the trials before it, and on nothing else. So
    the same call gives the same trials; a study that was stopped between two trials continues as
    if it had not been; and workers that open it at once, in as many processes and machines as
    there are, propose different points. (What several workers propose depends on who is ready
    first, and is not the same twice.) That needs a `base_sampler` made by a function, or none: a
    sampler object has a random state of its own, which starts again in each process.

    The settings are kept in the study, and a study is opened with the settings it has only. Of
    `base_sampler` that is the class of its samplers and, if it has one, the function's name; what
    the function gives them (a lambda's number of startup trials, say) can't be seen: give the
    function another name when that changes.

    Args:
        prior: what `PriorSampler` draws from; None for Hyperband with the base sampler alone.
        name: of the study. Optuna puts trial t into the bracket that a checksum of the name and t
            says: another name, other brackets.
        max_resource: the largest step a trial reports, e.g. the epochs of a full training.
        min_resource: the first step at which a trial may be pruned.
        reduction_factor: Hyperband's eta: of each rung's trials one in so many is continued.
        direction: "minimize" or "maximize", or Optuna's `StudyDirection`.
        storage: a path: a journal file, for processes that see one file system. A URL, e.g.
            "postgresql+psycopg://user@host/database": an SQL database, for a cluster. "memory":
            none. Or an Optuna storage. None: the file NAME.journal in the working directory. A
            journal that a crash left with a last line that is no record loses that line; a file
            or a database of something else is refused, and left as it is.
        base_sampler: what proposes where the prior doesn't: a function seed -> Optuna sampler,
            called anew for each trial; or an Optuna sampler. None is `LocalSearchSampler`, uniform
            points and mutations of the best ones; TPE where nothing is promoted. Which samplers
            can be one, see `PriorSampler`.
        weight: which fraction of the trials the prior proposes at first, see `PriorSampler`.
        adaptive: whether that is learned during the study, see `PriorSampler`.
        promote: True stops every trial at a rung, and continues the best of them in trials of their
            own, with the same parameters; `resumed_from` tells an objective what it may resume, and
            one that does not ask trains a fifth more epochs. What a trial is for depends on its
            number: with resources from 1 to 27, a round of brackets has 65 trials, of which the
            40th is the first to be trained to the end. False is Optuna's HyperbandPruner, which
            stops a trial at a rung for good, and lets the first ones run to their end. A
            `Promotion` decides what trials are for by more than raw results: see
            `infoprior.predictors.PosteriorPromotion`.
        seed: everything random.
        heartbeat: for a URL only: running trials give a sign of life every so many seconds, and
            one that gave none for twice as long is failed by the next worker that begins a trial.

    Raises:
        PriorError: an argument is out of its range, the storage cannot be opened, or the study
            in it has other settings or was made otherwise.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior, hyperband_study, optimize
        >>> space = {"rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)}
        >>> prior = Prior.from_points(space, [{"rate": 1e-2}])
        >>> study = hyperband_study(prior, name="mine", max_resource=9, storage="memory")
        >>> def objective(trial):
        ...     rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        ...     for epoch in range(1, 10):
        ...         trial.report(abs(rate - 0.03) + 1 / epoch, step=epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return abs(rate - 0.03)
        >>> len(optimize(study, objective, n_trials=20).trials)
        20

    Hyperband: Li et al., JMLR 18 (2018), 185; promoting studies have the brackets of NePS, see
    `infoprior.priors._search.brackets`; asynchronous as in Optuna, see Li et al., MLSys 2020.
    """
    _check_name(name)
    if prior is not None and not isinstance(prior, Prior):
        raise PriorError(
            f"prior: needs a Prior or None, got {type(prior).__name__}; Prior.load reads a file."
        )
    seed = whole("seed", seed, 0)
    min_resource = whole("min_resource", min_resource, 1, most=_LARGEST)
    max_resource = whole("max_resource", max_resource, 1, most=_LARGEST)
    reduction_factor = whole("reduction_factor", reduction_factor, 2, most=_LARGEST)
    goal = _direction(direction)
    steps = hyperband_rungs(max_resource, min_resource, reduction_factor)
    weight = fraction("weight", weight)
    adaptive = flag("adaptive", adaptive)
    if not isinstance(promote, Promotion):
        promote = flag("promote", promote)
    if not promote:
        _check_optuna_counts(len(steps), min_resource, max_resource, reduction_factor)
    if base_sampler is None and promote:
        base_sampler = functools.partial(make_local_search, lowest_rung=min_resource)
    alone = make_base_sampler(base_sampler, seed)
    if prior is not None:
        PriorSampler(prior, alone, weight, seed, adaptive=adaptive)  # refused before a file is made
    settings: dict[str, Any] = {
        "prior": fingerprint(prior),
        "base_sampler": _describe(base_sampler, alone),
        "weight": weight,
        "adaptive": adaptive,
        "seed": seed,
        "max_resource": max_resource,
        "min_resource": min_resource,
        "reduction_factor": reduction_factor,
        "direction": goal,
    }
    if prior is None:  # then they change nothing
        del settings["weight"], settings["adaptive"]
    promotion = promote if isinstance(promote, Promotion) else None
    if promote:
        settings["promote"] = True if promotion is None else promotion.settings(goal)
    backend = open_storage(storage, name, heartbeat)
    sampler = alone
    if prior is not None:
        sampler = PriorSampler(prior, alone, weight, seed, adaptive=adaptive, storage=backend)
    pruner: BasePruner = HyperbandPruner(
        min_resource=min_resource, max_resource=max_resource, reduction_factor=reduction_factor
    )
    if promotion is not None:
        sampler = promotion.sampler(sampler, steps, reduction_factor, backend, seed)
    elif promote:
        sampler = PromotingSampler(sampler, steps, reduction_factor, backend)
    if promote:
        pruner = RungPruner(steps[-1])
    study = _open(backend, name, goal, sampler, pruner)
    agree(study, settings)
    if not promote:
        start_brackets(study)
    return study


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise PriorError(f"name: the study needs one, got {name!r}.")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise PriorError(f"name: {name!r} is no text that can be kept in a file.") from error
    if "\0" in name:
        raise PriorError(f"name: {name!r} holds a zero byte, which a database cannot keep.")


def _direction(direction: Any) -> _Direction:
    if isinstance(direction, str) and direction == "minimize":
        return "minimize"
    if isinstance(direction, str) and direction == "maximize":
        return "maximize"
    if isinstance(direction, StudyDirection) and direction != StudyDirection.NOT_SET:
        return _direction(direction.name.lower())
    raise PriorError(f"direction: needs 'minimize' or 'maximize', got {direction!r}.")


def _open(
    storage: BaseStorage,
    name: str,
    direction: _Direction,
    sampler: BaseSampler,
    pruner: BasePruner,
) -> optuna.Study:
    """The study of a name, made where there is none; nothing is written where there is one."""
    try:
        try:
            storage.get_study_id_from_name(name)
        except KeyError:
            return optuna.create_study(
                storage=storage,
                study_name=name,
                direction=direction,
                sampler=sampler,
                pruner=pruner,
                load_if_exists=True,  # another worker may be ahead of this one
            )
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        reason = str(getattr(cause, "orig", cause)).strip().splitlines() or [type(cause).__name__]
        raise PriorError(f"storage: the study cannot be kept in it: {reason[0]}.") from error


def _check_optuna_counts(
    n_rungs: int, min_resource: int, max_resource: int, reduction_factor: int
) -> None:
    """PriorError where Optuna's pruner makes fewer brackets than there are rungs."""
    if optuna_brackets(max_resource, min_resource, reduction_factor) != n_rungs:
        raise PriorError(
            f"max_resource: Optuna's pruner loses a bracket of {max_resource} to rounding; "
            f"{max_resource + 1} has the same rungs and all its brackets, and promote=True loses "
            "none."
        )


def start_brackets(study: optuna.Study) -> None:
    """Tell the study's Hyperband pruner its brackets now, not when the first trial reports.

    Until its first call the pruner takes every trial for bracket 0, in each process again, and
    the first trial of a resumed study would be proposed from other trials than without the stop.
    """
    # A trial that reported nothing is never pruned, and is not entered into the study.
    study.pruner.prune(study, optuna.trial.create_trial(value=0.0))


def agree(study: optuna.Study, settings: dict[str, Any], key: str = SETTINGS) -> None:
    """Keep a new study's settings in it; PriorError where the study has others."""
    name, known = study.study_name, study.user_attrs.get(key)
    if known is None and study.get_trials(deepcopy=False):
        # Another worker may have begun it since.
        known = study.user_attrs.get(key)
        if known is None:
            raise PriorError(
                f"name: the storage has a study {name!r} that was not made by this function."
            )
    if known is None:
        directions = [direction.name.lower() for direction in study.directions]
        if directions != [settings.get("direction", *directions[:1])]:
            raise PriorError(f"name: the storage has a study {name!r} with another direction.")
        study.set_user_attr(key, settings)
        known = settings
    if not isinstance(known, dict):
        raise PriorError(f"name: the settings of the study {name!r} are damaged: {known!r}.")
    if known != settings:
        other = "; ".join(
            f"{what} is {known.get(what)!r} there and {settings.get(what)!r} here"
            for what in sorted(known.keys() | settings.keys())
            if known.get(what) != settings.get(what)
        )
        raise PriorError(f"name: the study {name!r} has other settings: {other}.")


def fingerprint(prior: Prior | None) -> str | None:
    """A checksum of what a prior draws; its metadata do not count."""
    if prior is None:
        return None
    document = {k: v for k, v in prior.to_dict().items() if k != "metadata"}
    # Not in ASCII, in which JSON has one text for a character and for its pair of surrogates.
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _describe(given: BaseSampler | MakeSampler | None, sampler: BaseSampler) -> str:
    """What is kept of a base sampler: its class, and the name of the function that makes it."""
    if isinstance(sampler, DealingSampler):
        sampler = sampler.base_sampler
    if not isinstance(sampler, SeededSampler) or given is sampler:
        return type(sampler).__name__ + " (one state)"
    kind, name = type(sampler.base_sampler).__name__, getattr(given, "__qualname__", "<lambda>")
    # Not its module, which is another one where it is run as a script.
    own = given in (None, make_tpe) or name.endswith("<lambda>")
    return kind if own else f"{kind} of {name}"
