"""Predictors fitted on the published rows, on rows of one's own, or on both.

The package holds two that `python -m pipeline.ship` has fitted on the published rows alone: the
predictor that the pipeline has chosen, and the static prior, the same for every data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infoprior.metadataset import MetaDataset, MetaDatasetError, training_rows
from infoprior.predictors._base import Predictor
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._registry import make_predictor
from infoprior.spaces import DEFAULT_SPACE

REAL_WEIGHT = 16.0
"""How much a real task counts against another one (`PriorSettings.real_weight`), unless told
otherwise: as in params.yaml."""


def fit_predictor(
    name: str = "network",
    inputs: str | Sequence[str] = "all",
    *,
    rows: Sequence[MetaDataset] = (),
    published: bool = True,
    space: str | None = None,
    seed: int = 0,
    **settings: Any,
) -> Predictor:
    """A predictor fitted on the published rows, on rows of one's own, or on both.

    Args:
        name: a key of `PREDICTORS`.
        inputs: what it reads of a task: a key of `INPUTS`, or groups; predictors that read nothing
            ("static", "gaussian", "uniform") take none, whatever is said here.
        rows: meta-datasets of one's own; where several have a task, the last one's rows stand.
        published: whether to learn from the published rows too.
        space: whose published rows; None: that of `rows`, or `DEFAULT_SPACE` where there are none.
        seed: of whatever it draws.
        **settings: fields of `PriorSettings` and of the predictor's own settings.

    Raises:
        PredictorError: name, inputs or a setting are unknown or out of range, or there are no rows.
        MetaDatasetError: the rows are of different spaces, or there is no such published space.
    """
    settings = {"real_weight": REAL_WEIGHT, **settings}
    reads = make_predictor(name).reads  # an unknown name is refused before anything is read
    predictor = make_predictor(name, inputs if reads else (), seed=seed, **settings)
    for part in rows:
        if not isinstance(part, MetaDataset):
            raise MetaDatasetError(f"rows: needs MetaDatasets, got {type(part).__name__}.")
    if space is None:
        space = rows[0].space.name if rows else DEFAULT_SPACE
    parts = [training_rows(space)] if published else []
    parts += rows
    if not parts:
        raise PredictorError("rows: there are none to learn from; give some, or published=True.")
    meta = parts[0]
    for part in parts[1:]:
        meta = meta.join(part)
    return predictor.fit(meta)
