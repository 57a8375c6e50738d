"""Noisy layers whose I(X; T + sigma Z) is known."""

import math

import numpy as np
import pytest
import torch

from infoprior.information import _noisy
from infoprior.information._inputs import InformationError
from infoprior.information._noisy import _control, _whitening, noisy
from tests.information.common import needs_cuda


def linear(width, inputs, n, seed):
    """T = W X and the truth for a given noise: 1/2 log |I + W W' / sigma^2|."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(width, inputs)) / math.sqrt(inputs)
    x = rng.normal(size=(n, inputs))

    def truth(sigma):
        return 0.5 * np.linalg.slogdet(np.eye(width) + weight @ weight.T / sigma**2)[1]

    return torch.from_numpy(x), torch.from_numpy(x @ weight.T), truth


def of_one(layer, **options):
    return noisy([layer], [layer], seed=0, **options)[0]


@pytest.mark.parametrize(
    ("width", "inputs", "sigma", "tolerance"),
    [(1, 1, 0.3, 0.04), (3, 3, 0.5, 0.05), (48, 5, 1.0, 0.1), (10, 10, 1.0, 0.06)],
)
def test_linear_layers(width, inputs, sigma, tolerance):
    errors = []
    for seed in range(4):
        x, t, truth = linear(width, inputs, 1000, seed)
        [estimate] = noisy([x], [t], seed=seed, sigma=sigma)
        assert estimate.lower <= estimate.nats <= estimate.upper
        assert estimate.sigma == sigma
        errors.append(estimate.nats - truth(sigma))
    assert abs(np.mean(errors)) < tolerance


def test_lower_and_upper_enclose_the_truth_and_close_with_rows():
    gaps = []
    for n in (300, 1200):
        below, above = [], []
        for seed in range(6):
            x, t, truth = linear(10, 4, n, seed)
            [estimate] = noisy([x], [t], seed=seed, sigma=0.4)
            below.append(estimate.lower - truth(0.4))
            above.append(estimate.upper - truth(0.4))
        assert np.mean(below) < 0.0
        assert np.mean(above) > -0.05
        gaps.append(np.mean(above) - np.mean(below))
    assert gaps[1] < 0.7 * gaps[0]


def test_a_layer_of_two_values():
    """T = +-1: the information of a binary input over a Gaussian channel, by quadrature."""
    sigma = 0.7
    s = np.linspace(-8, 8, 40001)
    both = [np.exp(-0.5 * ((s - m) / sigma) ** 2) / sigma / math.sqrt(2 * math.pi) for m in (-1, 1)]
    density = (both[0] + both[1]) / 2
    truth = -np.sum(density * np.log(density)) * (s[1] - s[0])
    truth -= 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    t = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], size=(1500, 1)))
    assert of_one(t, sigma=sigma).nats == pytest.approx(truth, abs=0.02)
    assert of_one(t, sigma=sigma, draws=8).nats == pytest.approx(truth, abs=0.02)


def test_values_are_the_definition(monkeypatch):
    monkeypatch.setitem(_noisy.BLOCK, "cpu", 5000)  # several blocks
    rng = np.random.default_rng(3)
    t, z = rng.normal(size=(2, 120, 3))
    log_kernel = -0.5 * ((t[:, None] + z[:, None] - t[None]) ** 2).sum(-1)
    without = np.where(np.eye(120) > 0, -np.inf, log_kernel)
    expected = np.log(np.exp(without).sum(1))
    got = _noisy._log_sum_of_others(torch.from_numpy(t + z)[None], torch.from_numpy(t)[None], 0.5)
    assert np.allclose(got[0], expected, atol=1e-4)


def test_the_control_variate_has_mean_zero_whatever_the_layer():
    rng = np.random.default_rng(0)
    t = torch.from_numpy(rng.exponential(size=(1, 20, 3)))
    t = t - t.mean(1, keepdim=True)
    z = torch.from_numpy(rng.normal(size=(20000, 20, 3)))
    own = -0.5 * z.square().sum(-1)
    control = _control(t, z, own, _whitening(t.mT @ t / t.shape[1]))
    assert control.mean(0).abs().max() < 5 * control.std() / 20000**0.5


def test_control_variate_lowers_the_noise_of_the_draw(monkeypatch):
    x, t, _ = linear(20, 10, 400, 0)
    with_it = [noisy([x], [t], seed=s, sigma=1.0)[0].lower for s in range(10)]
    monkeypatch.setattr(_noisy, "_mean", lambda values, control: values.mean(-1))
    without = [noisy([x], [t], seed=s, sigma=1.0)[0].lower for s in range(10)]
    assert np.std(with_it) < 0.5 * np.std(without)
    assert np.mean(with_it) == pytest.approx(np.mean(without), abs=0.15)


def test_wide_layers_with_little_noise_are_flagged_and_finite():
    x, t, truth = linear(40, 40, 300, 0)
    for relative in (0.3, 1e-3, 1e-8):
        [estimate] = noisy([x], [t], seed=0, relative=relative)
        assert estimate.flags == ("saturated", "bounds_disagree")
        assert estimate.lower <= math.log(300) + 1e-9
        assert estimate.upper == pytest.approx(truth(estimate.sigma), rel=0.1)


def test_the_noise_is_a_share_of_the_layers_spread():
    _, t, _ = linear(5, 5, 500, 0)
    estimate = of_one(t, relative=0.25)
    assert estimate.sigma == pytest.approx(0.25 * t.std(0, correction=0).square().mean().sqrt())
    assert of_one(1e150 * t + 1.0, relative=0.25).nats == pytest.approx(estimate.nats, abs=1e-6)
    assert of_one(t, sigma=estimate.sigma).nats == pytest.approx(estimate.nats)


def test_constant_units_change_nothing():
    _, t, _ = linear(3, 3, 300, 0)
    padded = torch.cat([t, torch.full((300, 2), 5.0, dtype=torch.float64)], 1)
    plain, more = of_one(t, sigma=0.5), of_one(padded, sigma=0.5)
    assert more.nats == pytest.approx(plain.nats, abs=0.1)  # other noise is drawn


def test_less_noise_is_more_information_and_rotations_change_nothing():
    _, t, _ = linear(4, 4, 600, 0)
    values = [of_one(t, sigma=s).nats for s in (0.3, 0.6, 1.2, 2.4)]
    assert values == sorted(values, reverse=True)
    rotation = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).normal(size=(4, 4))))[0]
    assert of_one(t @ rotation, sigma=0.6).nats == pytest.approx(values[1], abs=0.05)


def test_pairwise_bounds_enclose_the_information_of_the_rows():
    """Of two values: the entropy of a fair coin, from either side, when noise is small or not."""
    t = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(200)[:, None]
    sharp = of_one(t, sigma=0.01, bounds="pairwise")
    assert sharp.lower == pytest.approx(math.log(2), abs=1e-3)
    assert sharp.upper == pytest.approx(math.log(2), abs=1e-3)
    blurred = of_one(t, sigma=1.0, bounds="pairwise")
    assert blurred.lower == pytest.approx(math.log(2) - math.log(1 + math.exp(-0.5)), abs=1e-6)
    assert blurred.upper <= 0.5 * math.log(2) + 0.01  # the Gaussian channel
    assert blurred.lower < of_one(t, sigma=1.0).nats < blurred.upper


def test_a_list_is_its_layers_one_by_one():
    layers = [linear(w, 3, 200, w)[1] for w in (4, 2, 4, 4)]
    together = noisy(layers, layers, seed=1)
    for layer, estimate in zip(layers, together, strict=True):
        [alone] = noisy([layer], [layer], seed=1)
        assert alone.nats == pytest.approx(estimate.nats, abs=1e-6)
    assert noisy(layers, layers, seed=1) == together


@pytest.mark.parametrize(
    "options",
    [{"sigma": 0.0}, {"sigma": math.inf}, {"relative": -1.0}, {"draws": 0}, {"bounds": "best"}],
)
def test_bad_options_are_refused(options):
    _, t, _ = linear(2, 2, 100, 0)
    with pytest.raises(InformationError, match=next(iter(options))):
        of_one(t, **options)


@needs_cuda
def test_cuda_equals_cpu():
    _, t, _ = linear(8, 8, 500, 0)
    assert of_one(t.cuda()).nats == pytest.approx(of_one(t).nats, abs=1e-4)
