"""What users pass in, as lists of checked tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infoprior.information._inputs import MIN_ROWS, InformationError

ROUNDINGS, LEAST_ROUNDING = 16, 1e-11
"""A column whose range is at most so many roundings of its dtype, or that share of its largest
magnitude, is constant but for them."""


@dataclass(frozen=True)
class Side:
    """One side of K pairs.

    Attributes:
        samples: K tensors, float64, shapes (n, d_k) or feature maps (n, C, H, W).
        stacked: whether a stack was given (and not one array).
    """

    samples: list[Tensor]
    stacked: bool

    @property
    def n(self) -> int:
        return len(self.samples[0])


def _is_sequence_of_arrays(values: Any) -> bool:
    if isinstance(values, list | tuple) and values and isinstance(values[0], list | tuple):
        return np.ndim(values[0]) > 1  # nested lists of numbers are one array, (n, d)
    return isinstance(values, list | tuple) and any(
        isinstance(v, np.ndarray | Tensor | list | tuple) or hasattr(v, "__array__") for v in values
    )


def as_tensor(values: Any, name: str) -> Tensor:
    """Numbers as a tensor, its dtype and device kept.

    Raises:
        InformationError: something else than numbers.
    """
    if isinstance(values, Tensor):
        values = values.detach()
    else:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise InformationError(
                f"{name} holds {array.dtype}; give numbers (code labels as whole numbers)."
            )
        # PyTorch has fewer integer and float types than numpy.
        kind = np.int64 if array.dtype.kind in "iub" else np.float64
        if array.dtype in (np.float16, np.float32):
            kind = array.dtype.type
        values = torch.from_numpy(np.ascontiguousarray(array, dtype=kind))
    if values.is_complex():
        raise InformationError(f"{name} holds {values.dtype}; give real numbers.")
    return values


def as_side(values: Any, name: str) -> Side:
    """One side, checked: (n,), (n, d), a stack (K, n, d), maps (n, C, H, W) or (K, n, C, H, W), or
    a list of K arrays of shapes (n,), (n, d_k) or (n, C, H, W).

    Raises:
        InformationError: another shape, lengths that differ, no column, or a value that is not
            finite.
    """
    if _is_sequence_of_arrays(values):
        if len({np.ndim(v) for v in values}) == 1 and np.ndim(values[0]) == 0:
            return as_side(np.asarray([float(v) for v in values]), name)
        samples = [
            _rows(as_tensor(v, f"{name}[{k}]"), f"{name}[{k}]") for k, v in enumerate(values)
        ]
        stacked = True
    else:
        tensor = as_tensor(values, name)
        stacked = tensor.ndim in (3, 5)
        if stacked:
            samples = [_rows(t, f"{name}[{k}]") for k, t in enumerate(tensor)]
        else:
            samples = [_rows(tensor, name)]
    if not samples:
        raise InformationError(f"{name} is an empty stack; give at least one array.")
    for k, sample in enumerate(samples):
        if len(sample) != len(samples[0]):
            raise InformationError(
                f"{name}[0] has {len(samples[0])} rows, but {name}[{k}] has {len(sample)}; "
                "entries of one stack share their rows."
            )
    return Side(samples, stacked)


def _rows(values: Tensor, name: str) -> Tensor:
    """(n, d) or (n, C, H, W), float64, finite."""
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim not in (2, 4) or 0 in values.shape[1:]:
        raise InformationError(
            f"{name} has shape {tuple(values.shape)}; give (rows, columns), or feature maps "
            "(rows, channels, height, width)."
        )
    rounding = torch.finfo(values.dtype).eps if values.is_floating_point() else 0.0
    values = values.double()
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        place = [int(i) for i in bad.nonzero()[0]]
        where = f"column {place[1]}" if len(place) == 2 else f"position {tuple(place[1:])}"
        raise InformationError(
            f"{name} is not finite at row {place[0]}, {where} ({int(bad.sum())} such values); "
            "remove or impute them."
        )
    return _without_rounding_noise(values, max(ROUNDINGS * rounding, LEAST_ROUNDING))


def _without_rounding_noise(samples: Tensor, share: float) -> Tensor:
    """Columns whose range is at most this share of their largest magnitude made constant."""
    if len(samples) == 0:
        return samples
    flat = samples.flatten(1)
    low, high = flat.amin(dim=0), flat.amax(dim=0)
    constant = high - low <= share * torch.maximum(low.abs(), high.abs())
    if not bool(constant.any()):
        return samples
    return torch.where(constant, 0.0, flat).view_as(samples)


def is_constant(samples: Tensor) -> bool:
    return bool((samples == samples[:1]).all())


def as_classes(values: Any, name: str) -> tuple[list[Tensor], bool]:
    """Labels as classes 0 .. C-1: one int64 tensor (n,) for all, or K of them; and whether K.

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
    if tensor.is_floating_point() and not bool(
        (tensor.isfinite() & (tensor == tensor.round())).all()
    ):
        raise InformationError(f"{name} holds {tensor.dtype}; give labels as whole numbers.")
    stack = tensor if tensor.ndim == 2 else tensor[None]
    return [row.unique(return_inverse=True)[1] for row in stack], tensor.ndim == 2


def check_lengths(x: int, y: int) -> int:
    """The one number of rows that both sides share.

    Raises:
        InformationError: lengths differ, or there are fewer than `MIN_ROWS` rows.
    """
    if x != y:
        raise InformationError(f"x has {x} rows, but y has {y}; give pairs.")
    if x < MIN_ROWS:
        raise InformationError(f"x has {x} rows; at least {MIN_ROWS} are needed.")
    return x
