"""Truths found a second way: integrals on grids, SciPy's densities, limits, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp, ndtr

from infoprior.information import known
from infoprior.information.known import Known, _layers, _networks, _pairs

EVERY = (*known.known_pairs(), *known.known_layers(), *known.known_noisy_layers())
LAYERS = known.known_layers()


def xlogx(p: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)


def named(name: str) -> Known:
    return next(k for k in EVERY if k.name == name)


def on_a_grid(densities: list[np.ndarray], cell: float) -> float:
    """I of equally likely classes from p(t | c) on a grid of cells."""
    given = np.stack(densities)
    marginal = given.mean(axis=0)
    return float((xlogx(given).mean(axis=0) - xlogx(marginal)).sum() * cell)


def plane() -> tuple[np.ndarray, float]:
    axis = np.linspace(-16, 16, 641)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return grid, float(axis[1] - axis[0]) ** 2


def gaussian_density(t: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Equal mixture of unit Gaussians in the plane."""
    each = [np.exp(-0.5 * ((t - m) ** 2).sum(axis=1)) / (2 * math.pi) for m in means]
    return np.mean(each, axis=0)


def test_samples() -> None:
    assert len({k.name for k in EVERY}) == len(EVERY)
    for k in EVERY:
        x, y = k.sample(64, seed=3)
        again, other = k.sample(64, seed=3), k.sample(64, seed=4)
        assert np.array_equal(x, again[0])
        assert np.array_equal(y, again[1])
        assert not np.array_equal(x, other[0])
        assert x.dtype == np.float64
        assert x.ndim == 2
        assert len(x) == len(y) == 64
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        assert k.discrete == (y.dtype == np.int64 and y.ndim == 1)
    assert {k.group for k in known.known_pairs()} == set(known.GROUPS)
    assert {k.group for k in LAYERS} == set(known.GROUPS)
    with pytest.raises(ValueError, match="none of"):
        known.multinormal("a", "training", np.eye(2), 1)


def test_layers_of_equal_shares_share_their_labels() -> None:
    a, b = (named(n).sample(500, seed=5)[1] for n in ("class-gaussians-10x64-s3", "relu-10x64"))
    assert np.array_equal(a, b)
    y = named("imbalanced-2x30").sample(20_000, seed=0)[1]
    assert y.mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.slow
def test_truths_of_the_catalogue_are_possible_and_precise() -> None:
    for k in EVERY:
        assert 0 <= k.nats < 8
        assert k.standard_error <= 0.003, k.name
        if k.shares:
            assert k.nats <= stats.entropy(k.shares) + 1e-12


@pytest.mark.parametrize("width", [0.1, 0.35, 0.5, 0.75])
def test_additive_uniform(width: float) -> None:
    y = np.linspace(-width, 1 + width, 400_001)
    density = np.clip((np.minimum(1, y + width) - np.maximum(0, y - width)) / (2 * width), 0, None)
    entropy = -integrate.trapezoid(xlogx(density), y)
    truth = known.additive_uniform("a", "development", width).nats
    assert truth == pytest.approx(entropy - math.log(2 * width), abs=1e-6)


@pytest.mark.parametrize(("dx", "dy", "df", "rho"), [(1, 1, 1, 0.0), (2, 2, 5, 0.6), (3, 2, 2, 0)])
def test_student(dx: int, dy: int, df: int, rho: float) -> None:
    scatter = _pairs.sparse(dx, dy, rho, pairs=1)
    pair = known.student("t", "development", scatter, dx, df)
    x, y = pair.sample(200_000, seed=0)

    def log_density(values: np.ndarray, block: np.ndarray) -> np.ndarray:
        return stats.multivariate_t(shape=block, df=df).logpdf(values)

    ratio = (
        log_density(np.hstack([x, y]), scatter)
        - log_density(x, scatter[:dx, :dx])
        - log_density(y, scatter[dx:, dx:])
    )
    error = ratio.std() / math.sqrt(len(ratio))
    assert error < 0.005
    assert pair.nats == pytest.approx(ratio.mean(), abs=4 * error)


