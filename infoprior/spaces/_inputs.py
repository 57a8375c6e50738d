"""Encodings of a table's numeric columns, fitted on training rows: the front of a network.

A column is numeric here if its training rows hold three different values or more. The others,
one-hot columns among them, are passed on as they are: of two values, every encoding says the same.

- `standard`: as the task gives them.
- `robust`: robust scaling and smooth clipping (Holzmüller, Grinsztajn & Steinwart, "Better by
  Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", NeurIPS 2024, section 3).
- `quantile`: to a normal distribution by ranks, as scikit-learn's `QuantileTransformer`.
- `piecewise-8`, `piecewise-24`: piecewise-linear encoding with so many bins between quantiles
  (Gorishniy, Rubachev & Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
  NeurIPS 2022, section 3.2).
- `periodic-low`, `periodic-high`: the column itself, sin(2 pi c x) and cos(2 pi c x) of eight
  frequencies c (the same, section 3.3), which are drawn once from a normal distribution of standard
  deviation 0.1 or 1 and stay (Rahimi & Recht, "Random Features for Large-Scale Kernel Machines",
  NIPS 2007).

Encodings compute in float64 and round at the end, so that processors agree on them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed
from infoprior.files import write_atomically
from infoprior.spaces._space import SpaceError

MAX_ENCODED = 512
"""Columns that the numeric columns of a table become, at most, or as many as there are of them:
wide tables get fewer bins or frequencies a column, down to one bin, or the column alone."""

MIN_DISTINCT = 3
"""Different values among the training rows that make a column numeric."""

FREQUENCIES = 8
"""Of each column, unless there are too many columns."""

_FORMAT = "infoprior.inputs/1"


class InputEncoder(nn.Module):
    """From a task's rows to what the first layer of a network reads; nothing in it is learned.

    The encoded numeric columns come first, then the others. Make one by `fit_inputs`.

    Args:
        name: of the encoding, a key of `ENCODINGS`.
        n_in: columns of a row.
        tensors: what was fitted, by name: the buffers of the module.

    Attributes:
        name: as given.
        n_in: as given.
        n_out: columns of an encoded row.
    """

    needed: ClassVar[tuple[str, ...]] = ()
    numeric: Tensor  # (k,), int64: numbers of the columns that are encoded
    others: Tensor  # (n_in - k,), int64

    def __init__(self, name: str, n_in: int, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.name, self.n_in = name, n_in
        for key in ("numeric", "others", *self.needed):
            self.register_buffer(key, tensors[key])
        self.n_out = self.encoded_columns() + len(tensors["others"])

    def encoded_columns(self) -> int:
        """What the numeric columns become."""
        return len(self.numeric)

    def encode(self, x: Tensor) -> Tensor:
        """Numeric columns, shape (n, k), float64, encoded: shape (n, encoded_columns())."""
        raise NotImplementedError  # abstract: encodings have their own, or another forward

    def forward(self, x: Tensor) -> Tensor:
        """Rows x, shape (n, n_in), encoded: shape (n, n_out), of the dtype of x."""
        encoded = self.encode(x[:, self.numeric].double()).to(x.dtype)
        return torch.cat([encoded, x[:, self.others]], 1)

    def extra_repr(self) -> str:
        return f"{self.name!r}, {self.n_in} -> {self.n_out}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the name and what was fitted."""
        return hashlib.sha256(self._bytes()).hexdigest()

    def _bytes(self) -> bytes:
        from safetensors.torch import save

        # A single metadata entry, because safetensors keeps several in a hash map's order.
        header = {"format": _FORMAT, "inputs": self.name, "n_in": self.n_in}
        tensors = {key: value.cpu().contiguous() for key, value in self.state_dict().items()}
        return save(tensors, metadata={"inputs": json.dumps(header, sort_keys=True)})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .safetensors file, atomically; the same encoder gives the same bytes.

        Args:
            path: of the file; its folder has to exist.

        Raises:
            SpaceError: the folder does not exist, or the path is a folder.
        """
        if Path(path).is_dir() or not Path(path).parent.is_dir():
            raise SpaceError(f"{path}: no file can be written there; name one in a folder.")
        write_atomically(path, self._bytes())

    @staticmethod
    def load(path: str | os.PathLike[str]) -> InputEncoder:
        """Read a file written by `save`.

        Args:
            path: of the file.

        Raises:
            SpaceError: it is missing, or holds no encoder.
        """
        from safetensors import SafetensorError, safe_open

        if not isinstance(path, str | os.PathLike) or not Path(path).is_file():
            raise SpaceError(f"{path}: no such file; give one that InputEncoder.save wrote.")
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["inputs"])
                if header["format"] != _FORMAT:
                    raise KeyError(header["format"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            kind, _ = ENCODINGS[header["inputs"]]
            return kind(header["inputs"], int(header["n_in"]), tensors)
        except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
            raise SpaceError(
                f"{path}: holds no encoder of inputs; write it by InputEncoder.save ({error!r})."
            ) from None


class Standard(InputEncoder):
    """The columns as they are, in their order."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Robust(InputEncoder):
    """x / sqrt(1 + (x / 3)^2) of x = (column - median) * factor: bounded by 3."""

    needed = ("median", "factor")
    median: Tensor  # (k,)
    factor: Tensor  # (k,)

    def encode(self, x: Tensor) -> Tensor:
        scaled = (x - self.median) * self.factor
        return scaled / (1.0 + (scaled / 3.0) ** 2).sqrt()


