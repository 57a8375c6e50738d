"""Continuous pairs: densities with known information, and maps that do not change it.

Most are of Czyż, Grabowski, Vogt, Beerenwinkel & Marx, "Beyond Normal: On the Evaluation of Mutual
Information Estimators", NeurIPS 2023 (section 3 and appendix), written anew: a map that is
injective on each side leaves the mutual information as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import gammaln, i0e, i1e, logsumexp, ndtr, psi

from infoprior.information.known._known import Known, Truth, monte_carlo

Map = Callable[[np.ndarray], np.ndarray]


def gaussian_information(covariance: np.ndarray, dx: int) -> float:
    """I = 1/2 log(|Sx| |Sy| / |S|) of a joint normal with covariance S (Cover & Thomas, ch. 8)."""
    log_det = [
        np.linalg.slogdet(part)[1]
        for part in (covariance[:dx, :dx], covariance[dx:, dx:], covariance)
    ]
    return float(0.5 * (log_det[0] + log_det[1] - log_det[2]))


def multinormal(name: str, group: str, covariance: np.ndarray, dx: int) -> Known:
    """A joint normal, its first dx columns against the others."""
    factor = np.linalg.cholesky(covariance)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        both = rng.normal(size=(n, len(factor))) @ factor.T
        return both[:, :dx], both[:, dx:]

    return Known(name, group, draw, gaussian_information(covariance, dx))


def dense(dx: int, dy: int, rho: float) -> np.ndarray:
    """Covariance in which any two coordinates have correlation rho."""
    d = dx + dy
    return (1 - rho) * np.eye(d) + rho


def sparse(dx: int, dy: int, rho: float, pairs: int = 2) -> np.ndarray:
    """Covariance in which x_i and y_i have correlation rho for i < pairs; all else independent."""
    covariance = np.eye(dx + dy)
    for i in range(pairs):
        covariance[i, dx + i] = covariance[dx + i, i] = rho
    return covariance


def student_entropy(d: int, df: float) -> float:
    """Entropy of a d-dimensional Student-t of unit scatter (Arellano-Valle et al. 2013, eq. 7)."""
    half = 0.5 * (df + d)
    return float(
        gammaln(0.5 * df)
        - gammaln(half)
        + 0.5 * d * math.log(df * math.pi)
        + half * (psi(half) - psi(0.5 * df))
    )


def student(name: str, group: str, scatter: np.ndarray, dx: int, df: float) -> Known:
    """A joint Student-t: even with the identity as scatter, its coordinates are dependent.

    I = the normal's with that scatter + h_t(dx) + h_t(dy) - h_t(dx + dy) (Arellano-Valle,
    Contreras-Reyes & Genton 2013, as corrected in Czyż et al. 2023).
    """
    dy = len(scatter) - dx
    nats = gaussian_information(scatter, dx) + (
        student_entropy(dx, df) + student_entropy(dy, df) - student_entropy(dx + dy, df)
    )
    factor = np.linalg.cholesky(scatter)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        both = rng.normal(size=(n, dx + dy)) @ factor.T
        both /= np.sqrt(rng.chisquare(df, size=(n, 1)) / df)
        return both[:, :dx], both[:, dx:]

    return Known(name, group, draw, nats)


def additive_uniform(name: str, group: str, width: float) -> Known:
    """y = x + U(-w, w), x ~ U(0, 1): I = w - log 2w for w <= 1/2, else 1/(4w)."""
    nats = width - math.log(2 * width) if width <= 0.5 else 1 / (4 * width)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(size=n)
        return x, x + rng.uniform(-width, width, size=n)

    return Known(name, group, draw, nats)


def independent(name: str, group: str, one: Callable[..., np.ndarray], dx: int, dy: int) -> Known:
    """Both sides drawn apart by `one(rng, (n, d))`: 0 nats."""
    return Known(name, group, lambda rng, n: (one(rng, (n, dx)), one(rng, (n, dy))), 0.0)


def mapped(known: Known, name: str, x: Map | None = None, y: Map | None = None) -> Known:
    """A pair after injective maps of its sides: the same information."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = known.draw(rng, n)
        return (x(a) if x else a), (y(b) if y else b)

    return replace(known, name=name, draw=draw)


def half_cube(values: np.ndarray) -> np.ndarray:
    """x sqrt|x|: heavier tails."""
    return values * np.sqrt(np.abs(values))


def wiggly(values: np.ndarray) -> np.ndarray:
    """Strictly increasing with nearly flat stretches; the slope is within 0.22 and 1.78."""
    return values + 0.6 * np.sin(1.3 * values + 0.5)


def swiss_roll(values: np.ndarray) -> np.ndarray:
    """(n, 1) in (0, 1) -> (n, 2), a line rolled up in the plane."""
    angle = 1.5 * math.pi * (1 + 2 * values)
    return np.hstack([angle * np.cos(angle), angle * np.sin(angle)]) / 21.0