def test_normals() -> None:
    assert named("normal-0.75").nats == pytest.approx(-0.5 * math.log(1 - 0.75**2))
    # Sparse: the informations of independent pairs add up.
    assert named("sparse-25x25").nats == pytest.approx(-math.log(1 - 0.8**2))
    x, y = named("dense-15x5").sample(50_000, seed=0)
    assert np.cov(np.hstack([x, y]).T) == pytest.approx(_pairs.dense(15, 5, 0.4), abs=0.04)


def test_channels() -> None:
    for slope, sd in ((1.0, 0.5), (-3.0, 0.2)):
        nats = _pairs.channel_information(lambda x, a=slope: a * x, lambda x, s=sd: 0 * x + s)
        assert nats == pytest.approx(0.5 * math.log(1 + (slope / sd) ** 2), abs=1e-6)
    # |x| loses the sign, one bit, except where the noise hides it anyway.
    folded = _pairs.channel_information(np.abs, lambda x: 0 * x + 0.01)
    plain = _pairs.channel_information(lambda x: x, lambda x: 0 * x + 0.01)
    assert plain - folded == pytest.approx(math.log(2), abs=0.015)

    # Changing noise: p(y) by quadrature.
    x = np.linspace(-8, 8, 8001)
    grid = np.linspace(0, 12, 601)
    p = np.array([
        integrate.simpson(stats.norm.pdf(x) * stats.norm.pdf(y, x, 0.1 + 0.5 * np.abs(x)), x=x)
        for y in grid
    ])  # fmt: skip
    entropy = -2 * integrate.simpson(xlogx(p), x=grid)
    noise = integrate.quad(lambda x: 2 * stats.norm.pdf(x) * math.log(0.1 + 0.5 * x), 0, 9)[0]
    truth = entropy - noise - 0.5 * math.log(2 * math.pi * math.e)
    assert named("heteroscedastic").nats == pytest.approx(truth, abs=2e-3)


def test_circles() -> None:
    truth = [math.log(2 * math.pi) - stats.vonmises(k).entropy() for k in (6.0, 2.0)]
    assert named("torus").nats == pytest.approx(sum(truth))
    x, y = named("circle").sample(1000, seed=0)
    for side in (x, y):
        assert (side**2).sum(axis=1) == pytest.approx(np.ones(1000))


def test_mixtures_of_pairs() -> None:
    covariance = _pairs.dense(1, 1, 0.8)
    alone = known.mixture("m", "development", np.zeros((1, 2)), covariance[None], 1)
    assert alone.nats == pytest.approx(-0.5 * math.log(1 - 0.64), abs=4 * alone.standard_error)
    grid, cell = plane()
    crossed = named("mixture-x-1x1")
    p = np.mean(
        [stats.multivariate_normal(cov=[[1, r], [r, 1]]).pdf(grid) for r in (0.7, -0.7)], axis=0
    )
    margin = stats.norm.logpdf(grid).sum(axis=1)
    truth = (xlogx(p) - p * margin).sum() * cell
    assert crossed.nats == pytest.approx(truth, abs=4 * crossed.standard_error)


def test_maps_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    line = np.sort(rng.normal(size=(2000, 1)) * 2, axis=0)
    for change in (_pairs.half_cube, _pairs.wiggly, _pairs.uniform_margins):
        assert (np.diff(change(line)[:, 0]) > 0).all()
    t = ndtr(line)
    roll = _pairs.swiss_roll(t)
    angle = 21 * np.linalg.norm(roll, axis=1, keepdims=True)
    assert (angle / (1.5 * math.pi) - 1) / 2 == pytest.approx(t)
    x = rng.normal(size=(500, 5))
    turned = _pairs.spiral(0.4, -2, -1)(x)
    assert not np.allclose(turned, x)
    assert _pairs.spiral(-0.4, -2, -1)(turned) == pytest.approx(x)
    stretched = _layers.anisotropic("a", 5, 100.0)
    matrix = stretched(np.eye(5))
    assert np.linalg.cond(matrix) == pytest.approx(100)
    network = _layers.random_network("n", 5, 12, slope=0.1)
    zero = _layers.random_network("n", 5, 12, slope=1.0)(np.zeros((1, 5)))
    out = network(x)
    linear = np.where(out > 0, out, out / 0.1) - zero
    weight = _layers.random_network("n", 5, 12, slope=1.0)(np.eye(5)) - zero
    assert linear @ np.linalg.pinv(weight) == pytest.approx(x)
    with pytest.raises(ValueError, match="do not fit"):
        _layers.random_network("n", 5, 4)


