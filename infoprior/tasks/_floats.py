"""Numbers as float64 with no digit lost that a standardised column could show.

What lies in a narrow range far from zero, such as nanoseconds of one day or numbers of 18 digits,
is counted from its least value: exactly, before it is rounded to float64. A network sees
standardised columns, so the shift changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

NARROW = 2.0**-20
"""Share of the greatest magnitude below which a range counts as narrow: float64 keeps at least 32
bits of wider ones, more than the 24 of float32."""
_DIGITS = 800  # of exact differences: more than two float64 numbers in a narrow range can need


def shifted(values: np.ndarray, differences: Callable[[], np.ndarray]) -> np.ndarray:
    """Values as they are, or as differences from their least where they lie in a narrow range.

    Args:
        values: shape (n,), float64, NaN for missing.
        differences: gives the exact differences, shape (n,), float64.
    """
    known = values[~np.isnan(values)]
    if not len(known) or not np.isfinite(known).all():
        return values
    least, most = float(known.min()), float(known.max())
    if most / 2 - least / 2 > NARROW * max(abs(least), abs(most)) / 2:
        return values
    return differences()


def floats_of_texts(numbers: Sequence[str]) -> np.ndarray:
    """Numbers as float64.

    Args:
        numbers: n of them, in plain notation.

    Returns:
        shape (n,), float64.
    """
    return shifted(np.array([float(n) for n in numbers]), lambda: from_least(numbers))


def floats_of_arrow(array: Any) -> np.ndarray:
    """An Arrow array of bools, integers, floats or decimals as float64.

    Args:
        array: of length n.

    Returns:
        shape (n,), float64; null is NaN.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_decimal(kind):
        exact = array.to_pylist()
        values = np.array([np.nan if v is None else float(v) for v in exact])
        return shifted(values, lambda: from_least(exact))
    if pa.types.is_floating(kind):
        values = array.to_numpy().astype(np.float64)  # null becomes NaN
        # Numbers near each other are subtracted without rounding (Sterbenz' lemma).
        return shifted(values, lambda: values - np.nanmin(values))
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())

    def differences() -> np.ndarray:
        return _to_float64(pc.subtract(array, pc.min(array)))

    return shifted(_to_float64(array), differences)


def _to_float64(integers: Any) -> np.ndarray:
    import pyarrow as pa

    values: np.ndarray = integers.cast(pa.float64(), safe=False).to_numpy()
    return values


def from_least(numbers: Sequence[Any]) -> np.ndarray:
    """Differences from the least of exact numbers.

    Args:
        numbers: n of them, each a Decimal, an int, a text or None.

    Returns:
        shape (n,), float64; None is NaN.
    """
    exact = [None if n is None else Decimal(n) for n in numbers]
    if any(isinstance(n, str) for n in numbers) and _are_doubles(
        [v for v in exact if v is not None]
    ):
        exact = [None if v is None else Decimal(float(v)) for v in exact]
    with localcontext(prec=_DIGITS):
        least = min(v for v in exact if v is not None)
        return np.array([np.nan if v is None else float(v - least) for v in exact])


def _are_doubles(numbers: Sequence[Decimal]) -> bool:
    """Whether texts look like float64 numbers as programs print them, rather than decimals.

    They need up to 17 digits, have a fraction, and no two of them are one float64.
    """
    digits = max(len(v.as_tuple().digits) for v in numbers)
    fractions = any("." in str(v) for v in numbers)
    return fractions and 15 < digits <= 17 and len(set(numbers)) == len(set(map(float, numbers)))
