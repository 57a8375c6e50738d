"""Which distributions methods are designed on, and which they are confirmed on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from infoprior.information.known import _layers as layers
from infoprior.information.known import _networks as networks
from infoprior.information.known import _pairs as pairs
from infoprior.information.known._known import Known, structure


def _normal(rho: float) -> np.ndarray:
    return pairs.dense(1, 1, rho)


def _rotation(name: str, d: int) -> pairs.Map:
    return pairs.linear(np.linalg.qr(structure(name).normal(size=(d, d)))[0])


def _both(known: Known, name: str, change: pairs.Map) -> Known:
    return pairs.mapped(known, name, change, change)


def _spiral(known: Known, name: str, speed: float, before: pairs.Map | None = None) -> Known:
    """Different planes on the two sides, so that one rotation does not undo the other."""
    if before is not None:
        known = _both(known, name, before)
    return pairs.mapped(known, name, pairs.spiral(speed), pairs.spiral(speed, -2, -1))


def _gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(size=shape)


def _cauchy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_cauchy(size=shape)


def _flat(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.uniform(size=shape)


def _constant(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.full_like(x, value)


@cache
def known_pairs() -> tuple[Known, ...]:
    """Continuous pairs, both groups."""
    return _development_pairs() + _confirmation_pairs()


@cache
def known_layers() -> tuple[Known, ...]:
    """Layers with labels, both groups."""
    return _development_layers() + _confirmation_layers()


@cache
def known_noisy_layers() -> tuple[Known, ...]:
    """Deterministic layers and I(X; T + sigma Z), both groups; the noise is not in the sample."""
    relu = lambda x: np.maximum(x, 0.0)  # noqa: E731
    return (
        *networks.noisy_linear_layers(
            "clean-linear-10", "development", 10, (10, 20, 10), 1.5, noise_in_sample=False
        ),
        networks.nonlinear_units("clean-relu-5", "development", relu, 5, 0.3),
        *networks.noisy_linear_layers(
            "clean-linear-6", "confirmation", 6, (32, 64, 8), 2.0, noise_in_sample=False
        ),
        networks.nonlinear_units("clean-tanh-8", "confirmation", np.tanh, 8, 0.5),
        networks.nonlinear_units("clean-relu-16", "confirmation", relu, 16, 1.0),
    )


def _development_pairs() -> tuple[Known, ...]:
    group = "development"

    def normal(name: str, covariance: np.ndarray, dx: int) -> Known:
        return pairs.multinormal(name, group, covariance, dx)

    sparse = {d: normal(f"sparse-{d}x{d}", pairs.sparse(d, d, 0.8), d) for d in (3, 5, 25)}
    cauchy = pairs.student("student-1x1-df1", group, np.eye(2), 1, 1)
    return (
        normal("normal-0.5", _normal(0.5), 1),
        normal("normal-0.75", _normal(0.75), 1),
        pairs.additive_uniform("additive-0.1", group, 0.1),
        pairs.additive_uniform("additive-0.75", group, 0.75),
        cauchy,
        _both(cauchy, "asinh-student-1x1-df1", np.arcsinh),
        pairs.mapped(
            _both(normal("normal", _normal(0.75), 1), "cdf", pairs.uniform_margins),
            "swissroll-2x1",
            pairs.swiss_roll,
        ),
        *(normal(f"dense-{d}x{d}", pairs.dense(d, d, 0.5), d) for d in (2, 3, 5, 25)),
        sparse[5],
        sparse[25],
        pairs.student("student-5x5-df2", group, np.eye(10), 5, 2),
        _both(sparse[25], "half-cube-sparse-25x25", pairs.half_cube),
        _spiral(sparse[3], "spiral-sparse-3x3", 1 / 3),
        _spiral(sparse[25], "spiral-cdf-sparse-25x25", 1 / 25, pairs.uniform_margins),
        pairs.independent("independent-1x1", group, _gaussian, 1, 1),
        pairs.independent("independent-5x5", group, _gaussian, 5, 5),
        pairs.independent("independent-25x25", group, _gaussian, 25, 25),
        *networks.noisy_linear_layers("noisy-linear-10", group, 10, (10, 20, 10), 1.5),
    )


def _confirmation_pairs() -> tuple[Known, ...]:
    group = "confirmation"

    def normal(name: str, covariance: np.ndarray, dx: int) -> Known:
        return pairs.multinormal(name, group, covariance, dx)

    def student(name: str, rho: float, d: int, df: int) -> Known:
        return pairs.student(name, group, pairs.sparse(d, d, rho, pairs=d), d, df)

    tilt = np.array([[1.0, 0.7], [0.7, 1.0]])
    across = np.array([[1.0, -0.7], [-0.7, 1.0]])
    corners = np.array([[2.0, 2.0], [-2.0, -2.0], [2.0, -2.0]])
    rng = structure("mixture-3x2")
    sparse_10 = normal("sparse-10x10", pairs.sparse(10, 10, 0.7, pairs=3), 10)
    return (
        normal("normal-0.9", _normal(0.9), 1),
        _both(normal("normal", _normal(0.6), 1), "wiggly-normal-0.6", pairs.wiggly),
        pairs.mapped(normal("normal", _normal(0.8), 1), "exp-normal-0.8", np.exp),
        pairs.additive_uniform("additive-0.03", group, 0.03),
        pairs.additive_uniform("additive-0.35", group, 0.35),
        pairs.mixture("mixture-x-1x1", group, np.zeros((2, 2)), np.stack([tilt, across]), 1),
        pairs.mixture("mixture-corners-1x1", group, corners, np.stack([np.eye(2) * 0.5] * 3), 1),
        pairs.mixture(
            "mixture-3x2", group, 2.0 * rng.normal(size=(5, 5)), np.stack([np.eye(5)] * 5), 3
        ),
        normal("dense-10x10", pairs.dense(10, 10, 0.3), 10),
        sparse_10,
        normal("sparse-15x5", pairs.sparse(15, 5, 0.85, pairs=2), 15),
        normal("dense-15x5", pairs.dense(15, 5, 0.4), 15),
        pairs.mapped(
            sparse_10,
            "rotated-half-cube-10x10",
            lambda v: _rotation("left", 10)(pairs.half_cube(v)),
            lambda v: _rotation("right", 10)(pairs.half_cube(v)),
        ),
        _spiral(normal("s", pairs.sparse(2, 2, 0.8), 2), "spiral-sparse-2x2", 0.4),
        _spiral(normal("s", pairs.sparse(5, 5, 0.75), 5), "spiral-sparse-5x5", 0.15),
        student("student-3x3-df3", 0.0, 3, 3),
        student("student-2x2-df5-0.6", 0.6, 2, 5),
        student("student-1x1-df2-0.7", 0.7, 1, 2),
        pairs.channel("square-plus-noise", group, np.square, _constant(0.5)),
        pairs.channel("sine-plus-noise", group, lambda x: np.sin(3 * x), _constant(0.3)),
        pairs.channel("heteroscedastic", group, lambda x: x, lambda x: 0.1 + 0.5 * np.abs(x)),
        pairs.channel("noise-only", group, np.zeros_like, lambda x: 0.2 + np.abs(x)),
        pairs.circles("circle", group, (4.0,)),
        pairs.circles("torus", group, (6.0, 2.0)),
        pairs.independent("independent-cauchy-2x2", group, _cauchy, 2, 2),
        pairs.independent("independent-uniform-10x10", group, _flat, 10, 10),
        *networks.noisy_linear_layers("noisy-linear-5", group, 5, (16, 32, 8), 1.8),
    )


def _development_layers() -> tuple[Known, ...]:
    def gaussians(classes: int, width: int, separation: float, **more: object) -> Known:
        return layers.class_gaussians(classes, width, separation, **more)  # type: ignore[arg-type]

    group = "development"
    ten = gaussians(10, 16, 3.0)
    return (
        gaussians(2, 2, 1.5),
        gaussians(2, 128, 1.5),
        gaussians(3, 32, 3.0),
        gaussians(5, 64, 2.0),
        ten,
        gaussians(10, 64, 3.0),
        gaussians(10, 128, 4.0),
        gaussians(20, 32, 3.0),
        gaussians(20, 128, 3.0),
        gaussians(20, 128, 5.0),
        gaussians(4, 16, 2.5, shares=(0.7, 0.15, 0.1, 0.05), name="imbalanced-4x16"),
        layers.through(ten, "anisotropic-10x16", layers.anisotropic("anisotropic-10x16", 16, 30.0)),
        layers.through(
            gaussians(5, 8, 2.5),
            "leaky-network-5x32",
            layers.random_network("leaky-network-5x32", 8, 32, depth=2),
        ),
        layers.relu_units("relu-3x2", group, 3, 2, 2.5),
        layers.relu_units("relu-5x32", group, 5, 32, 3.0),
        layers.xor("xor-2", group, 2, 1.5),
        layers.xor("xor-16", group, 16, 2.0),
        layers.rings("rings-2", group, (0.5, 3.0)),
        layers.label_noise("label-noise-5x16", group, 5, 16, 0.2),
        layers.independent_labels("independent-labels-2x8", group, 2, 8),
        layers.independent_labels("independent-labels-10x64", group, 10, 64),
    )


def _confirmation_layers() -> tuple[Known, ...]:
    group = "confirmation"

    def gaussians(classes: int, width: int, separation: float, **more: object) -> Known:
        return layers.class_gaussians(classes, width, separation, group=group, **more)  # type: ignore[arg-type]

    seven = gaussians(7, 24, 3.5)
    return (
        gaussians(2, 48, 2.0),
        gaussians(4, 6, 1.0),
        gaussians(4, 96, 2.5),
        seven,
        gaussians(12, 80, 3.5),
        gaussians(15, 128, 3.0),
        gaussians(16, 20, 4.0),
        gaussians(20, 64, 4.0),
        gaussians(20, 128, 2.0),
        gaussians(8, 128, 3.0, subspace=3, name="class-gaussians-8x128-subspace3"),
        gaussians(6, 40, 18.0, noise=7.0, name="class-gaussians-6x40-noise7"),
        gaussians(2, 30, 2.0, shares=(0.9, 0.1), name="imbalanced-2x30"),
        gaussians(6, 64, 3.0, shares=(0.4, 0.3, 0.15, 0.05, 0.05, 0.05), name="imbalanced-6x64"),
        layers.through(
            seven, "anisotropic-7x24", layers.anisotropic("anisotropic-7x24", 24, 100.0)
        ),
        layers.through(seven, "tanh-7x24", lambda t: np.tanh(t / 2)),
        layers.through(
            gaussians(10, 32, 3.0),
            "leaky-network-10x128",
            layers.random_network("leaky-network-10x128", 32, 128, depth=3, slope=0.1),
        ),
        layers.relu_units("relu-2x1", group, 2, 1, 1.5),
        layers.relu_units("relu-10x64", group, 10, 64, 3.5),
        layers.relu_units("relu-2x128", group, 2, 128, 2.5, shares=(0.75, 0.25)),
        layers.xor("xor-64", group, 64, 2.0),
        layers.xor("parity-3-bits-3", group, 3, 2.0, bits=3),
        layers.rings("rings-3", group, (1.0, 4.0, 7.0)),
        layers.moons("moons-2", group, 2, 3.0),
        layers.moons("moons-20", group, 20, 4.0),
        layers.label_noise("label-noise-10x64", group, 10, 64, 0.4),
        layers.label_noise("label-noise-2x4", group, 2, 4, 0.1),
        layers.independent_labels("independent-labels-20x128", group, 20, 128),
        layers.independent_labels("independent-labels-3x2", group, 3, 2),
    )
