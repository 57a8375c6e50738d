"""Layers with labels: activations T given a class, and I(T; Y) by exact densities.

The class-conditional densities are written down, so log p(t | y) - log p(t) is exact for every
draw; its mean over many draws is the truth, with a standard error of at most 0.003 nat.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import i0e, log_ndtr, logsumexp

from infoprior.information.known._known import Known, monte_carlo, structure
from infoprior.information.known._pairs import Map

DRAWS = 250_000

Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]
LogDensity = Callable[[np.ndarray], np.ndarray]


def uniform(classes: int) -> tuple[float, ...]:
    """Equal shares."""
    return (1.0 / classes,) * classes


def layer(
    name: str,
    group: str,
    shares: tuple[float, ...],
    draw: Draw,
    log_density: LogDensity,
    draws: int = DRAWS,
) -> Known:
    """A layer from `draw(rng, labels)` (n, width) and log p(t | c) for every class (n, C)."""

    def log_ratios(rng: np.random.Generator, n: int) -> np.ndarray:
        labels = rng.choice(len(shares), size=n, p=shares)
        given = log_density(draw(rng, labels))
        marginal = logsumexp(given + np.log(shares), axis=1)
        return given[np.arange(n), labels] - marginal

    return Known(name, group, draw, lambda: monte_carlo(log_ratios, draws), shares)


def class_means(
    name: str, classes: int, width: int, separation: float, subspace: int | None = None
) -> np.ndarray:
    """Random means of norm about `separation`, in a random subspace if one is asked for."""
    rng = structure(name)
    k = subspace or width
    means = rng.normal(size=(classes, k)) * separation / math.sqrt(k)
    if subspace:
        means = means @ np.linalg.qr(rng.normal(size=(width, k)))[0].T
    return means


def class_gaussians(
    classes: int,
    width: int,
    separation: float,
    *,
    noise: float = 1.0,
    shares: tuple[float, ...] | None = None,
    subspace: int | None = None,
    group: str = "development",
    name: str | None = None,
) -> Known:
    """T = mean of the class + noise N(0, I). A width beyond the classes is mostly noise columns.

    Args:
        separation: about the norm of the means; the distance of two is sqrt(2) times that.
        noise: standard deviation of every unit within a class.
        shares: of the classes; None: equal.
        subspace: dimension of the means' span before it is rotated into the width.
    """
    name = name or f"class-gaussians-{classes}x{width}-s{separation:g}"
    means = class_means(name, classes, width, separation, subspace) / noise
    known = gaussian_mixtures(name, group, means, np.arange(classes), shares or uniform(classes))
    return known if noise == 1.0 else through(known, name, lambda t: noise * t)


def gaussian_mixtures(
    name: str, group: str, means: np.ndarray, owner: np.ndarray, shares: tuple[float, ...]
) -> Known:
    """Each class an equal mixture of unit Gaussians: means (J, width), owner (J,) their classes.

    Noise outside the span of the means says nothing about the class, so the truth is computed in
    the span: min(J, width) coordinates.
    """
    basis = np.linalg.svd(means, full_matrices=False)[2]
    coordinates = means @ basis.T
    members = [np.flatnonzero(owner == c) for c in range(len(shares))]

    def draws(centres: np.ndarray) -> Draw:
        def draw(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
            which = rng.uniform(size=len(labels))
            part = np.empty(len(labels), dtype=np.int64)
            for c, mine in enumerate(members):
                rows = labels == c
                part[rows] = mine[(which[rows] * len(mine)).astype(np.int64)]
            return centres[part] + rng.normal(size=(len(labels), centres.shape[1]))

        return draw

    def log_density(t: np.ndarray) -> np.ndarray:
        # The common factor exp(-|t|^2 / 2) cancels in the ratio.
        each = t @ coordinates.T - 0.5 * (coordinates**2).sum(axis=1)
        if all(len(mine) == 1 for mine in members):
            return each[:, np.concatenate(members)]
        return np.stack(
            [logsumexp(each[:, mine], axis=1) - math.log(len(mine)) for mine in members], axis=1
        )

    inside = layer(name, group, shares, draws(coordinates), log_density)
    return replace(inside, draw=draws(means))


def through(known: Known, name: str, change: Map) -> Known:
    """A layer after an injective map: the same information."""
    return replace(known, name=name, draw=lambda rng, labels: change(known.draw(rng, labels)))


def anisotropic(name: str, width: int, condition: float) -> Map:
    """t -> t A of condition number `condition`: correlated noise of very different scales."""
    rng = structure(name)
    left, right = (np.linalg.qr(rng.normal(size=(width, width)))[0] for _ in range(2))
    matrix = left * np.geomspace(1.0, condition, width) @ right
    return lambda t: t @ matrix


def random_network(name: str, width: int, out: int, depth: int = 1, slope: float = 0.2) -> Map:
    """Layers of a random network that lose nothing: width -> out >= width, leaky ReLU.

    A linear map to at least as many units is injective almost surely, and so is leaky ReLU.
    """
    if out < width:
        raise ValueError(f"{name}: {width} units do not fit into {out} without loss.")
    rng = structure(name)
    matrices = []
    for number in range(depth):
        fan_in = width if number == 0 else out
        weight = np.linalg.qr(rng.normal(size=(out, fan_in)))[0].T  # orthonormal rows
        matrices.append((weight, 0.5 * rng.normal(size=out)))

    def change(t: np.ndarray) -> np.ndarray:
        for weight, bias in matrices:
            t = t @ weight + bias
            t = np.where(t > 0, t, slope * t)
        return t

    return change


def relu_units(
    name: str,
    group: str,
    classes: int,
    width: int,
    separation: float,
    shares: tuple[float, ...] | None = None,
) -> Known:
    """max(0, mean + N(0, 1)), units independent within a class: a point mass at zero each.

    log p(t | c) = sum over units of log Phi(-mean) where t = 0, else of the normal log-density.
    """
    means = class_means(name, classes, width, separation)
    at_zero = log_ndtr(-means)

    def draw(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        return np.maximum(0.0, means[labels] + rng.normal(size=(len(labels), width)))

    def log_density(t: np.ndarray) -> np.ndarray:
        # The factor exp(-t^2 / 2) / sqrt(2 pi) of positive units cancels in the ratio.
        positive = (t > 0).astype(np.float64)
        return t @ means.T - 0.5 * positive @ (means**2).T + (1 - positive) @ at_zero.T

    return layer(name, group, shares or uniform(classes), draw, log_density, draws=80_000)


def rings(name: str, group: str, radii: tuple[float, ...], noise: float = 1.0) -> Known:
    """One ring per class around the origin of the plane: no linear probe can tell them apart.

    p(t | c) is proportional to exp(-(|t| - r)^2 / 2s^2) I0e(|t| r / s^2).
    """
    radius = np.array(radii)

    def draw(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        angle = rng.uniform(0, 2 * math.pi, size=len(labels))
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return radius[labels, None] * circle + noise * rng.normal(size=(len(labels), 2))

    def log_density(t: np.ndarray) -> np.ndarray:
        norm = np.sqrt((t**2).sum(axis=1))[:, None]
        return -0.5 * ((norm - radius) / noise) ** 2 + np.log(i0e(norm * radius / noise**2))

    return layer(name, group, uniform(len(radii)), draw, log_density)


def xor(name: str, group: str, width: int, separation: float, bits: int = 2) -> Known:
    """Parity of the signs of `bits` directions, each +-separation: no unit alone says anything."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * bits)).reshape(bits, -1).T
    rotation = np.linalg.qr(structure(name).normal(size=(width, bits)))[0]
    owner = (signs < 0).sum(axis=1) % 2
    return gaussian_mixtures(name, group, separation * signs @ rotation.T, owner, uniform(2))