def test_noisy_linear_networks() -> None:
    for name in ("noisy-linear-10", "noisy-linear-5"):
        truths = [k.nats for k in EVERY if k.name.startswith(f"{name}-")]
        assert truths == sorted(truths, reverse=True)  # data processing
    for layer in (named("noisy-linear-5-layer2"), named("clean-linear-6-layer3")):
        x, t = layer.sample(400_000, seed=1)
        if layer.sigma:
            t = t + layer.sigma * np.random.default_rng(0).normal(size=t.shape)
        both = np.hstack([x, t])
        nats = _pairs.gaussian_information(np.cov(both.T), x.shape[1])
        assert layer.nats == pytest.approx(nats, abs=0.01)


def test_nonlinear_units() -> None:
    linear = known.nonlinear_units("a", "development", lambda x: 2 * x, 3, 0.5)
    assert linear.nats == pytest.approx(1.5 * math.log(17), abs=1e-5)
    # Half of the time a ReLU says nothing but that x < 0.
    t = np.linspace(-4, 12, 8001)
    below = 0.5 * stats.norm.pdf(t, scale=0.5)
    spread = math.sqrt(1.25)  # of x + noise; x > 0 given t is a normal tail
    above = stats.norm.pdf(t, scale=spread) * ndtr(t / (spread * 0.5))
    entropy = -integrate.simpson(xlogx(below + above), x=t)
    truth = entropy - 0.5 * math.log(2 * math.pi * math.e * 0.25)
    relu = known.nonlinear_units("b", "development", lambda x: np.maximum(x, 0), 4, 0.5)
    assert relu.nats == pytest.approx(4 * truth, abs=1e-3)
    assert isinstance(_networks.nonlinear_units("b", "development", np.tanh, 2, 0.5).sigma, float)


def test_two_class_gaussians_by_an_integral() -> None:
    layer = known.class_gaussians(2, 128, 1.5)
    means = _layers.class_means(layer.name, 2, 128, 1.5)
    half = 0.5 * float(np.linalg.norm(means[0] - means[1]))

    def inner(t: float) -> float:
        return stats.norm.pdf(t, half) * (math.log(2) - np.logaddexp(0, -2 * half * t))

    truth = integrate.quad(inner, -10, 10 + half)[0]
    assert layer.nats == pytest.approx(truth, abs=4 * layer.standard_error)
    noisy = known.class_gaussians(2, 128, 4.5, noise=3.0, name=layer.name)
    assert noisy.nats == pytest.approx(layer.nats)
    t, _ = noisy.sample(5000, seed=0)
    assert t[:, 0].std() == pytest.approx(3.0, rel=0.05)


def test_layers_in_the_plane_by_grids() -> None:
    grid, cell = plane()
    means = _layers.class_means("g", 3, 2, 2.0)
    layer = known.class_gaussians(3, 2, 2.0, name="g")
    truth = on_a_grid([gaussian_density(grid, m[None]) for m in means], cell)
    assert layer.nats == pytest.approx(truth, abs=4 * layer.standard_error)

    corners = 1.5 * np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    truth = on_a_grid([gaussian_density(grid, corners[i : i + 2]) for i in (0, 2)], cell)
    layer = named("xor-2")
    assert layer.nats == pytest.approx(truth, abs=4 * layer.standard_error)

    angle = np.linspace(0, math.pi, 12)
    upper = 3.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = 3.0 * np.array([1, 0.5]) - upper
    truth = on_a_grid([gaussian_density(grid, m) for m in (upper, lower)], cell)
    layer = named("moons-2")
    assert layer.nats == pytest.approx(truth, abs=4 * layer.standard_error)


