"""Fingerprints: short hashes of values, and of the source code that computes with them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infoprior._arguments import is_whole
from infoprior.fingerprints._canonical import canonical_text
from infoprior.fingerprints._errors import FingerprintError, SourceError
from infoprior.fingerprints._hash import content_hash

SHORTEST, LONGEST = 8, 64  # hexadecimal digits


def fingerprint(*parts: Any, length: int = 16) -> str:
    """A short hash of values: what goes into a job's key for all that its result depends on.

    Values that could give other results have other fingerprints: 1, 1.0, True and "1" differ, and
    so do -0.0 and 0.0, a list and a tuple, the keys 1 and "1", an array and the same numbers with
    another dtype or shape. The order of the entries of a dict or set does not count, nor does where
    an array or tensor lies (its strides, its device). Every process gives the same fingerprint.

    Args:
        parts: None, numbers, texts, bytes, lists, tuples, dicts, sets, ranges, paths, dates and
            times, `Decimal`, `Fraction`, UUIDs, enumeration members, named tuples and dataclass
            instances; NumPy arrays and scalars, dense PyTorch tensors, pandas frames, series,
            indices and scalars; and these in one another.
        length: hexadecimal digits, 8 to 64.

    Returns:
        hexadecimal digits.

    Raises:
        FingerprintError: (a `ValueError`) a value of another type, such as a function, a network or
            a random generator: its text does not say what is in it. Or `length` is invalid.
    """
    try:
        text = canonical_text(list(parts))
    except FingerprintError as error:
        raise error.inside("fingerprint: parts") from None
    return _shortened(content_hash(text.encode("ascii")), length)


def source_fingerprint(*packages: str, length: int = 16) -> str:
    """A hash of source code, by which results of other code are told apart.

    Of a package it covers every Python file in its folder and in the folders below, by name and
    content; of a module its file.

    Args:
        packages: names of packages or modules, such as "infoprior.training".
        length: hexadecimal digits, 8 to 64.

    Returns:
        hexadecimal digits.

    Raises:
        SourceError: (a `ModuleNotFoundError`) there is no such package, or it has no file.
        FingerprintError: (a `ValueError`) `packages` or `length` is invalid.
    """
    if not packages:
        raise FingerprintError("source_fingerprint needs the name of one at least.", "packages:")
    files = {
        f"{package}/{name}": content_hash(file.read_bytes())
        for package in packages
        for name, file in _source_files(package)
    }
    return _shortened(content_hash(canonical_text(files).encode("ascii")), length)


def _source_files(package: str) -> Iterator[tuple[str, Path]]:
    """(Name inside the package, file) of each of its sources."""
    if not isinstance(package, str) or not all(package.split(".")):
        problem = f"needs names such as 'infoprior.training', got {package!r}."
        raise FingerprintError(problem, "packages:")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # no parent package; the __main__ of a script
        spec = None
    files = []
    if spec is not None and spec.submodule_search_locations:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        files = [(f.relative_to(top).as_posix(), f) for top in folders for f in top.rglob("*.py")]
    elif spec is not None and spec.has_location and spec.origin:
        files = [("", Path(spec.origin))]
    if not files:
        raise SourceError(f"No package {package!r} to take the fingerprint of.")
    yield from files


def _shortened(digest: str, length: int) -> str:
    if not is_whole(length) or not SHORTEST <= length <= LONGEST:
        problem = f"needs a whole number, {SHORTEST} to {LONGEST}, got {length!r}."
        raise FingerprintError(problem, "length:")
    return digest[:length]
