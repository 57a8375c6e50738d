"""One distribution whose mutual information is known, and how its truth is found."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from infoprior._ambient import default_settings

GROUPS = ("development", "confirmation")
"""Methods are designed on the first and confirmed on the second."""


class Truth(NamedTuple):
    """Nats, and the standard error of a Monte-Carlo value (0.0 where it is computed exactly)."""

    nats: float
    standard_error: float = 0.0


@dataclass(frozen=True)
class Known:
    """Samples (x, y) of which the mutual information is known.

    Attributes:
        name: unique; the name and a seed decide every sample.
        group: one of `GROUPS`.
        draw: for continuous pairs (rng, n) -> x (n, dx), y (n, dy); for layers
            (rng, labels) -> activations (n, width).
        truth: the mutual information, or a function that computes it when it is asked for.
        shares: probabilities of the classes if y is discrete, else None.
        sigma: if given, the truth is I(X; Y + sigma Z) with Z standard normal: the noise is not in
            the sample, an estimator of noisy layers adds it.
    """

    name: str
    group: str
    draw: Callable[..., Any] = field(repr=False)
    truth: float | Callable[[], Truth] = field(repr=False)
    shares: tuple[float, ...] | None = field(default=None, repr=False)
    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"{self.name}: group {self.group!r} is none of {GROUPS}.")

    @property
    def discrete(self) -> bool:
        """Whether y is labels, int64 (n,), rather than float64 (n, dy)."""
        return self.shares is not None

    @cached_property
    def _truth(self) -> Truth:
        return self.truth() if callable(self.truth) else Truth(float(self.truth))

    @property
    def nats(self) -> float:
        """The mutual information in nats."""
        return self._truth.nats

    @property
    def standard_error(self) -> float:
        """Of `nats`: 0.0 if it is no Monte-Carlo value."""
        return self._truth.standard_error

    @default_settings()
    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """n independent rows: x float64 (n, dx), y float64 (n, dy) or int64 (n,).

        Layers with the same class shares get the same labels from the same seed, so that they can
        stand in one stack.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        if self.shares is None:
            x, y = self.draw(rng, n)
            return _columns(x), _columns(y)
        labels = np.random.default_rng([seed, len(self.shares)]).choice(
            len(self.shares), size=n, p=self.shares
        )
        return _columns(self.draw(rng, labels)), labels.astype(np.int64)


def _columns(values: np.ndarray) -> np.ndarray:
    """float64, shape (n, d)."""
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def structure(name: str) -> np.random.Generator:
    """The generator of what belongs to a distribution and not to a sample (means, matrices)."""
    return np.random.default_rng([zlib.crc32(b"structure"), zlib.crc32(name.encode())])


@default_settings()
def monte_carlo(log_ratios: Callable[[np.random.Generator, int], np.ndarray], draws: int) -> Truth:
    """Mean and standard error of exact log density ratios log p(x, y) - log p(x) p(y)."""
    values = log_ratios(np.random.default_rng(20240229), draws)
    return Truth(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
