"""What tells values of NumPy, PyTorch and pandas apart: type, dtype, shape, a hash of every byte.

Their own texts abbreviate, round to eight digits and leave out types.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from infoprior.fingerprints._errors import FingerprintError
from infoprior.fingerprints._hash import content_hash

Parts = tuple[Any, ...]
"""A tag that says what a value is, and what it holds."""


def array_parts(value: Any) -> Parts | None:
    """What tells something of these libraries from all else; None for anything else."""
    if isinstance(value, np.generic):
        return ("numpy.scalar", *_array_parts(np.asarray(value)))
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.dtype):
        return ("numpy.dtype", np.lib.format.dtype_to_descr(value))
    for library, write in (("torch", _torch), ("pandas", _pandas)):
        if library in sys.modules and (parts := write(sys.modules[library], value)) is not None:
            return parts
    return None


def _array(value: np.ndarray) -> Parts:
    kind = type(value)
    if kind is np.ma.MaskedArray:
        parts = _array_parts(np.asarray(value)), _array_parts(np.ma.getmaskarray(value))
        return ("numpy.ma", *parts)
    if kind is np.memmap:  # a file's content is as good as a copy of it
        kind = np.ndarray
    if kind not in (np.ndarray, np.matrix, np.recarray):
        raise FingerprintError(
            f"is a {kind.__module__}.{kind.__qualname__}, which may hold more than its numbers: "
            "give numpy.asarray of it."
        )
    return (f"numpy.{kind.__name__}", *_array_parts(np.asarray(value)))


def _array_parts(array: np.ndarray) -> list[Any]:
    """Dtype, shape and content."""
    dtype = array.dtype
    return [dtype.str, dtype.name, list(array.shape), _content(array)]


def _content(array: np.ndarray) -> Any:
    """A hash of the bytes, or the values where bytes are addresses or padding."""
    dtype = array.dtype
    if dtype.names is not None:  # by field: between them lies what memory held before
        return {name: _array_parts(array[name]) for name in dtype.names}
    if dtype.hasobject:  # objects, and texts of any length: the bytes are addresses
        return array.ravel().tolist()
    if dtype.char in "gG":  # of the bytes of a long double some mean nothing
        if dtype.kind == "c":
            return [_content(array.real), _content(array.imag)]
        return [np.format_float_scientific(number) for number in array.ravel()]
    whole = np.ascontiguousarray(array).reshape(-1)
    return content_hash(whole.view(np.uint8) if whole.nbytes else b"")


def _torch(torch: Any, value: Any) -> Parts | None:
    if isinstance(value, torch.dtype):
        return ("torch.dtype", str(value))
    if not isinstance(value, torch.Tensor):
        return None
    kind = type(value)
    plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
    if kind not in (torch.Tensor, torch.nn.Parameter) or not plain:
        raise FingerprintError(
            f"is a {kind.__module__}.{kind.__qualname__} of {value.layout} on {value.device}, "
            "which has no fingerprint: give a dense tensor with its numbers."
        )
    whole = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    content = whole.view(torch.uint8).numpy() if whole.numel() else b""
    return ("torch." + kind.__name__, str(value.dtype), [*value.shape], content_hash(content))


def _pandas(pd: Any, value: Any) -> Parts | None:
    kind = type(value)
    if value is pd.NA or value is pd.NaT:
        return ("pandas", str(value))
    if kind is pd.Timestamp:
        return ("Timestamp", value.isoformat(), value.unit, value.fold, value.tzinfo)
    if kind is pd.Timedelta:
        return ("Timedelta", str(value.asm8.view("i8")), value.unit)
    if kind is pd.Period:
        return ("Period", value.ordinal, value.freqstr)
    if kind is pd.Interval:
        return ("Interval", value.left, value.right, value.closed)
    if kind is pd.Series:
        content = value.name, value.index, value.attrs
        return ("Series", *content, *_values(pd, value))
    if kind is pd.DataFrame:
        columns = [_values(pd, value.iloc[:, i]) for i in range(value.shape[1])]
        return ("DataFrame", value.columns, value.index, value.attrs, columns)
    if isinstance(value, pd.Index) and kind.__module__.startswith("pandas."):
        return (kind.__name__, [*value.names], *_labels(pd, value))
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return ("pandas.array", *_values(pd, pd.Series(value)))
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return ("pandas.dtype", repr(value))
    return None


def _labels(pd: Any, index: Any) -> list[Any]:
    if isinstance(index, pd.RangeIndex):
        return [index.start, index.stop, index.step]
    if isinstance(index, pd.MultiIndex):
        return [_values(pd, index.get_level_values(i)) for i in range(index.nlevels)]
    return [getattr(index, "freqstr", None), *_values(pd, index)]


def _values(pd: Any, column: Any) -> list[Any]:
    """The values of a series or an index: dtype and content."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return [column.to_numpy()]
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.codes if isinstance(column, pd.Index) else column.cat.codes.to_numpy()
        return ["category", dtype.ordered, dtype.categories, np.asarray(codes)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        in_utc = column if isinstance(column, pd.Index) else column.dt
        return [str(dtype), in_utc.tz_convert(None).to_numpy()]
    plain = getattr(dtype, "numpy_dtype", None)
    if plain is not None and plain.kind in "iufb":  # numbers and which of them are missing
        numbers = column.array.to_numpy(plain, na_value=plain.type(0))
        return [repr(dtype), np.asarray(column.isna()), numbers]
    return [repr(dtype), list(column.array)]