class Quantile(InputEncoder):
    """The normal quantile of a value's place among the training rows' quantiles.

    A value that many training rows have is in the middle of its places; the least and the greatest
    value, and what lies outside, are 5.2 standard deviations away, as scikit-learn has it.
    """

    needed = ("quantiles",)
    quantiles: Tensor  # (k, m), ascending
    EDGE: ClassVar[float] = 1e-7
    MOST: ClassVar[float] = 5.199337582192817  # the normal quantile of 1 - EDGE

    def encode(self, x: Tensor) -> Tensor:
        knots, values = self.quantiles, x.T.contiguous()
        places = torch.linspace(0, 1, knots.shape[1], dtype=x.dtype, device=x.device)
        up = _interpolate(values, knots, places)
        down = -_interpolate(-values, -knots.flip(1), -places.flip(0))
        place = (up + down) / 2
        place = torch.where(values - self.EDGE < knots[:, :1], 0.0, place)
        place = torch.where(values + self.EDGE > knots[:, -1:], 1.0, place)
        return torch.special.ndtri(place).clamp(-self.MOST, self.MOST).T


def _interpolate(x: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """Linear between knots, constant outside, at equal knots the last height.

    Args:
        x: shape (k, n).
        knots: shape (k, m), ascending.
        heights: shape (m,).

    Returns:
        shape (k, n).
    """
    last = knots.shape[1] - 1
    left = (torch.searchsorted(knots, x, right=True) - 1).clamp(0, last - 1)
    start = knots.gather(1, left)
    run = knots.gather(1, left + 1) - start
    share = torch.where(run > 0, (x - start) / run, 1.0).clamp(0, 1)
    return heights[left] + share * (heights[left + 1] - heights[left])


class PiecewiseLinear(InputEncoder):
    """Of each bin, the share of it that lies below a value; outer bins extend the line outside."""

    needed = ("column", "start", "width", "least", "most")
    column: Tensor  # (m,): each bin's place among the numeric columns
    start: Tensor  # (m,)
    width: Tensor  # (m,)
    least: Tensor  # (m,): 0, of a column's first bin minus infinity
    most: Tensor  # (m,): 1, of a column's last bin infinity

    def encoded_columns(self) -> int:
        return len(self.start)

    def encode(self, x: Tensor) -> Tensor:
        share = (x[:, self.column] - self.start) / self.width
        return torch.minimum(torch.maximum(share, self.least), self.most)


class Periodic(InputEncoder):
    """Each column, and sine and cosine of it at its own frequencies."""

    needed = ("frequencies",)
    frequencies: Tensor  # (k, pairs), in cycles a standard deviation

    def encoded_columns(self) -> int:
        return len(self.frequencies) * (1 + 2 * self.frequencies.shape[1])

    def encode(self, x: Tensor) -> Tensor:
        angle = (2 * math.pi * x[:, :, None] * self.frequencies).flatten(1)
        return torch.cat([x, angle.sin(), angle.cos()], 1)


# Fitting: numeric columns of training rows, (n, k), float64 -> tensors ----------------------------


def _fit_standard(x: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    return {}


def _fit_robust(x: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    low, median, high = np.percentile(x, (25, 50, 75), axis=0)
    # Where half of the rows hold one value, the range stands in; numeric columns have one. Between
    # equal values percentiles may differ by rounding.
    span = x.max(axis=0) - x.min(axis=0)
    spread = np.where(high - low > 1e-9 * span, high - low, span / 2)
    return {"median": median, "factor": 1.0 / spread}


def _fit_quantile(x: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    # As many as Gorishniy et al. take: fewer than rows, so that single rows count for little.
    m = min(max(len(x) // 30, 10), 1000, max(len(x), 2))
    quantiles = np.percentile(x, 100 * np.linspace(0, 1, m), axis=0)
    return {"quantiles": np.maximum.accumulate(quantiles, axis=0).T}


def _fit_piecewise(x: np.ndarray, seed: int, bins: int) -> dict[str, np.ndarray]:
    bins = min(bins, max(1, MAX_ENCODED // max(x.shape[1], 1)))
    # Equal quantiles are one edge: a column of few values has fewer bins. Edges are values of rows,
    # since between two of them rounding could leave a bin of no width.
    at = np.linspace(0, 1, bins + 1)
    edges = [np.unique(np.quantile(v, at, method="inverted_cdf")) for v in x.T]
    none = np.zeros(0)
    return {
        "column": np.repeat(np.arange(x.shape[1]), [len(e) - 1 for e in edges]),
        "start": np.concatenate([none, *(e[:-1] for e in edges)]),
        "width": np.concatenate([none, *(np.diff(e) for e in edges)]),
        "least": np.concatenate([none, *([-np.inf, *[0.0] * (len(e) - 2)] for e in edges)]),
        "most": np.concatenate([none, *([*[1.0] * (len(e) - 2), np.inf] for e in edges)]),
    }


def _fit_periodic(x: np.ndarray, seed: int, deviation: float) -> dict[str, np.ndarray]:
    k = x.shape[1]
    pairs = min(FREQUENCIES, max(0, (MAX_ENCODED // max(k, 1) - 1) // 2))
    drawn = np.random.default_rng([seed, 3]).standard_normal((k, FREQUENCIES))
    return {"frequencies": deviation * drawn[:, :pairs]}


Fit = Callable[[np.ndarray, int], dict[str, np.ndarray]]
ENCODINGS: dict[str, tuple[type[InputEncoder], Fit]] = {
    "standard": (Standard, _fit_standard),
    "robust": (Robust, _fit_robust),
    "quantile": (Quantile, _fit_quantile),
    "piecewise-8": (PiecewiseLinear, partial(_fit_piecewise, bins=8)),
    "piecewise-24": (PiecewiseLinear, partial(_fit_piecewise, bins=24)),
    "periodic-low": (Periodic, partial(_fit_periodic, deviation=0.1)),
    "periodic-high": (Periodic, partial(_fit_periodic, deviation=1.0)),
}
"""Name -> its module and how that is fitted."""


@default_settings()
def fit_inputs(name: str, x: Any, *, seed: int = 0) -> InputEncoder:
    """The encoder of a table's columns, fitted on its training rows.

    Args:
        name: of the encoding, a key of `ENCODINGS`.
        x: training rows, shape (n, d), as of `task.split("train")[0]`.
        seed: draws the frequencies of periodic encodings; networks are trained with those of 0.

    Returns:
        a module from (n, d) to (n, n_out).

    Raises:
        SpaceError: there is no such encoding, or the rows are no finite numbers of this shape.
    """
    if not isinstance(name, str) or name not in ENCODINGS:
        raise SpaceError(f"There is no encoding {name!r}; choose one of {', '.join(ENCODINGS)}.")
    seed = check_seed(seed, SpaceError)
    x = np.asarray(x)
    if x.dtype.kind not in "fiu" or x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise SpaceError(
            f"Inputs are fitted on finite numbers of shape (n, d), not {x.dtype} of shape "
            f"{x.shape}; give the training rows of a table, task.split('train')[0] (of images: of "
            "task.flatten())."
        )
    x = x.astype(np.float64)
    numeric = np.array([len(np.unique(column)) >= MIN_DISTINCT for column in x.T])
    kind, fit = ENCODINGS[name]
    fitted = {
        "numeric": np.flatnonzero(numeric),
        "others": np.flatnonzero(~numeric),
        **fit(x[:, numeric], seed),
    }
    return kind(name, x.shape[1], {k: torch.from_numpy(v.copy()) for k, v in fitted.items()})
