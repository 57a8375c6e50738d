"""A prior's JSON file: written so that people can read it, read as if anyone had written it."""

from __future__ import annotations

import json
import math
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from ._axes import Axis, CategoricalAxis, make_axis
from ._errors import PriorError
from ._kernels import LARGEST_WIDTH

FORMAT, VERSION = "infoprior.prior", 2
# Version 1 has Gaussians with centres in [0, 1] and widths up to 100 for all numeric parameters.
# Version 2 adds, and is written only for, centres further out and tables of probabilities: what
# restricting a prior to a narrower range or a coarser grid makes of them.
PLAIN_VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
_FIELDS = ("format", "version", "space", "floor", "components", "metadata")
_CLASSES = {c.__name__: c for c in (FloatDistribution, IntDistribution, CategoricalDistribution)}


def number(where: str, value: Any) -> float:
    """`value` as a finite float; PriorError with `where` for a bool, text, NaN or infinity."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PriorError(f"{where}: needs a number, got {_short(value)}.")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise PriorError(f"{where}: needs a finite number, got {_short(value)}.")
    return result


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, a dict of thousands deep
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(where: str, value: Any, expected: tuple[str, ...] | set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PriorError(f"{where}: needs an object, got {_short(value)}.")
    if value.keys() != set(expected):
        missing = sorted(set(expected) - value.keys())
        unknown = sorted(_short(k) for k in value.keys() - set(expected))
        raise PriorError(f"{where}: keys missing: {missing}, unknown: {unknown}.")
    return value


def check_metadata(metadata: Any) -> dict[str, str | float | int]:
    """A copy holding text and finite numbers only."""
    if not isinstance(metadata, Mapping):
        raise PriorError(f"metadata: needs an object, got {_short(metadata)}.")
    result: dict[str, str | float | int] = {}
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise PriorError(f"metadata: names need to be text, got {_short(key)}.")
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, str):
            number(f"metadata: {key!r}", value)
        result[key] = value
    return result


def to_document(
    space: Mapping[str, BaseDistribution],
    floor: float,
    components: list[dict[str, Any]],
    metadata: Mapping[str, Any],
    version: int,
) -> dict[str, Any]:
    """The document's fields, in the order they are written."""
    return {
        "format": FORMAT,
        "version": version,
        "space": {n: _space_entry(d) for n, d in space.items()},
        "floor": floor,
        "components": components,
        "metadata": dict(sorted(metadata.items())),
    }


def _space_entry(distribution: BaseDistribution) -> dict[str, Any]:
    entry = json.loads(distribution_to_json(distribution))
    # Sorted, since the order is not the same in every release of Optuna.
    return {"name": entry["name"], "attributes": dict(sorted(entry["attributes"].items()))}


