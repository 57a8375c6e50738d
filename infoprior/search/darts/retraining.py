"""A cell, trained anew under several settings: one ranking under one setting is noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infoprior._ambient import default_settings
from infoprior.search.darts.derivation import TRAINING
from infoprior.search.darts.errors import DartsError
from infoprior.spaces import SearchSpace
from infoprior.training import RUNGS, train_many

if TYPE_CHECKING:
    import pandas as pd

    from infoprior.tasks import Task

TRAINING_SETTINGS: tuple[Mapping[str, Any], ...] = (
    TRAINING,
    {"learning_rate": 3e-3, "weight_decay": 1e-4, "batch_size": 64},
    {"learning_rate": 1e-2, "weight_decay": 1e-4, "batch_size": 64},
    {"learning_rate": 3e-3, "weight_decay": 1e-2, "batch_size": 32},
    {"learning_rate": 3e-3, "weight_decay": 1e-2, "batch_size": 128},
)
"""Three learning rates, two weight decays and three batch sizes, chosen before any result."""

MIN_SETTINGS = 5


@dataclass(frozen=True)
class Retrained:
    """A cell under several training settings.

    Attributes:
        table: one row a setting: the setting, and the last epoch's losses and accuracies.
        params: the cell with the settings of the best validation accuracy, the first of equals: a
            point of the space.
        mean: test accuracy, averaged over the settings.
        best: test accuracy under the settings of `params`.
        network: trained under them, in evaluation mode.
    """

    table: pd.DataFrame
    params: dict[str, Any]
    mean: float
    best: float
    network: Any


@default_settings()
def retrain(
    task: Task,
    params: Mapping[str, Any],
    *,
    space: SearchSpace,
    settings: Sequence[Mapping[str, Any]] = TRAINING_SETTINGS,
    epochs: int = RUNGS[-1],
    seed: int = 0,
    threads: int = 1,
    progress: bool = True,
) -> Retrained:
    """Train a cell anew, weights and all, under each of several settings.

    Args:
        task: what to learn.
        params: a point of the space; its own training settings are not used.
        space: builds the cell.
        settings: values of learning_rate, weight_decay and batch_size; at least five.
        epochs: of each training.
        seed: of each training.
        threads: of PyTorch and of matrix products during the call.
        progress: show on the terminal how far it is, if it takes more than two seconds.

    Raises:
        SpaceError: the point, or a setting, does not fit the space.
        DartsError: (a ValueError) fewer than five settings.
        TrainingError: (a ValueError) what `train_many` refuses.
    """
    import pandas as pd

    if len(settings) < MIN_SETTINGS:
        raise DartsError(
            f"{len(settings)} training settings; a cell is judged under at least {MIN_SETTINGS}."
        )
    points = [space.validate({**params, **setting}) for setting in settings]
    trained = train_many(
        task, [(point, seed) for point in points], space=space, epochs=epochs, record=(epochs,),
        threads=threads, keep=True, progress=progress,
    )  # fmt: skip
    rows = [
        {**{name: point[name] for name in TRAINING}, **one.curve[-1]}
        for point, one in zip(points, trained, strict=True)
    ]
    table = pd.DataFrame(rows)
    best = int(table["validation_accuracy"].to_numpy().argmax())
    accuracies = table["test_accuracy"]
    return Retrained(
        table, points[best], float(accuracies.mean()), float(accuracies[best]),
        trained[best].network,
    )  # fmt: skip
