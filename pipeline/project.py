"""Where the project is, which experiment of DVC runs, and with which settings."""

from __future__ import annotations

from pipeline.common import read_params  # isort: skip

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infoprior.fingerprints import fingerprint
from pipeline.params import read_file

MLRUNS, VIEW = "mlruns", "infoprior"
"""The folder of MLflow's store, and the name of the list of present runs in it."""
NOT_SETTINGS = ("parallel", "published", "track")
"""Sections of params.yaml that no result depends on."""


@dataclass(frozen=True)
class Project:
    """The project that a stage belongs to.

    Attributes:
        root: its folder; of an experiment that runs in a copy (`dvc exp run --temp`, `--queue`),
            not the copy's, which DVC removes at the end.
        experiment: name of DVC's experiment; empty in `dvc repro`.
        copied: whether this process runs in such a copy.
    """

    root: Path
    experiment: str
    copied: bool

    @classmethod
    def here(cls, environment: Mapping[str, str] | None = None) -> Project:
        """The project of this process: from DVC's variables inside a stage, else the folder."""
        environment = os.environ if environment is None else environment
        here = Path.cwd().resolve()
        if "DVC_STAGE" not in environment:
            return cls(here, "", False)
        root = Path(environment.get("DVC_ROOT") or here).resolve()
        # Copies lie below .dvc/tmp/exps of the project; a variable left over from another project
        # names a folder that has nothing to do with this one.
        copied = root != here and here.is_relative_to(root / ".dvc")
        return cls(root if copied else here, environment.get("DVC_EXP_NAME", ""), copied)


def settings() -> dict[str, Any]:
    """Parameters of all stages, flat: `section.name` -> value."""
    flat: dict[str, Any] = {}
    for section in read_file():
        if section not in NOT_SETTINGS:
            flat |= _flat(section, read_params(section))
    return flat


def _flat(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {key: v for k, inner in value.items() for key, v in _flat(f"{name}.{k}", inner).items()}


def hash_of(*parts: Path | str) -> str:
    """Of files' contents and of texts, each by itself."""
    return fingerprint([p.read_bytes() if isinstance(p, Path) else p for p in parts])
