"""What users pass in, as lists of checked tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infoprior.information._inputs import MIN_ROWS, InformationError

ROUNDINGS = 16
"""A column that varies by at most so many roundings of its dtype is flagged `rounding`."""
NARROW = 1e-6
"""A column whose range is at most this share of its magnitude is taken from its smallest value."""
LARGEST_EXACT = 2.0**53
"""Beyond this float64 no longer holds every whole number."""


@dataclass(frozen=True)
class Side:
    """One side of K pairs.

    Attributes:
        samples: K tensors, float64, shapes (n, d_k) or feature maps (n, C, H, W). Columns far from
            zero are shifted, which changes no information and loses no digit.
        stacked: whether a stack was given (and not one array).
        rounding: for each of them, whether a column varies by no more than `ROUNDINGS` roundings of
            its dtype, or lost digits that float64 doesn't hold.
    """

    samples: list[Tensor]
    stacked: bool
    rounding: list[bool]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.samples[0])


def _is_sequence_of_arrays(values: Any) -> bool:
    if isinstance(values, list | tuple) and values and isinstance(values[0], list | tuple):
        return np.ndim(values[0]) > 1  # nested lists of numbers are one array, (n, d)
    return isinstance(values, list | tuple) and any(
        isinstance(v, np.ndarray | Tensor | list | tuple) or hasattr(v, "__array__") for v in values
    )


def as_tensor(values: Any, name: str) -> Tensor:
    """Numbers as a tensor, its dtype and device kept; whole numbers as int64, exactly.

    Args:
        values: a tensor, a NumPy array, a data frame, a series or nested lists.
        name: of the argument, for the message.

    Raises:
        InformationError: it holds something other than numbers.
    """
    if isinstance(values, Tensor):
        return _plain(values.detach(), name)
    if hasattr(values, "columns") and hasattr(values, "iloc"):  # a data frame
        return _frame(values, name)
    if hasattr(values, "toarray"):
        raise InformationError(f"{name} is a sparse matrix; give {name}.toarray().")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InformationError(
            f"{name} is a masked array with {np.ma.count_masked(values)} masked values; remove "
            "or impute them."
        )
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InformationError(f"{name} is no array of numbers: {error}.") from None
    if array.dtype.kind == "O":
        array = _numbers(array)
    if array.dtype.kind not in "fiub":
        raise InformationError(
            f"{name} holds {array.dtype}; give numbers (code labels as whole numbers)."
        )
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = _shortened(array)
    if array.dtype == np.uint64:
        array = _signed(array)
    # PyTorch has fewer integer and float types than numpy.
    kind = np.int64 if array.dtype.kind in "iub" else np.float64
    if array.dtype in (np.float16, np.float32):
        kind = array.dtype.type
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))


def _plain(values: Tensor, name: str) -> Tensor:
    """A tensor whose values can be read, whole numbers as int64."""
    if values.layout != torch.strided or values.is_nested:
        raise InformationError(f"{name} is a {values.layout} tensor; give {name}.to_dense().")
    if values.is_quantized:
        raise InformationError(f"{name} is a quantized tensor; give {name}.dequantize().")
    if values.device.type == "meta":
        raise InformationError(f"{name} is on the device meta, where tensors have no values.")
    if values.is_complex():
        raise InformationError(f"{name} holds {values.dtype}; give real numbers.")
    if values.dtype == torch.uint64:
        signed = torch.from_numpy(_signed(values.cpu().numpy()).astype(np.int64))
        return signed.to(values.device)
    if values.dtype in (torch.uint16, torch.uint32):
        return values.long()
    return values


def _frame(frame: Any, name: str) -> Tensor:
    """The columns of a data frame side by side; whole numbers stay exact beside floats."""
    labels = [str(label) for label in frame.columns]
    parts = [
        as_tensor(frame.iloc[:, i], f"{name}, column {label!r},") for i, label in enumerate(labels)
    ]
    if not parts:
        raise InformationError(f"{name} is a data frame without columns.")
    if len({part.dtype for part in parts}) > 1:
        parts = [float64(part[:, None])[0][:, 0] for part in parts]
    return torch.stack(parts, dim=1)


def _numbers(array: np.ndarray) -> np.ndarray:
    """An array of Python's or pandas' numbers, None and NA being NaN, as a numeric one."""
    flat = [None if type(v).__name__ == "NAType" else v for v in array.ravel().tolist()]
    kinds = (int, float, np.integer, np.floating)
    if not flat or not all(v is None or isinstance(v, kinds) for v in flat):
        return array
    if all(isinstance(v, int | np.integer) for v in flat):
        numbers = np.asarray(flat)  # object again where they are beyond 64 bits
    else:
        numbers = np.asarray([np.nan if v is None else float(v) for v in flat])
    return numbers.reshape(array.shape)


def _signed(array: np.ndarray) -> np.ndarray:
    """uint64 as int64: less 2^63 where some don't fit, which keeps order and distances."""
    if array.size == 0 or array.max() <= np.iinfo(np.int64).max:
        return array.astype(np.int64)
    return (array ^ np.uint64(1 << 63)).view(np.int64)


