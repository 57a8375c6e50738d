"""What the inputs of a task say about its labels: all of it, and what a linear layer sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.information import Estimate, choose_rows, entropy, estimate
from infoprior.profiles._input_features import ENCODINGS, input_features
from infoprior.profiles._schema import ProfileError
from infoprior.tasks import Task

Encoder = Callable[[np.ndarray], np.ndarray]
"""(n, p) float32 numeric columns -> (n, q) encoded columns, q from 1."""

RECIPE = "inputs-1"
"""Name and version of how an input profile is measured: raised whenever a value changes."""
ROWS = 2000
"""Training and validation rows used, at most."""
BINS = 12
"""Quantile bins of an input by itself."""
PAIR_BINS = 6
"""Quantile bins of an input in a pair, at most; fewer where cells would be empty."""
CELL_ROWS = 4
"""Rows wanted for each cell of two inputs and a class."""
MOST_INPUTS = 20
"""Of more numeric columns, pairs and encodings of one input look at those that say most."""
MOST_CRITIC_INPUTS = 256
"""Of more columns, all of them together are read by "flexible-lda" instead of "auto"."""
MOST_COLUMNS = 1024
"""Columns read together, at most: of the numeric ones, encoded or not, those of the inputs that say
most, of others those that vary most. What was left out is flagged `capped`."""


@dataclass(frozen=True, eq=False)
class InputProfile:
    """What the inputs say about the labels; nats.

    Attributes:
        task: its name.
        recipe: name and version of how it was measured.
        n: rows used.
        h_y: H(Y) of these rows, the most that anything can say.
        inputs: one row per numeric column: input (its name), mi (I(X_j; Y) by 12 quantile bins,
            Miller-Madow), linear (by linear discriminants of that column), and
            `linear/<encoding>` (by those of what the encoding makes of it) for each encoding given;
            NaN for columns beyond the 20 that say most.
        pairs: first, second, mi, interaction: I(X_i, X_j; Y) and what it has beyond I(X_i; Y) +
            I(X_j; Y), negative where two inputs say the same, by bins, largest first; pairs of the
            20 numeric columns that say most.
        whole: of all columns together, categorical ones too: mi ("auto"), linear (linear
            discriminants), and `linear/<encoding>` with the numeric columns encoded.
        flags: what the estimates of `whole` warn of (`infoprior.information.FLAGS`), and `capped`
            where there were more than 1,024 columns, as "<key>:<flag>".
    """

    task: str
    recipe: str
    n: int
    h_y: float
    inputs: pd.DataFrame
    pairs: pd.DataFrame
    whole: Mapping[str, float]
    flags: tuple[str, ...] = ()

    def features(self) -> dict[str, float]:
        """Statistics over inputs, by name, the same names for every task.

        They depend on neither the order of the inputs nor, but for `n_numeric`, directly on their
        number. Information is over H(Y). See `infoprior.profiles.INPUT_FEATURES`. NaN stands where
        an encoding was not given.
        """
        return input_features(self.inputs, self.pairs, self.whole, self.h_y)


def numeric_columns(task: Task) -> np.ndarray:
    """Which columns of a task hold numbers rather than a category or a flag, bool (d,).

    A task does not say; a column of at most two different values is taken for a category's.
    """
    X = task.X.reshape(len(task.X), -1)
    low, high = X.min(axis=0), X.max(axis=0)
    between = (low < X) & (high > X)
    return np.asarray(between.any(axis=0))


@default_settings()
def input_profile(
    task: Task,
    encoders: Mapping[str, Encoder] | None = None,
    *,
    numeric: np.ndarray | None = None,
    linear_only: bool = False,
    seed: int = 0,
    max_rows: int = ROWS,
    threads: int = 1,
    progress: bool = True,
) -> InputProfile:
    """What the inputs of a task say about its labels, and how much of it a linear layer sees.

    The difference is what an encoding of the inputs, or a hidden layer, has to make visible. Each
    encoding is judged by what linear discriminants tell of the labels of rows that they were not
    fitted to, corrected for how few rows they were fitted to ("flexible-lda", `functions=False`):
    an encoding of many columns does not look better for having them. Measured on training and
    validation rows; test rows are never looked at.

    What it is not: bins see an input by itself at a twelfth of its rows, pairs at a sixth, so that
    faster changes are missed; columns together are seen by the critic of "auto", which misses
    thin, curved dependence. Interaction of more than two inputs shows only in `whole`.

    Args:
        task: any; images are read pixel by pixel.
        encoders: encoding -> function of the numeric columns, (n, p) float32, that returns encoded
            ones, (n, q). It is called for all of them, and for single ones, (n, 1). None: none.
        numeric: which columns hold numbers, bool (d,); None: `numeric_columns`.
        linear_only: measure only what a linear layer sees of all inputs together, as they are and
            under each encoding, a tenth of the work: single inputs have `mi` alone, there are no
            pairs, and `whole` has no "mi".
        seed: draws rows and everything that the estimators draw.
        max_rows: rows used, at most.
        threads: of PyTorch and of matrix products during the call; results are the same only for
            the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Returns:
        the profile.

    Raises:
        ProfileError: an argument is invalid, an encoding is unknown, or an encoder returns another
            shape or values that are not finite.
        InformationError: fewer than 50 training and validation rows.
    """
    instance_of(
        task, Task, "task", "give a Task, as read_table and load_task return it", ProfileError
    )
    seed = check_seed(seed, ProfileError)
    max_rows = whole_number(max_rows, "max_rows", 1, ProfileError)
    threads = whole_number(threads, "threads", 1, ProfileError)
    encoders = _check_encoders(encoders)
    task = task.flatten()
    numeric = _check_numeric(numeric, task)
    known = np.concatenate([task.train, task.validation])
    rows = known[choose_rows(len(known), max_rows, seed)]
    X, y = task.X[rows], np.unique(task.y[rows], return_inverse=True)[1]
    names = [task.feature_names[j] for j in np.flatnonzero(numeric)]
    with use_threads(threads), progress_line("reading the inputs", show=progress):
        table = _Table(X[:, numeric], X[:, ~numeric], y, seed, threads)
        for name, encode in encoders.items():  # what is wrong is said before much is computed
            _encode(name, encode, table.x[:, :1])
        inputs = _single_inputs(table, names, linear_only)
        order = np.argsort(-inputs["mi"].to_numpy(), kind="stable")
        strongest = order[:MOST_INPUTS]
        every, capped = _together(table, order, None, "")
        method = "auto" if every.shape[1] <= MOST_CRITIC_INPUTS else "flexible-lda"
        whole = {}
        flags = ["mi:capped", "linear:capped"][linear_only:] * capped
        for key, how in {"mi": method, "linear": "lda"}.items():
            if linear_only and key == "mi":
                continue
            (together,) = table.estimates([every], how)
            whole[key] = together.nats
            flags += [f"{key}:{flag}" for flag in together.flags]
        for name, encode in encoders.items():
            key = f"linear/{name}"
            if not linear_only:
                inputs[key] = _encoded_inputs(table, strongest, name, encode)
            encoded, capped = _together(table, order, encode, name)
            (together,) = table.linear([encoded])
            whole[key] = together.nats
            flags += [f"{key}:capped"] * capped + [f"{key}:{flag}" for flag in together.flags]
        pairs = _pairs(table, names, strongest[: 0 if linear_only else None])
    return InputProfile(
        task.name, RECIPE, len(rows), entropy(y), inputs, pairs, whole, tuple(flags)
    )


@dataclass(frozen=True)
class _Table:
    """Numeric columns x (n, p), other columns rest (n, d - p), and classes y (n,)."""

    x: np.ndarray
    rest: np.ndarray
    y: np.ndarray
    seed: int
    threads: int

    def estimates(self, columns: Sequence[np.ndarray], method: str, **options: Any) -> list[Any]:
        """Of each of several tables of columns, (n, q); none of no columns."""
        estimates = estimate(
            list(columns), self.y, method, discrete_y=True, seed=self.seed, threads=self.threads,
            progress=False, **options,
        )  # fmt: skip
        return [estimates] if isinstance(estimates, Estimate) else list(estimates)

    def linear(self, columns: Sequence[np.ndarray]) -> list[Any]:
        """What linear discriminants see, with temperature and smoothing."""
        return self.estimates(columns, "flexible-lda", functions=False)


def _single_inputs(table: _Table, names: list[str], mi_only: bool) -> pd.DataFrame:
    """mi and linear of every numeric column; linear is NaN where mi alone is asked for."""
    p = table.x.shape[1]
    columns = [table.x[:, [j]] for j in range(p)]
    linear = [np.nan] * p
    if p and not mi_only:
        linear = [e.nats for e in table.estimates(columns, "lda")]
    codes = [_bins(column[:, 0], BINS) for column in columns]
    mi = [_cells_information(code, table.y) for code in codes]
    return pd.DataFrame({
        "input": pd.Series(names, dtype=str),
        "mi": np.array(mi, dtype=np.float64),
        "linear": np.array(linear, dtype=np.float64),
    })  # fmt: skip


def _together(
    table: _Table, order: np.ndarray, encode: Encoder | None, name: str
) -> tuple[np.ndarray, bool]:
    """All columns side by side, numeric ones encoded if asked; and whether some were left out.

    Args:
        table: of the columns.
        order: numbers of the numeric columns, from the one that says most.
        encode, name: the encoder, None for the columns as they are.
    """
    x, rest = table.x, table.rest
    encoded = x if encode is None else _encode(name, encode, x)
    capped = encoded.shape[1] > MOST_COLUMNS or rest.shape[1] > MOST_COLUMNS
    if encoded.shape[1] > MOST_COLUMNS:
        few = np.sort(order[: max(1, len(order) * MOST_COLUMNS // encoded.shape[1])])
        encoded = x[:, few] if encode is None else _encode(name, encode, x[:, few])
    if rest.shape[1] > MOST_COLUMNS:
        rest = rest[:, np.sort(np.argsort(-rest.var(axis=0), kind="stable")[:MOST_COLUMNS])]
    return np.hstack([encoded, rest]), capped


def _encoded_inputs(table: _Table, strongest: np.ndarray, name: str, encode: Encoder) -> np.ndarray:
    """What linear discriminants see of each input by itself, encoded; NaN beyond the strongest."""
    values = np.full(table.x.shape[1], np.nan)
    if len(strongest):
        columns = [_encode(name, encode, table.x[:, [j]]) for j in strongest]
        values[strongest] = [e.nats for e in table.linear(columns)]
    return values


def _encode(name: str, encode: Encoder, x: np.ndarray) -> np.ndarray:
    """Encoded columns, (n, q), none of none.

    Raises:
        ProfileError: the encoder fails, or returns something else.
    """
    if not x.shape[1]:
        return x
    try:
        columns = np.asarray(encode(x.copy()))
    except Exception as error:
        raise ProfileError(
            f"The encoder {name!r} fails on numeric columns of shape {x.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if columns.ndim != 2 or len(columns) != len(x) or columns.dtype.kind not in "fiub":
        raise ProfileError(
            f"The encoder {name!r} returns {columns.dtype} of shape {columns.shape} for columns of "
            f"shape {x.shape}; numbers of shape ({len(x)}, q) are needed."
        )
    if not columns.shape[1] or not np.isfinite(columns).all():
        raise ProfileError(
            f"The encoder {name!r} returns no column, or values that are not finite."
        )
    return columns.astype(np.float32)


def _bins(x: np.ndarray, bins: int) -> np.ndarray:
    """Number of each value's quantile bin, (n,); ties stay together, so there may be fewer."""
    edges = np.unique(np.quantile(x, np.arange(1, bins) / bins))
    return np.searchsorted(edges, x, side="right")