def moons(name: str, group: str, width: int, scale: float, parts: int = 12) -> Known:
    """Two interleaved half circles, each a mixture of `parts` Gaussians along its arc."""
    angle = np.linspace(0, math.pi, parts)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    means = scale * np.concatenate([upper, lower])
    rotation = np.linalg.qr(structure(name).normal(size=(width, 2)))[0]
    return gaussian_mixtures(name, group, means @ rotation.T, np.repeat([0, 1], parts), uniform(2))


def label_noise(name: str, group: str, classes: int, width: int, wrong: float) -> Known:
    """Perfectly separated classes whose labels are replaced with probability `wrong`.

    A replaced label is uniform over the other classes: I = log C - H(wrong) - wrong log(C - 1).
    """
    means = 40.0 * np.linalg.qr(structure(name).normal(size=(width, classes)))[0].T
    flip = -(wrong * math.log(wrong) + (1 - wrong) * math.log(1 - wrong))
    nats = math.log(classes) - flip - wrong * math.log(classes - 1)

    def draw(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        moved = (labels + rng.integers(1, classes, size=len(labels))) % classes
        true = np.where(rng.uniform(size=len(labels)) < wrong, moved, labels)
        return means[true] + rng.normal(size=(len(labels), width))

    return Known(name, group, draw, nats, uniform(classes))


def independent_labels(name: str, group: str, classes: int, width: int) -> Known:
    """Normal activations that know nothing of the labels: 0 nats."""
    return Known(
        name, group, lambda rng, y: rng.normal(size=(len(y), width)), 0.0, uniform(classes)
    )
