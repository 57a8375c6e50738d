"""How the tasks that a predictor learned from were profiled, and whether a new one was so, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from infoprior._arguments import whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.profiles._probes import reading_of

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset


@dataclass(frozen=True)
class ProfilingConditions:
    """How large the training tasks were and how they were profiled.

    Estimates depend on the recipe and the number of rows, and so do metafeatures on rows: a new
    task is comparable only when it is profiled in the same way.

    Attributes:
        train: training rows of a task, at most.
        validation: validation rows of a task, at most.
        rows: rows that a profile's information was measured on, at most; None without profiles.
        epochs: that the probes were trained for; None without profiles.
        recipe: id of the recipe that layers were measured with; None without profiles.
        space: whose probes a task is read by, a key of `infoprior.profiles.READINGS`.

    Raises:
        PredictorError: a number is not a positive whole one, or recipe or space is no text.
    """

    train: int
    validation: int
    rows: int | None
    epochs: int | None
    recipe: str | None
    space: str = "mlp"  # as predictors have it that were saved without

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is None and name in ("rows", "epochs", "recipe"):
                continue
            if name not in ("recipe", "space"):
                whole_number(value, f"profiled {name}", 1, PredictorError)
            elif type(value) is not str or not value:
                raise PredictorError(f"profiled {name} = {value!r}; it has to be a name.")

    @classmethod
    def of(cls, meta: MetaDataset) -> ProfilingConditions:
        """As the tasks of a meta-dataset were.

        Raises:
            PredictorError: they were profiled with different recipes.
        """
        known = len(meta.profiles) > 0
        recipes = sorted(set(meta.profiles["recipe"]))
        if len(recipes) > 1:
            raise PredictorError(
                f"The profiles are of the recipes {recipes}, whose numbers do not compare; keep "
                "the rows of one."
            )
        return cls(
            train=int(meta.tasks["n_train"].max()),
            validation=int(meta.tasks["n_validation"].max()),
            rows=int(meta.profiles["n"].max()) if known else None,
            epochs=int(meta.profiles["epoch"].max()) if known else None,
            recipe=recipes[0] if known else None,
            space=reading_of(set(meta.profiles["architecture"])),
        )

    def check(self, inputs: Sequence[str], layers: pd.DataFrame, curves: pd.DataFrame) -> None:
        """Refuse tasks whose numbers do not compare with those of the training tasks.

        Args:
            inputs: the groups that are read of them.
            layers: their profiled layers.
            curves: their probes' learning curves.

        Raises:
            PredictorError: what is read was measured by another recipe, on more rows, or after
                another number of epochs.
        """
        read = {"layers": layers} if "mi" in inputs else {}
        read |= {"learning curves": curves} if "accuracy" in inputs else {}
        for what, table in read.items():
            if len(table) and self.epochs is not None:
                _same(what, "epochs", int(table["epoch"].max()), self.epochs)
        if "layers" in read and len(layers) and self.recipe is not None and self.rows is not None:
            for recipe in sorted(set(layers["recipe"])):
                _same("layers", "recipe", recipe, self.recipe)
            rows = int(layers["n"].max())
            if rows > self.rows:
                _same("layers", "rows", rows, self.rows)


def _same(what: str, how: str, here: object, there: object) -> None:
    if here != there:
        raise PredictorError(
            f"The probes' {what} are of {how} = {here}, those of the training tasks of {there}: "
            "their numbers do not compare. Profile the task as `predictor.profiled` says."
        )
