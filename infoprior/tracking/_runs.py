"""What is logged: a run with its nested runs, and a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """What one MLflow run shows.

    Attributes:
        name: in the run list.
        key: what the run is about, the same in every experiment; the name if empty.
        description: Markdown, shown on the run's page.
        params: settings; logged as strings.
        metrics: finite numbers, written in one batch.
        curves: metric -> {step: value}; MLflow draws them as lines, and shows the last value.
        tags: further tags.
        tables: artifact path ending in .json -> data frame (MLflow's table view). Of a long
            table that is a preview, beside the whole as parquet.
        files: artifact folder -> files to copy there.
        children: nested runs, one a fold.
    """

    name: str
    key: str = ""
    description: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    children: Sequence[Run] = ()


@dataclass(frozen=True)
class Model:
    """A model to log with a run: code and data files, never a pickle.

    Attributes:
        name: in the list of logged models; without / : . % and quotes.
        code: a Python file that ends in `mlflow.models.set_model(...)`.
        artifacts: name -> file or folder that the code's `load_context` finds. Every model gets a
            copy, so keep them small (`zip_folder`).
        example: an input, one row a prediction.
        output: what the model answers to it (for the signature).
        requirements: pip requirements of the model.
    """

    name: str
    code: Path
    artifacts: Mapping[str, Path]
    example: pd.DataFrame
    output: pd.DataFrame
    requirements: Sequence[str]
