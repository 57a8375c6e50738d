"""The encodings of the space `tabular`, as input profiles read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from infoprior.profiles._input_features import ENCODINGS


def input_encoders() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Encoding -> function of numeric columns, (n, p) float32, that returns encoded ones, (n, q).

    Each is fitted on the columns that it is given: encodings know no labels.
    """
    return {name: partial(_encode, name) for name in ENCODINGS}


def _encode(name: str, x: np.ndarray) -> np.ndarray:
    import torch

    from infoprior.spaces import fit_inputs

    rows = np.ascontiguousarray(x, dtype=np.float32)
    encoded: np.ndarray = fit_inputs(name, rows)(torch.from_numpy(rows)).numpy()
    return encoded
