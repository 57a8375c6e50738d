"""The bounds, the log-space average and the bias-corrected gradient, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from infoprior.information._neural.bounds import (
    donsker_varadhan,
    infonce,
    jensen_shannon,
    label_information,
    log_mean_exp,
    mine_surrogate,
    nwj,
    smile,
    update_average,
)

BOUNDS = [donsker_varadhan, nwj, smile, infonce]
Bound = Callable[[Tensor, Tensor], Tensor]


def at_the_log_ratio(rho: float, n: int, shifts: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """`scale` times the log density ratio of a Gaussian pair: joint (1, n), others (1, S, n)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
    others = rng.normal(size=(shifts, n))
    s = 1 - rho**2

    def ratio(y: np.ndarray) -> Tensor:
        f = -0.5 * math.log(s) - (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * s)
        return torch.from_numpy(scale * f)[None]

    return ratio(y), ratio(others)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
def test_the_true_log_ratio_reaches_the_truth(bound: Bound, rho: float) -> None:
    # InfoNCE needs many others to come near; log 128 is far above these values.
    n, shifts = (20_000, 127) if bound is infonce else (500_000, 2)
    value = float(bound(*at_the_log_ratio(rho, n, shifts))[0])
    assert value == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.015)


@pytest.mark.parametrize("bound", [*BOUNDS, jensen_shannon])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_no_other_critic_is_worth_more(bound: Bound, scale: float) -> None:
    n, shifts = 50_000, 15
    best = float(bound(*at_the_log_ratio(0.7, n, shifts))[0])
    assert float(bound(*at_the_log_ratio(0.7, n, shifts, scale))[0]) < best - 1e-3


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_critic_of_zeros_is_worth_nothing(bound: Bound) -> None:
    assert float(bound(torch.zeros(1, 10), torch.zeros(1, 3, 10))[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("bound", [donsker_varadhan, infonce])
def test_a_constant_added_to_the_critic_changes_nothing(bound: Bound) -> None:
    joint, marginal = at_the_log_ratio(0.5, 100, 3)
    torch.testing.assert_close(bound(joint + 7.0, marginal + 7.0), bound(joint, marginal))


def test_infonce_cannot_exceed_the_log_of_its_candidates() -> None:
    assert float(infonce(torch.full((1, 9), 1e2), torch.zeros(1, 15, 9))[0]) == pytest.approx(
        math.log(16)
    )


def test_smile_is_donsker_varadhan_within_its_clip() -> None:
    joint, marginal = at_the_log_ratio(0.5, 100, 3)
    torch.testing.assert_close(smile(joint, marginal, 1e9), donsker_varadhan(joint, marginal))
    far = torch.full((1, 3, 100), 50.0)
    assert float(smile(joint, far)[0]) == pytest.approx(float(joint.mean()) - 5.0)


def test_average_in_logs_is_the_average() -> None:
    average: Tensor | None = None
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

    def f(y: np.ndarray) -> Tensor:
        return (theta[0] * torch.from_numpy(x * y) + theta[1] * torch.from_numpy(x))[None]

    batch = log_mean_exp(f(z)[:, None])
    average = update_average(
        torch.tensor([math.log(before)], dtype=torch.float64), batch.detach(), share
    )
    (gradient,) = torch.autograd.grad(mine_surrogate(f(y), batch, average).sum(), theta)

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
    joint, marginal = (side.requires_grad_(True) for side in at_the_log_ratio(0.6, 30, 2))
    batch = log_mean_exp(marginal)
    surrogate = torch.autograd.grad(
        mine_surrogate(joint, batch, batch.detach()).sum(), (joint, marginal)
    )
    bound = torch.autograd.grad(donsker_varadhan(joint, marginal).sum(), (joint, marginal))
    torch.testing.assert_close(surrogate, bound)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_huge_scores_do_not_overflow(size: float) -> None:
    joint = torch.tensor([[size, -size]])
    marginal = torch.tensor([[[size, -size]]], requires_grad=True)
    batch = log_mean_exp(marginal)
    average = update_average(torch.tensor([-size]), batch.detach(), 0.01)
    value = mine_surrogate(joint, batch, average)
    (gradient,) = torch.autograd.grad(value.sum(), marginal)
    assert math.isfinite(value.item())
    assert bool(torch.isfinite(gradient).all())
    for bound in (donsker_varadhan, smile, infonce, jensen_shannon):
        assert math.isfinite(float(bound(joint, marginal.detach())[0]))


def test_label_information_is_entropy_less_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 40, 3, generator=generator).double()
    classes = torch.randint(0, 3, (2, 40), generator=generator)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    cross = torch.stack([
        torch.nn.functional.cross_entropy(s, c) for s, c in zip(scores, classes, strict=True)
    ])  # fmt: skip
    baseline = -shares.log()[classes].mean(dim=1)  # cross-entropy of the shares alone
    value = label_information(scores.log_softmax(dim=-1) - shares.log(), classes)
    torch.testing.assert_close(value, baseline - cross)


def test_smoothing_bounds_what_one_row_costs() -> None:
    ratios = torch.tensor([[[-1e6, 0.5], [0.3, -0.2]]])
    classes = torch.tensor([[0, 0]])
    assert float(label_information(ratios, classes)) < -1e5
    value = float(label_information(ratios, classes, 0.01))
    assert value == pytest.approx((math.log(0.01) + math.log(0.99 * math.exp(0.3) + 0.01)) / 2)
    sure = torch.full((1, 5, 2), 3.0)
    assert float(label_information(sure, torch.zeros(1, 5, dtype=torch.int64), 0.01)) > 3.0 - 0.01
