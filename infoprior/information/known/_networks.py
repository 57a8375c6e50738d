"""Layers of noisy networks with known I(X; T): linear ones, and independent nonlinear units."""

from __future__ import annotations

import math

import numpy as np

from infoprior.information.known._known import Known, Truth, structure
from infoprior.information.known._pairs import Map, channel_information


def noisy_linear_layers(
    name: str,
    group: str,
    dx: int,
    widths: tuple[int, ...],
    sigma: float,
    *,
    noise_in_sample: bool = True,
) -> tuple[Known, ...]:
    """Layers of x ~ N(0, I), T_l = W_l T_{l-1} + sigma Z_l, W_l entries of variance 1/fan-in.

    T_l = A x + noise of covariance N, so I(X; T_l) = 1/2 log |I + N^-1 A A'|; with one layer,
    1/2 log |I + W W' / sigma^2|. It falls from layer to layer (data processing).

    With `noise_in_sample=False` every layer is deterministic, T_l = W_l ... W_1 x, and the truth is
    I(X; T_l + sigma Z): what an estimator that adds the noise itself has to find.
    """
    rng = structure(name)
    total, noise = np.eye(dx), np.zeros((dx, dx))
    layers = []
    for number, width in enumerate(widths, start=1):
        weight = rng.normal(size=(width, total.shape[0])) / math.sqrt(total.shape[0])
        total, noise = weight @ total, weight @ noise @ weight.T
        if noise_in_sample:
            noise = noise + sigma**2 * np.eye(width)
        added = noise if noise_in_sample else sigma**2 * np.eye(width)
        nats = 0.5 * (np.linalg.slogdet(added + total @ total.T)[1] - np.linalg.slogdet(added)[1])
        factor = np.linalg.cholesky(noise) if noise_in_sample else None
        layers.append(
            Known(
                f"{name}-layer{number}",
                group,
                _LinearLayer(total, factor),
                float(nats),
                sigma=None if noise_in_sample else sigma,
            )
        )
    return tuple(layers)


class _LinearLayer:
    """(rng, n) -> x, x A' + noise of a given Cholesky factor."""

    def __init__(self, total: np.ndarray, factor: np.ndarray | None) -> None:
        self.total, self.factor = total, factor

    def __call__(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(n, self.total.shape[1]))
        t = x @ self.total.T
        if self.factor is not None:
            t = t + rng.normal(size=t.shape) @ self.factor.T
        return x, t


def nonlinear_units(
    name: str, group: str, activation: Map, width: int, sigma: float
) -> Known:  # fmt: skip
    """T = Q f(x) of x ~ N(0, I), Q a rotation, and the truth I(X; T + sigma Z).

    A rotation leaves isotropic noise as it is, so the units' informations add up, each
    I(x; f(x) + sigma z) by quadrature. The noise is not in the sample.
    """
    rotation = np.linalg.qr(structure(name).normal(size=(width, width)))[0]

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(n, width))
        return x, activation(x) @ rotation

    def truth() -> Truth:
        return Truth(width * channel_information(activation, lambda x: np.full_like(x, sigma)))

    return Known(name, group, draw, truth, sigma=sigma)
