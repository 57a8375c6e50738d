"""What a study asks of a prior that the prior cannot answer: other names, other kinds of values."""

from __future__ import annotations

import difflib
import re
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._mixture.axes import make_axis

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from .._prior import Prior

_STUDIES = 16  # whose names are remembered
_PATIENCE = 8  # trials with the same names, after which a space is not taken for a conditional one
_NEAR = 0.75  # difflib's ratio from which two names may mean the same
_SHOWN = 8  # names of a kind in the message

_warned: set[tuple[str, object]] = set()
_lock = threading.Lock()


def has_values(prior: Prior, name: str, distribution: BaseDistribution) -> bool:
    """Whether the prior knows a name and has a value in common with what is asked for."""
    axis = prior.mixture.axes.get(name)
    if axis is None:
        return False
    return (
        distribution == axis.distribution or prior.mixture.truncated(name, distribution) is not None
    )


@dataclass
class _Asked:
    """What the trials of one study have asked for."""

    names: dict[str, BaseDistribution] = field(default_factory=dict)
    n: int = 0  # trials
    same: bool = True  # all of them asked for the same names
    first: bool = False  # whether the study's first trial was among them
    done: bool = False


class MismatchWarning:
    """Warns once a study that its names or their values are not the prior's.

    As soon as a trial has ended: where nothing of the prior is used, where a name that is asked for
    is nearly one of the prior's, and where both know a name but have no value of it in common.
    Where some names differ and none is near, after eight trials, if all of them asked for the same
    names: in conditional spaces another branch may ask for the others. Where only one side knows
    names that the other does not, there is nothing to warn of.

    Args:
        prior: what the trials are proposed from.
    """

    def __init__(self, prior: Prior) -> None:
        self._prior = prior
        self._studies: dict[str, _Asked] = {}

    def look_at(self, study_name: str, trial: FrozenTrial, began: Callable[[], object]) -> None:
        """Take account of a trial that has ended.

        Args:
            study_name: of its study.
            trial: whose distributions say what was asked for.
            began: when the study did, which tells apart studies of one name that are opened more
                than once in a process; None where that is not known.
        """
        asked = self._studies.get(study_name)
        if asked is None or (trial.number == 0 and asked.first):
            while len(self._studies) >= _STUDIES:
                self._studies.pop(next(iter(self._studies)), None)
            asked = self._studies[study_name] = _Asked()
        asked.first |= trial.number == 0
        if asked.done or not trial.distributions:
            return
        asked.same &= not asked.n or asked.names.keys() == trial.distributions.keys()
        asked.names |= trial.distributions
        asked.n += 1
        message = self._message(asked)
        asked.done = message is not None or asked.n >= _PATIENCE
        if message is not None:
            key = study_name, began()
            with _lock:
                if key in _warned:
                    return
                if key[1] is not None:
                    _warned.add(key)
            warnings.warn(f"study {study_name!r}: {message}", UserWarning, stacklevel=2)

    def _message(self, asked: _Asked) -> str | None:
        prior = self._prior
        known = prior.mixture.axes.keys()
        both = sorted(known & asked.names.keys())
        useless = [n for n in both if not has_values(prior, n, asked.names[n])]
        missing, unknown = sorted(known - asked.names.keys()), sorted(asked.names.keys() - known)
        pairs = near_misses(missing, unknown)
        nothing = len(useless) == len(both)
        differ = bool(missing and unknown)
        late = asked.n >= _PATIENCE and asked.same
        if not (useless or (differ and (pairs or nothing or late))):
            return None
        said = []
        if differ:
            said.append(
                f"the prior knows {_listed(missing)}, which is not asked for, and the study asks "
                f"for {_listed(unknown)}, which the prior does not know"
            )
        for name in useless[:_SHOWN]:
            mine = prior.mixture.axes[name].describe()
            said.append(
                f"the prior's {mine}, and what the study asks for, "
                f"{_described(name, asked.names[name])}, have no value in common"
            )
        text = "; ".join(said) + ". "
        text += "Nothing of the prior is used." if nothing else "The prior's other names are used."
        if differ:
            example = pairs or {missing[0]: unknown[0]}
            means = "mean the same" if pairs else "should mean the same"
            text += f" If these {means}: prior.rename({example!r})."
        return text


def near_misses(mine: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """{name: the other name that it may stand for}, each other name once at most."""
    left, pairs = list(others), {}
    for name in mine:
        best = max(left, key=lambda other: _likeness(name, other), default=None)
        if best is not None and _likeness(name, best) >= _NEAR:
            pairs[name] = best
            left.remove(best)
    return pairs


def _likeness(one: str, other: str) -> float:
    """1 for names that differ in case, separators or by being abbreviated, less for others."""
    words, others = _words(one), _words(other)
    a, b = "".join(words), "".join(others)
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    if re.sub(r"\d", "", a) == re.sub(r"\d", "", b):
        return 0.0  # units_1 and units_2 are two parameters
    for short, parts in ((a, others), (b, words)):
        initials = "".join(word[0] for word in parts)
        if len(parts) > 1 and (short == initials or short in parts):
            return 0.9
        if len(short) > 2 and len(parts) == 1 and parts[0].startswith(short):
            return 0.9
    return difflib.SequenceMatcher(None, a, b).ratio()


def _words(name: str) -> list[str]:
    """learningRate, learning-rate and learning_rate are two words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", spaced) if word]


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*map(repr, names[:_SHOWN]), *more])


def _described(name: str, distribution: BaseDistribution) -> str:
    try:
        return make_axis(name, distribution).describe()
    except PriorError:  # choices that are objects
        return f"{name}, a {type(distribution).__name__}"
