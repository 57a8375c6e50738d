"""The Donsker-Varadhan bound and the gradient that MINE follows."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def donsker_varadhan(joint: Tensor, log_mean_exp: Tensor) -> Tensor:
    """E_joint[f] - log E_marginals[exp f], a lower bound on I in nats for every critic f.

    Belghazi et al., "Mutual Information Neural Estimation", ICML 2018, equations 3 and 10.

    Args:
        joint: scores f of samples of the joint, shape (..., n).
        log_mean_exp: log of the mean of exp f under the product of the marginals, shape (...).

    Returns:
        shape (...), same dtype.
    """
    return joint.mean(dim=-1) - log_mean_exp


def log_mean_exp(scores: Tensor) -> Tensor:
    """log of the mean of exp over the last dimension; in log space, since scores may be huge."""
    return torch.logsumexp(scores, dim=-1) - math.log(scores.shape[-1])


def log_mean_exp_enumerated(scores: Tensor, log_shares: Tensor) -> Tensor:
    """log of E_x sum_c p(c) exp f(x, c): the marginal of Y taken exactly.

    Args:
        scores: one score per class, shape (..., n, C).
        log_shares: log p(c), shape (C,).

    Returns:
        shape (...).
    """
    weighted = scores + log_shares
    return torch.logsumexp(weighted.flatten(-2), dim=-1) - math.log(scores.shape[-2])


def update_average(log_average: Tensor | None, batch: Tensor, share: float) -> Tensor:
    """log of the moving average (1 - share) * average + share * batch, all arguments in logs.

    In log space, since the mean exponential itself overflows for scores above 88 in float32.
    """
    if log_average is None or share == 1.0:
        return batch
    return torch.logaddexp(log_average + math.log1p(-share), batch + math.log(share))


def surrogate(joint: Tensor, batch_log_mean_exp: Tensor, log_average: Tensor) -> Tensor:
    """What to maximise so that its gradient is MINE's bias-corrected one.

    The gradient of log E[exp f] is E[grad f exp f] / E[exp f]; with both expectations from one
    small batch it is biased. Belghazi et al. 2018, equation 12 and section 3.2, divide by a moving
    average over batches instead. The gradient of

        mean_joint f - exp(log mean_batch exp f - log average)

    is exactly that, and the exponent is at most -log(share): it cannot overflow. Its *value* is
    not the bound.

    Args:
        joint: shape (..., b); batch_log_mean_exp: shape (...), with gradient;
        log_average: shape (...), without gradient, already updated with this batch.

    Returns:
        shape (...).
    """
    return joint.mean(dim=-1) - torch.exp(batch_log_mean_exp - log_average)
