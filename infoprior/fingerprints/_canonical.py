"""A text for every value that no other value has: what is hashed to a fingerprint.

Plain JSON values (None, bools, numbers, texts, lists, dicts with texts as keys) have their JSON,
with sorted keys and without blanks. The text of everything else holds a "!" outside of quotes, as
no JSON does: `!bytes("...")`. Large contents stand there as their SHA-256.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import sys
import uuid
import zoneinfo
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from infoprior.fingerprints._errors import FingerprintError
from infoprior.fingerprints._hash import content_hash

_LONG = 2000  # bits; Python takes long to write longer numbers in decimal, or refuses to
_BUILT_IN = (int, float, complex, str, bytes, bytearray, list, dict, tuple, set, frozenset)


def canonical_text(value: Any) -> str:
    """A text that no other value has, in ASCII; that of plain JSON is its JSON.

    Args:
        value: see `fingerprint`.

    Raises:
        FingerprintError: `fingerprint` does not take such a value.
    """
    try:
        return _text(value)
    except RecursionError:
        raise FingerprintError("is nested too deeply, or holds itself.") from None


def _text(value: Any) -> str:
    """The text of a value, by its type."""
    kind = type(value)
    if write := _WRITERS.get(kind):
        return write(value)
    if isinstance(value, enum.Enum):
        content = value.value if isinstance(value, enum.Flag) else value.name
        return _tagged("enum", _name(kind), content)
    if isinstance(value, PurePath):
        return _tagged("path", kind.__name__, str(value))
    if isinstance(value, tuple) and (fields := getattr(kind, "_fields", None)) is not None:
        return _tagged("namedtuple", _name(kind), list(fields), list(value))
    if isinstance(value, datetime.tzinfo) and isinstance(zone := getattr(value, "zone", 0), str):
        return _tagged("pytz", zone)
    if dataclasses.is_dataclass(kind) and not isinstance(value, _BUILT_IN):
        return _tagged("dataclass", _name(kind), _attributes(value))
    if "numpy" in sys.modules:  # otherwise it is nothing of those libraries
        from infoprior.fingerprints._arrays import array_parts

        if (parts := array_parts(value)) is not None:
            return _tagged(*parts)
    raise FingerprintError(
        f"is a {kind.__module__}.{kind.__qualname__}, which has no fingerprint: give the values "
        "that the result depends on (numbers, texts, lists, dicts, arrays, tables, dataclasses)."
    )


def _tagged(tag: str, *contents: Any) -> str:
    """The text of something that JSON does not have."""
    return f"!{tag}({','.join(_text(content) for content in contents)})"


def _texts(values: Iterable[Any], places: Iterable[Any] | None = None) -> list[str]:
    """The texts of what is in a container; an error says at which place."""
    texts: list[str] = []
    names = None if places is None else list(places)
    try:
        for value in values:
            texts.append(_text(value))
    except FingerprintError as error:
        i = len(texts)
        raise error.inside(f"[{i if names is None else names[i]!r}]") from None
    return texts


def _str(value: str) -> str:
    """JSON; a lone surrogate is told from the character that JSON writes alike."""
    text = json.dumps(value)
    # JSON writes a character beyond U+FFFF as the pair of surrogates that it writes for the pair.
    return text if value.isascii() or not _has_surrogates(value) else f"!surrogates({text})"


def _has_surrogates(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _int(value: int) -> str:
    """Decimal, or hexadecimal where that takes Python long."""
    return str(value) if value.bit_length() <= _LONG else f"!int({value:x})"


def _list(value: Iterable[Any]) -> str:
    return f"[{','.join(_texts(value))}]"


def _dict(value: Mapping[Any, Any]) -> str:
    """Sorted by keys, as JSON where all of them are texts."""
    keys, texts = _texts(value), _texts(value.values(), value)

    def order(i: int) -> tuple[bool, str]:  # of texts: by themselves, as JSON sorts them
        key = names[i]
        return (False, key) if isinstance(key, str) else (True, keys[i])

    names = list(value)
    plain = all(type(name) is str for name in names)
    pairs = [f"{keys[i]}:{texts[i]}" for i in sorted(range(len(keys)), key=order)]
    return f"{{{','.join(pairs)}}}" if plain else f"!dict({','.join(pairs)})"


def _set(value: Iterable[Any]) -> str:
    return f"!{type(value).__name__}({','.join(sorted(_texts(value)))})"


def _moment(value: datetime.datetime | datetime.time) -> str:
    return _tagged(type(value).__name__, value.isoformat(), value.fold, value.tzinfo)


def _zone(value: zoneinfo.ZoneInfo) -> str:
    if value.key is None:
        raise FingerprintError("is a time zone without a name, which has no fingerprint.")
    return _tagged("ZoneInfo", value.key)


def _decimal(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    return _tagged("Decimal", sign, "".join(map(str, digits)), exponent)


def _attributes(value: Any) -> dict[str, Any]:
    """What an instance of a dataclass holds, without what it has only cached."""
    names = [*(field.name for field in dataclasses.fields(value)), *getattr(value, "__dict__", ())]
    kind = type(value)
    return {
        name: getattr(value, name)
        for name in names
        if hasattr(value, name)
        and not isinstance(getattr(kind, name, None), functools.cached_property)
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


# By the very type: what is derived from it may hold more than it says.
_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "null",
    bool: lambda value: "true" if value else "false",
    int: _int,
    float: json.dumps,
    str: _str,
    list: _list,
    dict: _dict,
    tuple: lambda value: f"!tuple({','.join(_texts(value))})",
    set: _set,
    frozenset: _set,
    OrderedDict: lambda value: _tagged("OrderedDict", list(value.items())),
    bytes: lambda value: _tagged("bytes", content_hash(value)),
    bytearray: lambda value: _tagged("bytearray", content_hash(value)),
    complex: lambda value: _tagged("complex", value.real, value.imag),
    range: lambda value: _tagged("range", value.start, value.stop, value.step),
    slice: lambda value: _tagged("slice", value.start, value.stop, value.step),
    Decimal: _decimal,
    Fraction: lambda value: _tagged("Fraction", value.numerator, value.denominator),
    uuid.UUID: lambda value: _tagged("UUID", value.hex),
    datetime.datetime: _moment,
    datetime.time: _moment,
    datetime.date: lambda value: _tagged("date", value.isoformat()),
    datetime.timedelta: lambda value: _tagged(
        "timedelta", value.days, value.seconds, value.microseconds
    ),
    datetime.timezone: lambda value: _tagged("timezone", value.utcoffset(None), value.tzname(None)),
    zoneinfo.ZoneInfo: _zone,
}