def test_rings_by_the_rice_distribution() -> None:
    r = np.linspace(0, 20, 20_001)
    densities = [stats.rice(radius).pdf(r) for radius in (1.0, 4.0, 7.0)]
    layer = named("rings-3")
    truth = on_a_grid(densities, r[1])
    assert layer.nats == pytest.approx(truth, abs=4 * layer.standard_error)
    t, y = layer.sample(20_000, seed=0)
    assert stats.kstest(np.linalg.norm(t[y == 1], axis=1), stats.rice(4.0).cdf).pvalue > 1e-3


def test_relu_unit_by_an_integral_and_its_point_mass() -> None:
    layer = named("relu-2x1")
    means = _layers.class_means(layer.name, 2, 1, 1.5)[:, 0]
    t = np.linspace(0, 15, 15_001)
    positive = on_a_grid([stats.norm.pdf(t, m) for m in means], t[1])
    edge = 0.5 * on_a_grid([stats.norm.pdf(t[:1], m) for m in means], t[1])  # trapezoid
    zero = on_a_grid([np.array([ndtr(-m)]) for m in means], 1.0)
    assert zero > 0.01
    assert layer.nats == pytest.approx(positive - edge + zero, abs=4 * layer.standard_error)
    samples, y = layer.sample(50_000, seed=0)
    for c in (0, 1):
        assert (samples[y == c] == 0).mean() == pytest.approx(ndtr(-means[c]), abs=0.01)


def test_parity_needs_every_bit() -> None:
    layer = named("parity-3-bits-3")
    t, y = layer.sample(40_000, seed=0)
    means = np.stack([t[y == c].mean(axis=0) for c in (0, 1)])
    covariances = [np.cov(t[y == c].T) for c in (0, 1)]
    assert np.abs(means).max() < 0.05  # the first two moments know nothing
    assert np.abs(covariances[0] - covariances[1]).max() < 0.15


@pytest.mark.parametrize("name", ["label-noise-5x16", "label-noise-10x64"])
def test_label_noise_by_the_table_of_nearest_means(name: str) -> None:
    layer = named(name)
    classes, n = len(layer.shares or ()), 50_000
    t, y = layer.sample(n, seed=0)
    means = 40.0 * np.linalg.qr(_layers.structure(name).normal(size=(t.shape[1], classes)))[0].T
    nearest = (t @ means.T).argmax(axis=1)
    table = np.zeros((classes, classes))
    np.add.at(table, (nearest, y), 1 / n)
    nats = xlogx(table).sum() - xlogx(table.sum(axis=0)).sum() - xlogx(table.sum(axis=1)).sum()
    assert layer.nats == pytest.approx(nats, abs=0.02)


@pytest.mark.parametrize("name", ["class-gaussians-10x16-s3", "anisotropic-10x16"])
def test_samples_have_the_information_their_truth_says(name: str) -> None:
    """The whole width, by a linear discriminant fitted on half of 80,000 rows."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    layer = named(name)
    t, y = layer.sample(80_000, seed=0)
    fitted = LinearDiscriminantAnalysis().fit(t[::2], y[::2])
    log_posterior = fitted.predict_log_proba(t[1::2])
    nats = math.log(10) + log_posterior[np.arange(40_000), y[1::2]].mean()
    assert layer.nats == pytest.approx(nats, abs=0.015)


def test_mixture_layers_sample_their_mixture() -> None:
    """Rows of the whole width scored by densities of the whole width."""
    rng = np.random.default_rng(0)
    means, owner = 1.5 * rng.normal(size=(5, 12)), np.array([0, 0, 1, 2, 2])
    layer = known.gaussian_mixtures("g", "development", means, owner, (0.5, 0.2, 0.3))
    t, y = layer.sample(100_000, seed=0)
    each = -0.5 * ((t[:, None] - means) ** 2).sum(axis=2)
    given = np.stack(
        [logsumexp(each[:, owner == c], axis=1) - math.log((owner == c).sum()) for c in range(3)],
        axis=1,
    )
    ratio = given[np.arange(len(y)), y] - logsumexp(given + np.log([0.5, 0.2, 0.3]), axis=1)
    error = ratio.std() / math.sqrt(len(ratio)) + layer.standard_error
    assert layer.nats == pytest.approx(ratio.mean(), abs=4 * error)
