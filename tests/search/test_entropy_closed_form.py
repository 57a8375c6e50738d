"""The functional H: closed form, limits, accuracy, and gradients against three other ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import entropy
from torch import Tensor
from torch.nn import functional

from infoprior.search.entropy_gradient import (
    decision_entropy,
    entropy_gradients,
    entropy_slope,
)

Z = torch.linspace(-12.0, 12.0, 97, dtype=torch.float64)


def exact(z: float) -> float:
    """H for large |z| by its expansion: e (1 + |z|) - e² (|z| + 1/2), in bits."""
    e = math.exp(-abs(z))
    return (e * (1.0 + abs(z)) - e * e * (abs(z) + 0.5)) / math.log(2.0)


def test_it_is_the_binary_entropy_in_bits() -> None:
    d = expit(Z.numpy())
    bits = entropy(np.stack([d, 1.0 - d]), base=2, axis=0)
    np.testing.assert_allclose(decision_entropy(Z).numpy(), bits, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("z", [-4.0, -0.5, 0.0, 1.0, 6.0])
def test_it_is_the_integral_of_the_document_from_zero(z: float) -> None:
    integral, _ = quad(lambda u: math.log(u / (1.0 - u)), 0.0, float(expit(z)), limit=200)
    value = float(decision_entropy(torch.tensor(z, dtype=torch.float64)))
    assert value == pytest.approx(-integral / math.log(2.0), abs=1e-9)


def test_it_is_softplus_minus_z_sigmoid() -> None:
    plain = (functional.softplus(Z) - Z * torch.sigmoid(Z)) / math.log(2.0)
    torch.testing.assert_close(decision_entropy(Z), plain, rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_limits(dtype: torch.dtype) -> None:
    inf = float("inf")
    z = torch.tensor([-inf, -1e30, 0.0, 1e30, inf], dtype=dtype, requires_grad=True)
    h = decision_entropy(z)
    assert h.dtype == dtype
    assert h.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]
    h.sum().backward()
    assert z.grad is not None
    assert z.grad.tolist() == [0.0] * 5
    assert decision_entropy(torch.tensor(float("nan"), dtype=dtype)).isnan()
    assert entropy_slope(torch.tensor(float("nan"), dtype=dtype)).isnan()


@pytest.mark.parametrize("z", [-80.0, -30.0, 20.0, 40.0, 80.0])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_relative_accuracy_is_kept_where_decisions_are_sharp(
    z: float, dtype: torch.dtype, error: float
) -> None:
    value = decision_entropy(torch.tensor(z, dtype=dtype))
    assert float(value) == pytest.approx(exact(z), rel=error, abs=0.0)
    slope = -z * math.exp(-abs(z)) / (1.0 + math.exp(-abs(z))) ** 2 / math.log(2.0)
    assert float(entropy_slope(torch.tensor(z, dtype=dtype))) == pytest.approx(
        slope, rel=error, abs=0.0
    )


def test_the_slope_agrees_with_autograd_of_the_plain_formula() -> None:
    z = Z.clone().requires_grad_()
    d = torch.sigmoid(z)
    plain = -(d * functional.logsigmoid(z) + (1.0 - d) * functional.logsigmoid(-z)) / math.log(2.0)
    (grad,) = torch.autograd.grad(plain.sum(), z)
    torch.testing.assert_close(entropy_slope(Z), grad, rtol=0.0, atol=1e-13)
    (mine,) = torch.autograd.grad(decision_entropy(z).sum(), z)
    torch.testing.assert_close(mine, grad, rtol=0.0, atol=1e-13)


def test_gradients_agree_with_finite_differences_to_second_order() -> None:
    z = torch.tensor([-5.0, -1.0, 0.0, 0.3, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(decision_entropy, z)
    assert torch.autograd.gradgradcheck(decision_entropy, z)
    curvature = torch.func.vmap(torch.func.grad(torch.func.grad(decision_entropy)))(z.detach())
    assert float(curvature[2]) == pytest.approx(-0.25 / math.log(2.0))  # no kink at 0


def test_a_descent_moves_away_from_zero_and_stays_at_zero() -> None:
    step = -entropy_slope(Z)
    assert (step * Z >= 0.0).all()
    assert (step[Z != 0.0] != 0.0).all()
    assert float(entropy_slope(torch.tensor(0.0))) == 0.0


def layer(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, w, G, b of a layer of 4 inputs and 3 units, 7 rows."""
    rng = torch.Generator().manual_seed(0)
    shapes = ((7, 4), (3, 4), (3, 4), (3,))
    x, w, g, b = (torch.randn(s, generator=rng, dtype=torch.float64).to(dtype) for s in shapes)
    return x, w, g, b


def total(x: Tensor, w: Tensor, g: Tensor, b: Tensor) -> Tensor:
    return decision_entropy(x @ (w + g).T + b).sum(1).mean()


def plain_total(x: Tensor, w: Tensor, g: Tensor, b: Tensor) -> Tensor:
    """The same by PyTorch's own binary cross-entropy of D with D, and no function of this room."""
    z = x @ (w + g).T + b
    nats = functional.binary_cross_entropy_with_logits(z, torch.sigmoid(z), reduction="none")
    return nats.sum(1).mean() / math.log(2.0)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_gradients_of_w_g_and_b_agree_with_autograd(dtype: torch.dtype, error: float) -> None:
    x, *parameters = layer(dtype)
    for parameter in parameters:
        parameter.requires_grad_()
    grads = torch.autograd.grad(plain_total(x, *parameters), parameters)
    w, g, b = parameters
    with torch.no_grad():
        mine = entropy_gradients(x, x @ (w + g).T + b)
    for gradient, other in zip(mine, grads, strict=True):
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient, other, rtol=0.0, atol=error)


@pytest.mark.parametrize("which", ["w", "G", "b"])
def test_gradients_of_w_g_and_b_agree_with_finite_differences(which: str) -> None:
    x, *parameters = layer()
    w, g, b = parameters
    gradient = getattr(entropy_gradients(x, x @ (w + g).T + b), which)
    parameter = parameters[["w", "G", "b"].index(which)]
    step = 1e-5
    for index in np.ndindex(*parameter.shape):
        before = float(parameter[index])
        parameter[index] = before + step
        above = float(total(x, *parameters))
        parameter[index] = before - step
        below = float(total(x, *parameters))
        parameter[index] = before
        assert float(gradient[index]) == pytest.approx((above - below) / (2.0 * step), abs=1e-9)


def test_one_row_and_one_unit_give_the_formula_as_it_is_printed() -> None:
    x, z = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.7]])
    d = 1.0 / (1.0 + math.exp(-0.7))
    printed = -0.7 * d * (1.0 - d) / math.log(2.0)
    w, g, b = entropy_gradients(x, z)
    assert w.tolist()[0] == pytest.approx([2.0 * printed, -printed], rel=1e-6)
    assert g.tolist() == w.tolist()
    assert b.tolist() == pytest.approx([printed], rel=1e-6)
