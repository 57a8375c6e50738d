"""Trials that have ended, each looked at once, so that a study's length costs a sampler little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class NewlyFinished:
    """Tells of each of a study's trials once that it has ended.

    Finished trials never change. So what is made of them can be kept, and every trial's work is
    for those that ended since the last one and those that still run.
    """

    def __init__(self) -> None:
        self._unfinished: list[int] = []  # indices of trials seen before
        self._n_seen = 0

    def update(self, trials: Sequence[FrozenTrial]) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """(the trials that have ended since the last call, those that have not), by number.

        Args:
            trials: all that the study shows, by number, those of the last call first.
        """
        indices = [*self._unfinished, *range(self._n_seen, len(trials))]
        self._n_seen, self._unfinished = len(trials), []
        ended: list[FrozenTrial] = []
        unfinished: list[FrozenTrial] = []
        for index in indices:
            if trials[index].state.is_finished():
                ended.append(trials[index])
            else:
                unfinished.append(trials[index])
                self._unfinished.append(index)
        return ended, unfinished