def spiral(speed: float, i: int = 0, j: int = 1) -> Map:
    """x -> exp(v A |x|^2) x: columns i and j turned by an angle that grows with the norm."""

    def turn(values: np.ndarray) -> np.ndarray:
        angle = speed * (values**2).sum(axis=1)
        turned = values.copy()
        turned[:, i] = np.cos(angle) * values[:, i] - np.sin(angle) * values[:, j]
        turned[:, j] = np.sin(angle) * values[:, i] + np.cos(angle) * values[:, j]
        return turned

    return turn


def linear(matrix: np.ndarray) -> Map:
    """x -> x A, A of full row rank."""
    return lambda values: values @ matrix


def mixture(
    name: str, group: str, means: np.ndarray, covariances: np.ndarray, dx: int, draws: int = 400_000
) -> Known:
    """Equal parts of joint normals: means (J, d), covariances (J, d, d). Monte-Carlo truth."""
    factors = np.linalg.cholesky(covariances)

    def joint(rng: np.random.Generator, n: int) -> np.ndarray:
        part = rng.integers(0, len(means), size=n)
        noise = rng.normal(size=(n, means.shape[1]))
        return means[part] + np.einsum("nij,nj->ni", factors[part], noise)

    def log_density(values: np.ndarray, columns: slice) -> np.ndarray:
        terms = []
        for mean, covariance in zip(means, covariances, strict=True):
            block = covariance[columns, columns]
            off = values - mean[columns]
            distance = (off @ np.linalg.inv(block) * off).sum(axis=1)
            size = np.linalg.slogdet(2 * math.pi * block)[1]
            terms.append(-0.5 * (distance + size))
        return logsumexp(terms, axis=0) - math.log(len(means))

    def log_ratios(rng: np.random.Generator, n: int) -> np.ndarray:
        both = joint(rng, n)
        return (
            log_density(both, slice(None))
            - log_density(both[:, :dx], slice(None, dx))
            - log_density(both[:, dx:], slice(dx, None))
        )

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        both = joint(rng, n)
        return both[:, :dx], both[:, dx:]

    return Known(name, group, draw, lambda: monte_carlo(log_ratios, draws))


def channel_information(mean: Map, sd: Map) -> float:
    """I(X; m(X) + s(X) Z) = h(Y) - E[h(Y | X)] of X, Z ~ N(0, 1), by quadrature.

    The grid of x holds its 4,001 nodes within 8.5 standard deviations; the density of y is summed
    over it at 4,001 nodes. The trapezoid rule is then exact to about 1e-5 for smooth m and for
    noise of at least 0.05 times the slope.
    """
    x = np.linspace(-8.5, 8.5, 4001)
    weight = np.exp(-0.5 * x**2)
    weight /= weight.sum()
    centre, spread = mean(x), sd(x)
    keep = weight > 1e-12
    low, high = (centre - 9 * spread)[keep].min(), (centre + 9 * spread)[keep].max()
    y = np.linspace(low, high, 4001)
    density = np.zeros_like(y)
    for part in np.array_split(np.flatnonzero(keep), 40):  # a block at a time: memory
        off = (y[:, None] - centre[part]) / spread[part]
        density += np.exp(-0.5 * off**2) @ (weight[part] / spread[part])
    density /= math.sqrt(2 * math.pi)
    positive = density[density > 0]
    entropy = -(positive * np.log(positive)).sum() * (y[1] - y[0])
    noise = float(weight @ np.log(spread)) + 0.5 * math.log(2 * math.pi * math.e)
    return float(entropy - noise)


def channel(name: str, group: str, mean: Map, sd: Map) -> Known:
    """y = m(x) + s(x) z for standard normal x and z: curved or of changing noise."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x, z = rng.normal(size=(2, n))
        return x, mean(x) + sd(x) * z

    return Known(name, group, draw, lambda: Truth(channel_information(mean, sd)))


def circles(name: str, group: str, concentrations: tuple[float, ...]) -> Known:
    """Uniform angles and the same angles after von Mises noise, all as points of unit circles.

    I = sum over circles of k I1(k)/I0(k) - log I0(k): log 2 pi minus the noise's entropy. One
    circle is 2 x 2 dimensions, two are a torus in 4 x 4.
    """
    nats = sum(k * i1e(k) / i0e(k) - (math.log(i0e(k)) + k) for k in concentrations)

    def points(angles: np.ndarray) -> np.ndarray:
        return np.hstack([np.cos(angles), np.sin(angles)])

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        angles = rng.uniform(0, 2 * math.pi, size=(n, len(concentrations)))
        noise = rng.vonmises(0.0, np.array(concentrations), size=angles.shape)
        return points(angles), points(angles + noise)

    return Known(name, group, draw, float(nats))


def uniform_margins(values: np.ndarray) -> np.ndarray:
    """The normal distribution function of every coordinate."""
    return ndtr(values)
