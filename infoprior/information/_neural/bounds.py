"""Variational bounds on mutual information: their values, and what is maximised to train them.

Scores of the joint, f(x_i, y_i), have shape (B, n); those of S pairings that break the dependence,
f(x_i, y_{i+s}), have shape (B, S, n). Values have shape (B,), in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def log_mean_exp(scores: Tensor) -> Tensor:
    """log of the mean of exp over the last two dimensions; in log space, scores may be huge."""
    flat = scores.flatten(-2)
    return torch.logsumexp(flat, dim=-1) - math.log(flat.shape[-1])


def donsker_varadhan(joint: Tensor, marginal: Tensor) -> Tensor:
    """E_joint[f] - log E_marginals[exp f], a lower bound on I for every critic f.

    Belghazi et al., "Mutual Information Neural Estimation", ICML 2018, equations 3 and 10.
    """
    return joint.mean(dim=-1) - log_mean_exp(marginal)


def nwj(joint: Tensor, marginal: Tensor) -> Tensor:
    """1 + E_joint[f] - E_marginals[exp f], largest where f is the log-ratio.

    Nguyen, Wainwright & Jordan, IEEE Transactions on Information Theory 56, 2010; equation 8 of
    Poole et al., "On Variational Bounds of Mutual Information", ICML 2019, with the critic 1 + f:
    so that f = 0 is worth nothing, and the best f is that of the other bounds.
    """
    return 1.0 + joint.mean(dim=-1) - torch.exp(log_mean_exp(marginal))


def infonce(joint: Tensor, marginal: Tensor) -> Tensor:
    """E[f(x_i, y_i) - log of the mean exp f over y_i and S other y], at most log(S + 1).

    van den Oord et al., arXiv:1807.03748, 2018; Poole et al. 2019, equation 12.
    """
    every = torch.cat([joint[:, None], marginal], dim=1)
    rows = torch.logsumexp(every, dim=1) - math.log(every.shape[1])
    return (joint - rows).mean(dim=-1)


def smile(joint: Tensor, marginal: Tensor, clip: float = 5.0) -> Tensor:
    """Donsker-Varadhan with the marginals' scores clipped to +-clip: less variance, some bias.

    Song & Ermon, "Understanding the Limitations of Variational Mutual Information Estimators",
    ICLR 2020, equation 10. The clipped value is no bound: it can exceed I.
    """
    return joint.mean(dim=-1) - log_mean_exp(marginal.clamp(-clip, clip))


def jensen_shannon(joint: Tensor, marginal: Tensor) -> Tensor:
    """-E_joint[softplus(-f)] - E_marginals[softplus(f)], largest where f is the log-ratio.

    What SMILE's critics are trained on (Song & Ermon 2020, section 4.1; Nowozin et al., "f-GAN",
    NeurIPS 2016). Its value is no information.
    """
    return -functional.softplus(-joint).mean(dim=-1) - functional.softplus(marginal).mean((-2, -1))


def update_average(log_average: Tensor | None, batch: Tensor, share: float) -> Tensor:
    """log of the moving average (1 - share) * average + share * batch, all arguments in logs.

    In log space, since the mean exponential itself overflows for scores above 88 in float32.
    """
    if log_average is None or share == 1.0:
        return batch
    return torch.logaddexp(log_average + math.log1p(-share), batch + math.log(share))


def mine_surrogate(joint: Tensor, batch_log_mean_exp: Tensor, log_average: Tensor) -> Tensor:
    """What to maximise so that its gradient is MINE's bias-corrected one.

    The gradient of log E[exp f] is E[grad f exp f] / E[exp f]; with both expectations from one
    small batch it is biased. Belghazi et al. 2018, equation 12 and section 3.2, divide by a moving
    average over batches instead. The gradient of

        mean_joint f - exp(log mean_batch exp f - log average)

    is exactly that, and the exponent is at most -log(share): it cannot overflow. Its *value* is
    not the bound.

    Args:
        joint: shape (B, b); batch_log_mean_exp: shape (B,), with gradient; log_average: shape (B,),
            without gradient, already updated with this batch.

    Returns:
        shape (B,).
    """
    return joint.mean(dim=-1) - torch.exp(batch_log_mean_exp - log_average)


def label_information(log_ratios: Tensor, classes: Tensor, smoothing: float = 0.0) -> Tensor:
    """E log q(y | t) / p(y): H(Y) less the cross-entropy, a lower bound on I(T; Y) for every q.

    Barber & Agakov, "The IM Algorithm", NeurIPS 2003, equation 3; for q in a family this is its
    V-information (Xu et al., ICLR 2020). It is the Donsker-Varadhan bound of the critic
    log q(y | t) / p(y), normalised row by row instead of on average, which by Jensen's inequality
    only raises it, with the expectation over Y taken exactly: no negative samples.

    Args:
        log_ratios: log q(c | t) / p(c) of every class, shape (B, n, C).
        classes: int64, shape (B, n).
        smoothing: share of p(y) that is mixed into q, in [0, 1). A fit to m rows cannot know that
            something happens less often than once in m: with a smoothing of 1 / m no row costs more
            than log m, however sure the fit is of another class, and no value falls by more
            than 1 / m.
    """
    own = log_ratios.gather(2, classes[..., None])[..., 0]
    return smoothed(own, smoothing).mean(dim=-1)


def smoothed(log_ratios: Tensor, smoothing: float | Tensor) -> Tensor:
    """The log-ratio of a smoothed posterior: log((1 - smoothing) q / p + smoothing).

    Args:
        log_ratios: log q / p, of any shape.
        smoothing: share of p that is mixed into q, in [0, 1).

    Returns:
        the same shape; exactly 0 where `log_ratios` is.
    """
    if isinstance(smoothing, float) and smoothing == 0.0:
        return log_ratios
    return torch.log1p((1.0 - smoothing) * torch.expm1(log_ratios))