def _shortened(array: np.ndarray) -> np.ndarray:
    """Extended precision as float64, from each column's smallest value where that is exact."""
    if array.size == 0 or not np.isfinite(array).all():
        return array.astype(np.float64)
    low, high = array.min(axis=0), array.max(axis=0)
    narrow = high - low <= NARROW * np.maximum(abs(low), abs(high))
    return np.where(narrow, array - low, array).astype(np.float64)


def as_side(values: Any, name: str) -> Side:
    """One side of the pairs, checked.

    Args:
        values: (n,), (n, d), a stack (K, n, d), maps (n, C, H, W) or (K, n, C, H, W), or a list of
            K arrays of shapes (n,), (n, d_k) or (n, C, H, W).
        name: of the argument, for the message.

    Raises:
        InformationError: another shape, lengths that differ, no column, or a value that is not
            finite.
    """
    if _is_sequence_of_arrays(values):
        if len({np.ndim(v) for v in values}) == 1 and np.ndim(values[0]) == 0:
            return as_side(np.asarray([v.item() for v in values]), name)
        rows = [_rows(as_tensor(v, f"{name}[{k}]"), f"{name}[{k}]") for k, v in enumerate(values)]
        stacked = True
    else:
        tensor = as_tensor(values, name)
        stacked = tensor.ndim in (3, 5)
        if stacked:
            rows = [_rows(t, f"{name}[{k}]") for k, t in enumerate(tensor)]
        else:
            rows = [_rows(tensor, name)]
    if not rows:
        raise InformationError(f"{name} is an empty stack; give at least one array.")
    samples = [sample for sample, _ in rows]
    for k, sample in enumerate(samples):
        if len(sample) != len(samples[0]):
            raise InformationError(
                f"{name}[0] has {len(samples[0])} rows, but {name}[{k}] has {len(sample)}; "
                "entries of one stack share their rows."
            )
    return Side(samples, stacked, [rounding for _, rounding in rows])


def _rows(values: Tensor, name: str) -> tuple[Tensor, bool]:
    """(n, d) or (n, C, H, W), float64, finite; and whether some column is mostly rounding."""
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim not in (2, 4) or 0 in values.shape[1:]:
        raise InformationError(
            f"{name} has shape {tuple(values.shape)}; give (rows, columns), or feature maps "
            "(rows, channels, height, width)."
        )
    if values.is_floating_point():
        finite = torch.isfinite(values.double())
        if not bool(finite.all()):
            bad = ~finite
            place = [int(i) for i in bad.nonzero()[0]]
            where = f"column {place[1]}" if len(place) == 2 else f"position {tuple(place[1:])}"
            raise InformationError(
                f"{name} is not finite at row {place[0]}, {where} ({int(bad.sum())} such values); "
                "remove or impute them."
            )
    return float64(values)


