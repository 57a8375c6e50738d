"""Where a prior can come from: past studies, a table of trials, an expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution

from ._ranking import TOP

if TYPE_CHECKING:
    from ._prior import Prior
    from ._studies import Names, Source


class Sources:
    """`Prior`'s constructors from what is known already.

    Each is the function of its name in `infoprior.priors`, whose documentation has the details.
    """

    @classmethod
    def from_studies(
        cls,
        studies: Source,
        *,
        names: Names | None = None,
        exclude: Names = (),
        space: Mapping[str, BaseDistribution] | None = None,
        outside: str = "move",
        top: float = TOP,
        objective: int | None = None,
        metafeatures: Mapping[str, Any] | None = None,
        target: Any = None,
        bandwidth: float | None = None,
        floor: float | None = None,
        max_components: int = 512,
    ) -> Prior:
        """A prior around the best trials of past studies, from one to thousands of them.

        `infoprior.priors.from_studies` says what counts as best, what happens to pruned, failed
        and infeasible trials, and how studies of different spaces are put together.

        Args:
            studies: a study, a list of them, or where to find them: a storage, a storage's URL,
                or the path of a journal file.
            names, exclude: of a storage, the studies to take or leave out, by name or pattern.
            space: name -> Optuna distribution; by default the smallest that holds all.
            outside: "move" or "drop" trials with values outside `space`.
            top: the share of a study's trials that counts as its best.
            objective: of several, the index of the one to rank by.
            metafeatures: study name -> what describes its task; `target` is the same for the
                study to come, and studies of tasks near it count more.
            bandwidth, floor: in place of those that are learned from the studies.
            max_components: the most components.

        Raises:
            PriorError: where there is nothing to learn from, or types do not agree.
        """
        from ._studies import from_studies

        return from_studies(
            studies,
            names=names,
            exclude=exclude,
            space=space,
            outside=outside,
            top=top,
            objective=objective,
            metafeatures=metafeatures,
            target=target,
            bandwidth=bandwidth,
            floor=floor,
            max_components=max_components,
        )

    @classmethod
    def from_trials(
        cls,
        frame: Any,
        *,
        space: Mapping[str, BaseDistribution] | None = None,
        value: str | Sequence[str] | None = None,
        direction: str | Sequence[str] = "minimize",
        study: str | None = None,
        outside: str = "move",
        top: float = TOP,
        metafeatures: Mapping[str, Any] | None = None,
        target: Any = None,
        bandwidth: float | None = None,
        floor: float | None = None,
        max_components: int = 512,
    ) -> Prior:
        """A prior around the best rows of a table of trials, a pandas DataFrame.

        `infoprior.priors.from_trials` says which columns mean what.

        Args:
            frame: as of `study.trials_dataframe()`, or with a column for each name of `space`.
            space: name -> Optuna distribution; by default guessed from the values.
            value: the column, or columns, of the objective.
            direction: "minimize" or "maximize"; one for each objective where they differ.
            study: the column that says which study a row belongs to.
            outside, top, metafeatures, target, bandwidth, floor, max_components: as
                `from_studies`.

        Raises:
            PriorError: where a column is missing or wrong, or there is nothing to learn from.
        """
        from ._trials import from_trials

        return from_trials(
            frame,
            space=space,
            value=value,
            direction=direction,
            study=study,
            outside=outside,
            top=top,
            metafeatures=metafeatures,
            target=target,
            bandwidth=bandwidth,
            floor=floor,
            max_components=max_components,
        )

    @classmethod
    def from_expert(
        cls,
        space: Mapping[str, BaseDistribution],
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        confidence: str | Mapping[str, str] = "medium",
        *,
        weights: ArrayLike | None = None,
        floor: float = 0.1,
    ) -> Prior:
        """A prior around values that an expert expects to do well.

        `infoprior.priors.from_expert` says how wide it is at which confidence.

        Args:
            space: name -> Optuna distribution.
            values: name -> value, for any of the space's names, or a list of such dicts; what has
                no value is uniform.
            confidence: "low", "medium" or "high"; or name -> one of them.
            weights: of the dicts where there are several, shape (n,); equal by default.
            floor: the uniform share, in (0, 1].

        Raises:
            PriorError: for an unknown name or confidence, or a value outside.
        """
        from ._expert import from_expert

        return from_expert(space, values, confidence, weights=weights, floor=floor)
