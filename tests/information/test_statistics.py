"""Layer statistics against their integrals, gradients and matrices of known rank."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import entropy

from infoprior.information._inputs import InformationError
from infoprior.information._statistics import (
    activation_entropy,
    dead_units,
    effective_rank,
    entropy_functional,
)


@pytest.mark.parametrize("z", [-30.0, -4.0, -0.5, 0.0, 0.3, 2.0, 12.0])
def test_closed_form_is_the_integral(z):
    """-1/ln 2 * int z dD along the path from D = 0, with dD = D (1 - D) dz."""
    integral = quad(lambda u: u * expit(u) * expit(-u), -60.0, z, epsabs=1e-13, limit=200)[0]
    assert entropy_functional(z).item() == pytest.approx(-integral / math.log(2), abs=1e-10)


@pytest.mark.parametrize("z", [-20.0, -1.0, 0.0, 0.7, 15.0])
def test_closed_form_is_the_binary_entropy_in_bits(z):
    d = expit(z)
    assert entropy_functional(z).item() == pytest.approx(entropy([d, 1 - d], base=2), rel=1e-7)


def test_gradient_is_the_one_of_the_source():
    z = torch.linspace(-20, 20, 101, dtype=torch.float64, requires_grad=True)
    entropy_functional(z).sum().backward()
    d = torch.sigmoid(z.detach())
    assert torch.allclose(z.grad, -z.detach() * d * (1 - d) / math.log(2), atol=1e-12)
    assert torch.autograd.gradcheck(entropy_functional, (z,))


def test_gradient_with_respect_to_the_weights():
    """dH/dw = -z D (1 - D) x / ln 2 for z = (w + g) x + b, and the same without x for b."""
    x = torch.tensor([0.5, -2.0, 1.5], dtype=torch.float64)
    w, g = (torch.randn(3, dtype=torch.float64).requires_grad_() for _ in range(2))
    b = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    z = (w + g) @ x + b
    entropy_functional(z).backward()
    d = torch.sigmoid(z.detach())
    factor = -z.detach() * d * (1 - d) / math.log(2)
    assert torch.allclose(b.grad, factor)
    assert torch.allclose(w.grad, factor * x)
    assert torch.equal(w.grad, g.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_it_is_zero_and_so_is_its_gradient(dtype):
    z = torch.tensor([-1e30, -800.0, 800.0, 1e30], dtype=dtype, requires_grad=True)
    value = entropy_functional(z)
    value.sum().backward()
    assert value.tolist() == [0.0] * 4
    assert z.grad.tolist() == [0.0] * 4
    assert value.dtype == dtype


def test_far_out_it_keeps_its_relative_accuracy():
    assert entropy_functional(-40.0).item() == pytest.approx(
        (40.0 + 1.0) * math.exp(-40.0) / math.log(2), rel=1e-9
    )


def test_activation_entropy_is_the_mean_over_rows_and_units():
    t = np.array([[0.0, 0.0], [1e9, math.log(3.0)]])
    quarter = entropy([0.25, 0.75], base=2)
    assert activation_entropy(t) == pytest.approx((1 + 1 + 0 + quarter) / 4)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_of_equal_directions(rank):
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 9)) - 0.0)[0]
    q = q - q.mean(0)
    q = np.linalg.qr(q)[0][:, :rank]  # orthonormal and centred
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0][:rank]
    assert effective_rank(q @ turn + 5.0) == pytest.approx(rank, rel=1e-6)
    assert effective_rank(1e200 * (q @ turn)) == pytest.approx(rank, rel=1e-6)


def test_effective_rank_of_unequal_directions():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 2)) @ np.eye(2))[0]
    q = np.linalg.qr(q - q.mean(0))[0]
    assert effective_rank(q * [3.0, 1.0]) == pytest.approx(math.exp(entropy([0.75, 0.25])))


def test_nothing_varies():
    noise = np.random.default_rng(0).normal(size=(10, 4))
    for dtype, size in ((np.float32, 1e-7), (np.float64, 1e-16)):
        t = (np.full((10, 4), 0.1) * (1 + size * noise)).astype(dtype)
        assert effective_rank(t) == 0.0
        assert dead_units(t) == 1.0
    assert effective_rank(np.zeros((10, 4))) == 0.0


def test_units_far_from_zero_vary_in_the_digits_that_their_dtype_has():
    steps = np.arange(40).reshape(10, 4) % 7
    for t in (1e9 + 1e-3 * steps, 10**18 + steps, (2**10 + steps).astype(np.float16)):
        assert dead_units(t) == 0.0
        assert effective_rank(t) == pytest.approx(effective_rank(1.0 * steps), rel=1e-3)


def test_dead_units_are_counted():
    t = torch.randn(50, 4).relu()
    t[:, 1] = 0.0
    t[:, 2] = 0.3
    assert dead_units(t) == 0.5
    assert dead_units(t.numpy()) == 0.5
    assert dead_units(torch.arange(6).reshape(3, 2)) == 0.0


@pytest.mark.parametrize("statistic", [activation_entropy, effective_rank, dead_units])
def test_bad_input_is_refused(statistic):
    with pytest.raises(InformationError, match="not finite"):
        statistic(np.array([[1.0, np.nan]]))
    with pytest.raises(InformationError, match="shape"):
        statistic(np.zeros(5))
    with pytest.raises(InformationError, match="shape"):
        statistic(np.zeros((0, 3)))