def float64(values: Tensor) -> tuple[Tensor, bool]:
    """Finite values as float64, columns of a narrow range from their smallest value.

    The difference of two floats within a factor of two of each other is exact (Sterbenz), and so is
    that of whole numbers: nothing is lost, and nothing later cancels.
    """
    flat = values.flatten(1)
    if len(flat) == 0:
        return values.double(), False
    low, high = (flat.double() if values.dtype.itemsize == 1 else flat).aminmax(dim=0)
    size = torch.maximum(low.double().abs(), high.double().abs())
    span = high.double() - low.double()
    if values.is_floating_point():
        narrow = span <= NARROW * size
        few = (span > 0.0) & (span <= ROUNDINGS * torch.finfo(values.dtype).eps * size)
        numbers = flat.double()
        shifted = torch.where(narrow, numbers - low.double(), numbers)
        return shifted.view(values.shape), bool(few.any())
    # Whole numbers that float64 doesn't hold, unless they are too far apart for a difference.
    large = size > LARGEST_EXACT
    narrow = (span <= NARROW * size) | (large & (span < LARGEST_EXACT))
    numbers = torch.where(narrow, flat.long() - low.long(), flat.long()).double()
    lost = [
        len(flat[:, j].unique()) > len(numbers[:, j].unique())
        for j in (large & ~narrow).nonzero()[:, 0].tolist()
    ]
    return numbers.view(values.shape), any(lost)


def without_rounding_noise(layer: np.ndarray) -> np.ndarray:
    """Units that were computed and vary by a few roundings of their dtype only, made constant.

    What a network computes for a dead unit differs from row to row by rounding. Data may vary as
    little and mean it: this is for activations, not for samples of one's own.

    Args:
        layer: activations, a floating dtype, shape (n, d) or (n, C, H, W), finite.

    Returns:
        the same dtype and shape, such units zero.
    """
    flat = layer.reshape(len(layer), -1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    share = ROUNDINGS * np.finfo(layer.dtype).eps
    size = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    noise = high.astype(np.float64) - low <= share * size
    if not noise.any():
        return layer
    return np.where(noise, 0, flat).astype(layer.dtype).reshape(layer.shape)


def is_constant(samples: Tensor) -> bool:
    """Whether no column varies over the rows; samples of shape (n, ...)."""
    return bool((samples == samples[:1]).all())


def as_classes(values: Any, name: str) -> tuple[list[Tensor], bool]:
    """Labels as classes 0 .. C-1.

    Args:
        values: whole numbers of shape (n,), or (K, n).
        name: of the argument, for the message.

    Returns:
        int64 tensors of shape (n,), one for all or K of them; and whether there are K.

    Raises:
        InformationError: another shape, or other than whole numbers.
    """
    if _is_sequence_of_arrays(values):
        rows = [as_tensor(v, f"{name}[{k}]") for k, v in enumerate(values)]
        shapes = sorted({tuple(row.shape) for row in rows})
        if len(shapes) > 1:
            raise InformationError(
                f"{name} holds labels of shapes {shapes}; entries of one stack share their rows."
            )
        tensor = torch.stack(rows)
    else:
        tensor = as_tensor(values, name)
    if tensor.ndim == 2 and tensor.shape[1] == 1:
        tensor = tensor[:, 0]
    if tensor.ndim not in (1, 2) or tensor.numel() == 0:
        raise InformationError(
            f"{name} has shape {tuple(tensor.shape)}; give labels of shape (rows,), or (K, rows)."
        )
    if tensor.is_floating_point():
        dtype, tensor = tensor.dtype, tensor.double()
        if not bool((tensor.isfinite() & (tensor == tensor.round())).all()):
            raise InformationError(f"{name} holds {dtype}; give labels as whole numbers.")
    stack = tensor if tensor.ndim == 2 else tensor[None]
    return [row.unique(return_inverse=True)[1] for row in stack], tensor.ndim == 2


def check_lengths(x: int, y: int) -> int:
    """The number of rows that both sides share.

    Args:
        x: rows of the one side.
        y: rows of the other.

    Raises:
        InformationError: the numbers differ, or are below `MIN_ROWS`.
    """
    if x != y:
        raise InformationError(f"x has {x} rows, but y has {y}; give pairs.")
    if x < MIN_ROWS:
        raise InformationError(f"x has {x} rows; at least {MIN_ROWS} are needed.")
    return x
