"""A fitted performance predictor as a directory: JSON and safetensors. Never a pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior.files import write_atomically
from infoprior.metadataset import space_from_dict, space_to_dict
from infoprior.metadataset._json import read_json
from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._auxiliary import AuxiliaryModel
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._features import Standardizer
from infoprior.predictors._recorded_runs import Channels
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._run_noise import RunNoise
from infoprior.predictors._seen_tasks import SeenTasks
from infoprior.predictors._storage import PERFORMANCE, PERFORMANCE_ARRAYS, faults_of, remove_former
from infoprior.predictors._task_regression import TaskRegression

if TYPE_CHECKING:
    from infoprior.predictors._performance_fit import FittedPerformance

VERSION = 2
FORMAT = "infoprior performance predictor"
HEADER, ARRAYS = PERFORMANCE, PERFORMANCE_ARRAYS
_JOIN = "+"  # of groups in the name of a regression


def save(directory: Path, about: Mapping[str, Any], fitted: FittedPerformance) -> None:
    """Write both files, each as a whole, the header last; same predictor, same bytes.

    Args:
        directory: where to; it is made.
        about: kind, inputs, seed and settings.
        fitted: what the fit left behind.

    Raises:
        PredictorError: the folder cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    model = fitted.model
    header = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "space": space_to_dict(model.space),
        "points": model.points,
        "names": model.names,
        "channels": dataclasses.asdict(model.channels),
        "n_validation": model.n_validation,
        "nugget": model.kernel.nugget,
        "groups": list(fitted.standardizers),
        "features": {group: list(s.names) for group, s in fitted.standardizers.items()},
        "tasks": list(next(iter(fitted.seen.values())).names) if fitted.seen else [],
        "regressions": [list(groups) for groups in fitted.regressions],
        "profiled": dataclasses.asdict(fitted.profiled),
    }
    arrays = _arrays("factors", model.factors) | _arrays("noise", model.noise)
    arrays |= {f"kernel/{name}": getattr(model.kernel, name) for name in ("encoded", "scales")}
    if model.auxiliary is not None:
        header["auxiliary"] = list(model.auxiliary.quantities)
        parts = _arrays("auxiliary", model.auxiliary)
        arrays |= {name: array for name, array in parts.items() if name != "auxiliary/quantities"}
    for group, standardizer in fitted.standardizers.items():
        arrays |= {f"features/{group}/{n}": a for n, a in standardizer.arrays().items()}
    for groups, regression in fitted.regressions.items():
        arrays |= _arrays(f"regression/{_JOIN.join(groups)}", regression)
    for group, seen in fitted.seen.items():
        arrays |= {f"seen/{group}/x": seen.x, f"seen/{group}/limit": np.array([seen.limit])}
    tensors = to_bytes({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    try:
        remove_former(directory)
        write_atomically(directory / ARRAYS, tensors)
        write_atomically(directory / HEADER, json.dumps(header, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise PredictorError(f"{directory} cannot be written: {error}.") from error


def load(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `save` wrote.

    Args:
        directory: of one performance predictor.

    Returns:
        kind, inputs, seed and settings; and the fields of `FittedPerformance`.

    Raises:
        PredictorError: there is none, its version is unknown, or a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = directory / HEADER
    missing = f"{directory} holds no performance predictor ({path} does not exist)."
    header = read_json(path, PredictorError, missing)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise PredictorError(f"{path} is no performance predictor: its format is not {FORMAT!r}.")
    version = header.get("version")
    if version != VERSION:
        raise PredictorError(
            f"{path}: version {version!r}; this infoprior reads version {VERSION}. Fit it again."
        )
    try:
        arrays = load_file(directory / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise PredictorError(f"{directory / ARRAYS} cannot be read: {error}") from error
    with faults_of(path):
        space = space_from_dict(header["space"], str(path))
        channels = {name: tuple(values) for name, values in header["channels"].items()}
        model = ResultModel(
            space=space,
            points=[space.validate(point) for point in header["points"]],
            names=header["names"],
            channels=Channels(**channels),
            scale=header["settings"]["scale"],
            factors=FactorModel(**_named(arrays, "factors")),
            noise=RunNoise(**_named(arrays, "noise")),
            kernel=ArchitectureKernel(**_named(arrays, "kernel"), nugget=header["nugget"]),
            n_validation=header["n_validation"],
            auxiliary=_auxiliary(header, arrays),
        )
        regressions = {
            tuple(groups): TaskRegression(**_named(arrays, f"regression/{_JOIN.join(groups)}"))
            for groups in header["regressions"]
        }
        parts: dict[str, Any] = {
            "model": model,
            "regressions": regressions,
            "standardizers": {
                group: Standardizer(
                    tuple(header["features"][group]), **_named(arrays, f"features/{group}")
                )
                for group in header["groups"]
            },
            "seen": {
                group: SeenTasks(
                    tuple(header["tasks"]),
                    arrays[f"seen/{group}/x"],
                    float(arrays[f"seen/{group}/limit"][0]),
                )
                for group in header["groups"]
            },
            "profiled": ProfilingConditions(**header["profiled"]),
        }
        _check_shapes(parts, path)
        made_with = {name: header[name] for name in ("kind", "inputs", "seed", "settings")}
        return made_with, parts


def _auxiliary(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> AuxiliaryModel | None:
    if "auxiliary" not in header:
        return None
    return AuxiliaryModel(tuple(header["auxiliary"]), **_named(arrays, "auxiliary"))


def _check_shapes(parts: Mapping[str, Any], path: Path) -> None:
    """PredictorError where the files are of different predictors, or lack a part."""
    model, regressions = parts["model"], parts["regressions"]
    standardizers, seen = parts["standardizers"], parts["seen"]
    k, d, r = model.factors.loadings.shape
    fits = (k, d) == (len(model.points), len(model.channels))
    fits &= model.factors.mean.shape == (k, d) and model.factors.rest.shape == (k, d, d)
    fits &= model.noise.luck.shape == (d, d) and model.noise.factor.shape == (k,)
    sizes = {group: len(standardizer.names) for group, standardizer in standardizers.items()}
    fits &= all(
        s.x.shape == (len(s.names), sizes[group])
        and standardizers[group].mean.shape == (sizes[group],)
        for group, s in seen.items()
    )
    wanted = {c for n in range(1, len(sizes) + 1) for c in combinations(sizes, n)}
    fits &= set(regressions) == wanted
    fits &= all(
        regression.coefficients.shape == (sum(sizes[group] for group in groups), r)
        and regression.covariance.shape == (r, r)
        and regression.growth.shape == (4,)
        for groups, regression in regressions.items()
        if set(groups) <= set(sizes)
    )
    if not fits:
        raise PredictorError(
            f"{path.parent} holds files that do not belong together. Fit it again."
        )


def _arrays(prefix: str, part: Any) -> dict[str, np.ndarray]:
    return {f"{prefix}/{f.name}": getattr(part, f.name) for f in dataclasses.fields(part)}


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = f"{prefix}/"
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }
