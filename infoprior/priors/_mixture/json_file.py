"""A prior's JSON file: written so that people can read it, read as if anyone had written it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
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

from .._errors import PriorError
from .._values import Array, json_numbers, listed, mapping, number, short
from .axes import Axis, CategoricalAxis, float_distribution, make_axes
from .kernels import LARGEST_WIDTH
from .mixture import MAX_COMPONENTS, Mixture, make_mixture

Metadata = dict[str, str | float | int]

FORMAT, VERSION = "infoprior.prior", 2
# Version 1 has Gaussians with centres in [0, 1] and widths up to 100 for all numeric parameters.
# Version 2 adds, and is written only for, centres further out and tables of probabilities: what
# restricting a prior to a narrower range or a coarser grid makes of them.
PLAIN_VERSION = 1
# Of a file: enough for 10,000 components on 60 parameters. A megabyte takes 0.1 s and 10 MB to
# read; of a file made to be slow, 0.25 s and 27 MB.
MAX_BYTES = 64 * 1024 * 1024
_FIELDS = ("format", "version", "space", "floor", "components", "metadata")
_CLASSES = {c.__name__: c for c in (FloatDistribution, IntDistribution, CategoricalDistribution)}
# Characters: an entry's braces, quotes and separators, and the longest float, a line's rest.
_ENTRY, _LINE = 160, 64


def _keys(where: str, value: Any, expected: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PriorError(f"{where}: needs an object, got {short(value)}.")
    if value.keys() != set(expected):
        raise PriorError(f"{where}: {_difference(value, expected)}.")
    return value


def _difference(value: Mapping[str, Any], expected: Sequence[str]) -> str:
    names = set(expected)
    missing = [name for name in expected if name not in value]
    return f"keys missing: {listed(missing)}, unknown: {listed(k for k in value if k not in names)}"


def fitting_metadata(mixture: Mixture, metadata: Any) -> Metadata:
    """The metadata, none if it is None, once the file is seen to be small enough to be read.

    Raises:
        PriorError: it is no dict of text and numbers, or the file might be larger than 64 MB.
    """
    checked = check_metadata({} if metadata is None else metadata)
    check_size(mixture, checked)
    return checked


def check_metadata(metadata: Any) -> Metadata:
    """A copy holding text and finite numbers only, as Python's own."""
    result: Metadata = {}
    for key, value in mapping("metadata", metadata, "text and numbers").items():
        if not isinstance(key, str):
            raise PriorError(f"metadata: names need to be text, got {short(key)}.")
        if isinstance(value, str):
            result[key] = str(value)
        else:
            as_float = number(f"metadata: {short(key)}", value)
            result[key] = int(value) if isinstance(value, (int, np.integer)) else as_float
    return result


def check_size(mixture: Mixture, metadata: Metadata) -> None:
    """PriorError where the file might become larger than what is read."""
    size = 4 * _ENTRY + len(json.dumps(metadata)) + len(metadata) * _LINE
    each = _LINE
    for name, axis in mixture.axes.items():
        text = len(json.dumps(name))
        size += text + _ENTRY
        if isinstance(axis, CategoricalAxis):
            size += len(json.dumps(axis.choices))
        each += text + (mixture.kernels[name].json_size if mixture.kernels else 0)
    size += each * mixture.n_components
    if size > MAX_BYTES:
        raise PriorError(
            f"prior: its file would have up to {size} bytes, more than {MAX_BYTES}: use fewer "
            "components, parameters or choices, or shorter text."
        )


def to_document(mixture: Mixture, metadata: Metadata) -> dict[str, Any]:
    """The document's fields, in the order they are written."""
    components = [
        {"weight": w, "kernels": {n: k.to_dict(i) for n, k in mixture.kernels.items()}}
        for i, w in enumerate(mixture.weights.tolist())
    ]
    plain = all(kernels.plain for kernels in mixture.kernels.values())
    return {
        "format": FORMAT,
        "version": PLAIN_VERSION if plain else VERSION,
        "space": {n: _space_entry(d) for n, d in mixture.space.items()},
        "floor": mixture.floor,
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
        raise PriorError(f"{where}: unknown distribution {short(value['name'])}.")
    made = _CLASSES[value["name"]]
    where = f"{where}: attributes"
    if made is CategoricalDistribution:
        choices = _keys(where, value["attributes"], ("choices",))["choices"]
        if not isinstance(choices, list) or not choices:
            raise PriorError(f"{where}: choices needs a list that is not empty.")
        if not {type(choice) for choice in choices}.isdisjoint((dict, list)):
            raise PriorError(f"{where}: choices may hold text, numbers, booleans and null only.")
        return CategoricalDistribution(choices)
    attributes = _keys(where, value["attributes"], ("low", "high", "log", "step"))
    low, high, log, step = (attributes[key] for key in ("low", "high", "log", "step"))
    if not isinstance(log, bool):
        raise PriorError(f"{where}: log needs true or false, got {short(log)}.")
    for key in ("low", "high", "step"):
        if key == "step" and step is None and made is FloatDistribution:
            continue
        number(f"{where}: {key}", attributes[key])
        if made is IntDistribution and not isinstance(attributes[key], int):
            raise PriorError(f"{where}: {key} needs a whole number, got {short(attributes[key])}.")
    if made is IntDistribution and step > 0 and (high - low) % step:
        raise PriorError(f"{where}: {low} to {high} is not divisible by the step {step}.")
    if made is FloatDistribution and step is not None and (log or not step > 0.0):
        raise PriorError(f"{where}: step needs to be positive, and not with log.")
    try:
        if made is IntDistribution:
            return IntDistribution(low, high, log=log, step=step)
        return float_distribution(
            float(low), float(high), log=log, step=None if step is None else float(step)
        )
    except (ValueError, ArithmeticError) as error:
        raise PriorError(f"{where}: {error}") from None


def _tabled(components: list[Any], axes: Mapping[str, Axis]) -> set[str]:
    """The numeric parameters with tables; the first component says which."""
    try:
        first = components[0]["kernels"]
        return {n for n, a in axes.items() if a.discrete and first[n].keys() == {"probabilities"}
                and not isinstance(a, CategoricalAxis)}  # fmt: skip
    except (LookupError, TypeError, AttributeError):
        return set()  # what is wrong there is said where it is read


def _at(i: int, name: str) -> str:
    return f"components[{i}]: kernels: {short(name)}"


def _table(axis: Axis, kernels: list[Any]) -> list[Array]:
    """The probabilities of every component, a row each."""
    rows = []
    for i, kernel in enumerate(kernels):
        at = _at(i, axis.name)
        row = _keys(at, kernel, ("probabilities",))["probabilities"]
        if not isinstance(row, list) or len(row) != axis.n_values:
            raise PriorError(f"{at}: probabilities needs a list of {axis.n_values}.")
        rows.append(json_numbers(row, lambda _: at + ": probabilities"))  # noqa: B023, called here
    return rows


def _gaussians(axis: Axis, kernels: list[Any], *, plain: bool) -> tuple[Array, Array]:
    """(centers, widths) of every component."""
    for i, kernel in enumerate(kernels):
        _keys(_at(i, axis.name), kernel, ("center", "width"))
    centers = json_numbers([k["center"] for k in kernels], lambda i: _at(i, axis.name) + ": center")
    widths = json_numbers([k["width"] for k in kernels], lambda i: _at(i, axis.name) + ": width")
    if plain:
        for i in np.flatnonzero((centers < 0.0) | (centers > 1.0)).tolist():
            raise PriorError(f"{_at(i, axis.name)}: center {centers[i]:.17g} is outside [0, 1].")
        for i in np.flatnonzero(widths > LARGEST_WIDTH).tolist():
            raise PriorError(
                f"{_at(i, axis.name)}: width {widths[i]:.17g} is more than {LARGEST_WIDTH:g}."
            )
    return centers, widths


def from_document(document: Any) -> tuple[Mixture, Metadata]:
    """(mixture, metadata) of a document, every field checked."""
    if not isinstance(document, dict):
        raise PriorError(f"document: needs an object, got {short(document)}.")
    # The format first: a file of another kind is best told so.
    if document.get("format") != FORMAT:
        raise PriorError(f"format: needs {FORMAT!r}, got {short(document.get('format'))}.")
    version = document.get("version")
    if type(version) is not int or version not in (PLAIN_VERSION, VERSION):
        raise PriorError(f"version: needs {PLAIN_VERSION} or {VERSION}, got {short(version)}.")
    _keys("document", document, _FIELDS)
    if not isinstance(document["space"], dict) or not document["space"]:
        raise PriorError(f"space: needs an object of parameters, got {short(document['space'])}.")
    space = {n: _distribution(f"space: {short(n)}", d) for n, d in document["space"].items()}
    axes = make_axes(space)
    components = document["components"]
    if not isinstance(components, list):
        raise PriorError(f"components: needs a list, got {short(components)}.")
    if len(components) > MAX_COMPONENTS:
        raise PriorError(f"components: {len(components)} are more than {MAX_COMPONENTS}.")
    for i, component in enumerate(components):
        kernels = _keys(f"components[{i}]", component, ("weight", "kernels"))["kernels"]
        if not isinstance(kernels, dict) or kernels.keys() != axes.keys():
            _keys(f"components[{i}]: kernels", kernels, tuple(axes))
    weights = json_numbers(
        [component["weight"] for component in components], lambda i: f"components[{i}]: weight"
    )
    for i in np.flatnonzero(weights < 0.0).tolist():
        raise PriorError(f"components[{i}]: weight is negative.")
    tabled = _tabled(components, axes) if version > PLAIN_VERSION else set()
    columns: dict[str, Any] = {}
    for name, axis in axes.items() if components else ():
        listed_kernels = [component["kernels"][name] for component in components]
        if name in tabled:
            columns[name] = {"probabilities": _table(axis, listed_kernels)}
        elif isinstance(axis, CategoricalAxis):
            columns[name] = _table(axis, listed_kernels)
        else:
            columns[name] = _gaussians(axis, listed_kernels, plain=version == PLAIN_VERSION)
    floor = number("floor", document["floor"])
    metadata = check_metadata(document["metadata"])
    return make_mixture(axes, columns, weights, floor), metadata


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


def as_path(path: Any) -> Path:
    """`path` as a Path; PriorError for anything else."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise PriorError(f"path: needs a path, got {short(path)}.")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise PriorError(f"path: {short(path)} cannot be the name of a file.") from None
    return Path(path)


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document to a temporary file beside `path`, then move it there."""
    if "\0" in str(path):
        raise PriorError(f"path: {short(str(path))} holds a NUL.")
    if not os.path.isdir(path.parent):
        raise PriorError(f"path: there is no directory {short(str(path.parent))}.")
    if os.path.isdir(path):
        raise PriorError(f"path: {short(str(path))} is a directory; name a file in it.")
    data = _text(document).encode()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".prior.", suffix=".part")
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
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PriorError(f"file: the key {short(key)} is there twice.")
            seen.add(key)
    return result


def _constant(text: str) -> Any:
    raise PriorError(f"file: holds {text}, which is not JSON.")


def loads(text: str) -> Any:
    """The JSON value of a text; stricter than Python's own, which takes NaN and repeated keys.

    Raises:
        PriorError: a key is there twice, or a number is none of JSON's.
        ValueError: the text is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)


def read(path: Path) -> Any:
    """The file's JSON value, at most 64 MB of it; PriorError where it is none."""
    name = short(path.name)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise PriorError(f"file: {short(str(path))} cannot be read: {reason}.") from error
    if len(data) > MAX_BYTES:
        raise PriorError(f"file: {name} is larger than {MAX_BYTES} bytes.")
    try:
        return loads(data.decode("utf-8"))
    except PriorError:
        raise
    except RecursionError:
        raise PriorError(f"file: {name} is nested too deeply.") from None
    except ValueError as error:  # not UTF-8, not JSON, or an int of thousands of digits
        raise PriorError(f"file: {name} is not JSON: {short(str(error))}") from None
