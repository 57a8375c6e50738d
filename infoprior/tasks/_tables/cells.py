"""The cells of a column, whatever its type: Arrow arrays, texts, distinct values, missing ones."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from typing import Any

import numpy as np

from infoprior.tasks._tables.options import Options
from infoprior.tasks._task import TaskError

# Texts that mean "missing" in every column, in small letters ...
MISSING = frozenset(
    {
        "", "?", "n/a", "nan", "-nan", "null", "(null)", "<null>", "<na>", "<nan>", "nat", "\\n",
        "#n/a", "#n/a n/a", "#na", "#nv", "#div/0!", "#value!", "#ref!", "#num!", "#name?",
        "#null!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
    }
)  # fmt: skip
# ... as they stand (for sodium is "Na", and "none" a word) ...
_MISSING_EXACTLY = frozenset({"NA", "None"})
# ... and those that do beside numbers, where they can mean nothing else, in small letters.
MISSING_AMONG_NUMBERS = frozenset(
    {"-", "--", "---", "–", "—", "−", ".", "..", "...", "na", "none", "nil"}
)


def is_missing(text: str) -> bool:
    """Whether a text means that a value is missing, in any column."""
    return text in _MISSING_EXACTLY or text.casefold() in MISSING


def is_missing_among_numbers(text: str) -> bool:
    """Whether a text means that a value is missing, in a column of numbers."""
    return is_missing(text) or text.casefold() in MISSING_AMONG_NUMBERS


def arrow_of(name: str, series: Any, options: Options) -> Any:
    """A pandas column of any type as one Arrow array, exactly; NaN is null.

    Texts become large_string, categories a dictionary; values of several types become texts.

    Args:
        name: of the column.
        series: the column, of length n.
        options: for messages.

    Returns:
        an Arrow array of length n.

    Raises:
        TaskError: values are neither numbers nor texts.
    """
    import pandas as pd
    import pyarrow as pa

    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    try:
        if isinstance(series.dtype, pd.ArrowDtype):
            array = series.array.__arrow_array__()
        else:
            array = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        array = pa.array(_as_texts(name, series.tolist(), options), pa.large_string())
    if isinstance(array, pa.Array):
        array = pa.chunked_array([array])
    if pa.types.is_large_string(array.type) or pa.types.is_string(array.type):
        return array.cast(pa.large_string())
    return array.cast(pa.large_string()) if str(array.type) == "string_view" else array


def _as_texts(name: str, values: list[Any], options: Options) -> list[str | None]:
    simple = (str, bool, int, float, np.bool_, np.number, decimal.Decimal)
    for value in values:
        if not (_is_null(value) or isinstance(value, simple)):
            raise TaskError(not_readable(name, type(value).__name__, options))
    return [None if _is_null(value) else text_of(value) for value in values]


def _is_null(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def text_of(value: Any) -> str:
    """A value as text, exactly; whole numbers lose their ".0"."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def not_readable(name: str, kind: str, options: Options) -> str:
    """A message about a column of values of some other kind."""
    remedy = f"leave it out with drop=[{name!r}]"
    if name == options.target:
        remedy = "name another target"
    return options.column(
        name, f"holds {kind} values, which are neither numbers nor texts; {remedy}"
    )


def is_text(array: Any) -> bool:
    """Whether an Arrow array holds texts."""
    return str(array.type) == "large_string"


def trim(array: Any) -> Any:
    """Texts without the white space around them."""
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(array)


def distinct(array: Any) -> tuple[list[Any], np.ndarray]:
    """Distinct values in order of first occurrence, and each row's place among them.

    Args:
        array: an Arrow array of length n.

    Returns:
        the values, and places, shape (n,), int64; null has the place −1, so that it indexes what is
        appended for missing values.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):  # its dictionary may hold values that no row has
        decoded = [chunk.dictionary_decode() for chunk in array.chunks]
        array = pa.chunked_array(decoded, array.type.value_type)
    encoded = array.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return [], np.empty(0, dtype=np.int64)
    values = encoded.chunk(0).dictionary.to_pylist()
    codes = [c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in encoded.chunks]
    return values, np.concatenate(codes).astype(np.int64)


def joined_by_trimming(texts: Iterable[str]) -> tuple[str, str] | None:
    """Two texts that differ only by white space around them, if there are any."""
    seen: dict[str, str] = {}
    for text in texts:
        other = seen.setdefault(text.strip(), text)
        if other != text and not is_missing(text.strip()):
            return other, text
    return None