def _distribution(where: str, value: Any) -> BaseDistribution:
    _keys(where, value, ("name", "attributes"))
    if not isinstance(value["name"], str) or value["name"] not in _CLASSES:
        raise PriorError(f"{where}: unknown distribution {_short(value['name'])}.")
    made = _CLASSES[value["name"]]
    where = f"{where}: attributes"
    if made is CategoricalDistribution:
        choices = _keys(where, value["attributes"], ("choices",))["choices"]
        if not isinstance(choices, list) or not choices:
            raise PriorError(f"{where}: choices needs a list that is not empty.")
        for choice in choices:
            if isinstance(choice, (dict, list)):
                raise PriorError(
                    f"{where}: choices may hold text, numbers, booleans and null only."
                )
            if isinstance(choice, float):
                number(f"{where}: choices", choice)
        return CategoricalDistribution(choices)
    attributes = _keys(where, value["attributes"], ("low", "high", "log", "step"))
    if not isinstance(attributes["log"], bool):
        raise PriorError(f"{where}: log needs true or false, got {_short(attributes['log'])}.")
    for key in ("low", "high", "step"):
        if key == "step" and attributes[key] is None and made is FloatDistribution:
            continue
        number(f"{where}: {key}", attributes[key])
        if made is IntDistribution and not isinstance(attributes[key], int):
            raise PriorError(f"{where}: {key} needs a whole number, got {attributes[key]!r}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Optuna warns where it moves `high` onto the grid
            return made(**attributes)
    except (ValueError, ArithmeticError, Warning) as error:
        raise PriorError(f"{where}: {error}") from None


def _tabled(components: list[Any], axes: Mapping[str, Axis]) -> set[str]:
    """The numeric parameters with tables; the first component says which."""
    try:
        first = components[0]["kernels"]
        return {n for n, a in axes.items() if a.discrete and first[n].keys() == {"probabilities"}
                and not isinstance(a, CategoricalAxis)}  # fmt: skip
    except (LookupError, TypeError, AttributeError):
        return set()  # what is wrong there is said where it is read


def _row(at: str, kernel: Any, n_values: int) -> list[float]:
    row = _keys(at, kernel, ("probabilities",))["probabilities"]
    if not isinstance(row, list) or len(row) != n_values:
        raise PriorError(f"{at}: probabilities needs a list of {n_values}.")
    return [number(f"{at}: probabilities", p) for p in row]


def _gaussian(at: str, kernel: Any, *, plain: bool) -> tuple[float, float]:
    _keys(at, kernel, ("center", "width"))
    center = number(f"{at}: center", kernel["center"])
    width = number(f"{at}: width", kernel["width"])
    if plain and not 0.0 <= center <= 1.0:
        raise PriorError(f"{at}: center {center!r} is outside [0, 1].")
    if plain and width > LARGEST_WIDTH:
        raise PriorError(f"{at}: width {width!r} is more than {LARGEST_WIDTH:g}.")
    return center, width


def from_document(document: Any, max_components: int) -> dict[str, Any]:
    """Keyword arguments of `Prior` from a document, every field checked."""
    if not isinstance(document, dict):
        raise PriorError(f"document: needs an object, got {_short(document)}.")
    # The format first: a file of another kind is best told so.
    if document.get("format") != FORMAT:
        raise PriorError(f"format: needs {FORMAT!r}, got {_short(document.get('format'))}.")
    version = document.get("version")
    if type(version) is not int or version not in (PLAIN_VERSION, VERSION):
        raise PriorError(f"version: needs {PLAIN_VERSION} or {VERSION}, got {_short(version)}.")
    _keys("document", document, _FIELDS)
    if not isinstance(document["space"], dict) or not document["space"]:
        raise PriorError(f"space: needs an object of parameters, got {_short(document['space'])}.")
    space = {n: _distribution(f"space: {n!r}", d) for n, d in document["space"].items()}
    axes = {n: make_axis(n, d) for n, d in space.items()}
    components = document["components"]
    if not isinstance(components, list):
        raise PriorError(f"components: needs a list, got {_short(components)}.")
    if len(components) > max_components:
        raise PriorError(f"components: {len(components)} are more than {max_components}.")
    tabled = _tabled(components, axes) if version > PLAIN_VERSION else set()
    weights: list[float] = []
    columns: dict[str, Any] = {
        n: [] if n in tabled or isinstance(a, CategoricalAxis) else ([], [])
        for n, a in axes.items()
    }
    for i, component in enumerate(components):
        where = f"components[{i}]"
        _keys(where, component, ("weight", "kernels"))
        weights.append(number(f"{where}: weight", component["weight"]))
        if weights[-1] < 0.0:
            raise PriorError(f"{where}: weight is negative.")
        kernels = _keys(f"{where}: kernels", component["kernels"], set(axes))
        for name, axis in axes.items():
            at = f"{where}: kernels: {name!r}"
            if isinstance(columns[name], list):
                columns[name].append(_row(at, kernels[name], axis.n_values))
            else:
                center, width = _gaussian(at, kernels[name], plain=version == PLAIN_VERSION)
                columns[name][0].append(center)
                columns[name][1].append(width)
    for name in tabled:
        columns[name] = {"probabilities": columns[name]}
    return {
        "space": space,
        "kernels": columns,
        "weights": weights,
        "floor": number("floor", document["floor"]),
        "metadata": check_metadata(document["metadata"]),
    }


def _text(document: Mapping[str, Any]) -> str:
    """Indented JSON with one line for each parameter, component and entry."""

    def lines(value: Any) -> str:
        if isinstance(value, dict) and value:
            rows = [
                f"    {json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in value.items()
            ]
            return "{\n" + ",\n".join(rows) + "\n  }"
        if isinstance(value, list) and value:
            rows = ["    " + json.dumps(v, allow_nan=False) for v in value]
            return "[\n" + ",\n".join(rows) + "\n  ]"
        return json.dumps(value, allow_nan=False)

    return (
        "{\n" + ",\n".join(f"  {json.dumps(k)}: {lines(v)}" for k, v in document.items()) + "\n}\n"
    )


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document to a temporary file beside `path`, then move it there."""
    data = _text(document).encode()
    if len(data) > MAX_BYTES:
        raise PriorError(
            f"file: {len(data)} bytes are more than {MAX_BYTES}: use fewer components."
        )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are private; a saved file is not
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [k for k, _ in pairs]
        twice = next(k for k in names if names.count(k) > 1)
        raise PriorError(f"file: the key {_short(twice)} is there twice.")
    return result


def _constant(text: str) -> Any:
    raise PriorError(f"file: holds {text}, which is not JSON.")


def read(path: Path) -> Any:
    """The file's JSON value, at most 16 MB of it; PriorError where it is none."""
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PriorError(f"file: {path.name} is larger than {MAX_BYTES} bytes.")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except PriorError:
        raise
    except RecursionError:
        raise PriorError(f"file: {path.name} is nested too deeply.") from None
    except ValueError as error:  # not UTF-8, not JSON, or an int of thousands of digits
        raise PriorError(f"file: {path.name} is not JSON: {_short(str(error))}") from None
