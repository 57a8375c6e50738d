"""The bound, its log-space average and the bias-corrected gradient, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from infoprior.information._objective import (
    donsker_varadhan,
    log_mean_exp,
    log_mean_exp_enumerated,
    surrogate,
    update_average,
)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.8])
def test_optimal_critic_reaches_the_truth(rho: float) -> None:
    # The optimal critic is the log density ratio; for a bivariate Gaussian it is quadratic.
    rng = np.random.default_rng(0)
    x, e, z = rng.normal(size=(3, 1_000_000))
    y = rho * x + math.sqrt(1 - rho**2) * e

    def ratio(x: np.ndarray, y: np.ndarray) -> torch.Tensor:
        s = 1 - rho**2
        f = -0.5 * math.log(s) - (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * s)
        return torch.from_numpy(f)

    value = donsker_varadhan(ratio(x, y), log_mean_exp(ratio(x, z)))
    assert float(value) == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.01)


def test_a_constant_added_to_the_critic_changes_nothing() -> None:
    joint, marginal = torch.randn(2, 100, generator=torch.Generator().manual_seed(0)).double()
    value = donsker_varadhan(joint, log_mean_exp(marginal))
    moved = donsker_varadhan(joint + 7.0, log_mean_exp(marginal + 7.0))
    assert float(moved) == pytest.approx(float(value), abs=1e-12)


def test_enumerated_marginal_is_the_sum_over_all_pairs() -> None:
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    total = sum(
        float(shares[c]) * math.exp(float(scores[i, c])) / 4 for i in range(4) for c in range(3)
    )
    value = log_mean_exp_enumerated(scores[None], shares.log())
    assert float(value[0]) == pytest.approx(math.log(total), abs=1e-12)


def test_average_in_logs_is_the_average() -> None:
    average: torch.Tensor | None = None
    plain = 2.0
    for batch in (2.0, 5.0, 0.1):
        average = update_average(average, torch.tensor([batch], dtype=torch.float64).log(), 0.1)
        plain = 0.9 * plain + 0.1 * batch if batch != 2.0 else plain
    assert average is not None
    assert float(average.exp()) == pytest.approx(plain, rel=1e-12)


def test_gradient_is_the_bias_corrected_one() -> None:
    # Critic f = a x y + b x: the gradient of Belghazi et al. 2018, section 3.2, by hand.
    rng = np.random.default_rng(1)
    x, y, z = rng.normal(size=(3, 50))
    before, share = 1.7, 0.2
    theta = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)

    def f(y: np.ndarray) -> torch.Tensor:
        return theta[0] * torch.from_numpy(x * y) + theta[1] * torch.from_numpy(x)

    batch = log_mean_exp(f(z))
    average = update_average(
        torch.tensor(math.log(before), dtype=torch.float64), batch.detach(), share
    )
    (gradient,) = torch.autograd.grad(surrogate(f(y), batch, average), theta)

    weight = np.exp(0.3 * x * z - 0.2 * x)
    denominator = (1 - share) * before + share * weight.mean()
    features_joint, features_marginal = np.stack([x * y, x]), np.stack([x * z, x])
    by_hand = features_joint.mean(1) - (features_marginal * weight).mean(1) / denominator
    np.testing.assert_allclose(gradient.numpy(), by_hand, rtol=1e-10)
    # Without the correction it would be another one.
    assert not np.allclose(
        by_hand, features_joint.mean(1) - (features_marginal * weight).mean(1) / weight.mean()
    )


def test_with_the_batch_alone_it_is_the_gradient_of_the_bound() -> None:
    scores = torch.randn(2, 30, generator=torch.Generator().manual_seed(0)).double()
    scores.requires_grad_(True)
    batch = log_mean_exp(scores[1])
    (surrogate_gradient,) = torch.autograd.grad(
        surrogate(scores[0], batch, batch.detach()), scores, retain_graph=True
    )
    (bound_gradient,) = torch.autograd.grad(donsker_varadhan(scores[0], batch), scores)
    torch.testing.assert_close(surrogate_gradient, bound_gradient)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_huge_scores_do_not_overflow(size: float) -> None:
    joint = torch.tensor([size, -size])
    marginal = torch.tensor([size, -size], requires_grad=True)
    batch = log_mean_exp(marginal)
    average = update_average(torch.tensor(-size), batch.detach(), 0.01)
    value = surrogate(joint, batch, average)
    (gradient,) = torch.autograd.grad(value, marginal)
    assert math.isfinite(value.item())
    assert bool(torch.isfinite(gradient).all())
    assert math.isfinite(float(donsker_varadhan(joint, batch.detach())))