def _cells_information(cells: np.ndarray, y: np.ndarray) -> float:
    """I(cells; Y) in nats from counts, less its bias to first order.

    Miller, "Note on the bias of information estimates", 1955: (cells with rows of both less those
    of either plus one) / 2n too much.
    """
    classes = int(y.max()) + 1
    counts = np.bincount(cells * classes + y, minlength=(int(cells.max()) + 1) * classes)
    joint = counts.reshape(-1, classes)
    of_cells, of_y, n = joint.sum(axis=1), joint.sum(axis=0), len(y)
    bias = np.count_nonzero(joint) - np.count_nonzero(of_cells) - np.count_nonzero(of_y) + 1
    return _entropy(of_cells, n) + _entropy(of_y, n) - _entropy(joint, n) - bias / (2.0 * n)


def _entropy(counts: np.ndarray, n: int) -> float:
    """Plug-in entropy in nats of counts of n rows."""
    counts = counts[counts > 0].astype(np.float64)
    return float(np.log(n) - (counts * np.log(counts)).sum() / n)


def _pairs(table: _Table, names: list[str], strongest: np.ndarray) -> pd.DataFrame:
    """Information of pairs of inputs, and what it has beyond that of the two."""
    n, classes = len(table.y), int(table.y.max()) + 1
    bins = int(np.clip((n / (CELL_ROWS * classes)) ** 0.5, 2, PAIR_BINS))
    order = np.sort(strongest)
    codes = {j: _bins(table.x[:, j], bins) for j in order}
    alone = {j: _cells_information(codes[j], table.y) for j in order}
    rows = []
    for i, j in combinations(order, 2):
        mi = _cells_information(codes[i] * bins + codes[j], table.y)
        rows.append((names[i], names[j], mi, mi - alone[i] - alone[j]))
    frame = pd.DataFrame(rows, columns=["first", "second", "mi", "interaction"])
    frame = frame.astype({"first": str, "second": str, "mi": float, "interaction": float})
    return frame.sort_values("interaction", ascending=False, kind="stable", ignore_index=True)


def _check_encoders(encoders: Any) -> dict[str, Encoder]:
    """Encoders by name, in the order of `ENCODINGS`."""
    if encoders is None:
        return {}
    instance_of(encoders, Mapping, "encoders", "give a dict of name -> function", ProfileError)
    unknown = sorted(str(name) for name in encoders if name not in ENCODINGS)
    if unknown:
        raise ProfileError(f"Unknown encodings {unknown}; known are {list(ENCODINGS)}.")
    for name, encode in encoders.items():
        if not callable(encode):
            raise ProfileError(f"The encoder {name!r} is {encode!r}; give a function.")
    return {name: encoders[name] for name in ENCODINGS if name in encoders}


def _check_numeric(numeric: Any, task: Task) -> np.ndarray:
    """Which columns hold numbers, bool (d,)."""
    if numeric is None:
        return numeric_columns(task)
    mask = np.asarray(numeric)
    if mask.dtype != bool or mask.shape != (task.n_features,):
        raise ProfileError(
            f"numeric is {mask.dtype} of shape {mask.shape}; give a bool for each of "
            f"{task.n_features} columns."
        )
    return mask
