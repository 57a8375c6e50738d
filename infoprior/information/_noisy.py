"""I(X; T + sigma Z) of a layer T that is a function of its input X."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from infoprior._arguments import is_whole
from infoprior.information._inputs import (
    InformationError,
    choose_rows,
    generator,
    positive,
)
from infoprior.information._result import Estimate

RELATIVE = 0.5
"""Standard deviation of the default noise, as a share of the units' root-mean-square one."""
DISAGREE = 0.1
"""`bounds_disagree` where upper - lower exceeds this share of the estimate, and 0.1 nat."""
SATURATED = 0.9
"""`saturated` where the lower value exceeds this share of log n."""
KEPT = 2**18
"""Numbers of a draw of noise that is kept for the next layer, at most: 2 MB."""
BLOCK = {"cpu": 400_000, "cuda": 30_000_000}
"""Distances held at once; on a CPU no more than its caches take."""
EXACT = 3e4
"""Squared length over squared noise above which float32 rounds the exponents too coarsely."""


def noisy(
    x: Sequence[Tensor],
    y: Sequence[Tensor],
    *,
    seed: int,
    sigma: float | None = None,
    relative: float = RELATIVE,
    draws: int = 1,
    bounds: str = "sample",
    queries: int | None = None,
) -> list[Estimate]:
    """I(X; T + sigma Z) with Z standard normal, for a layer T = y that is a function of X = x.

    Without noise it would be infinite or H(X), whatever the weights (Saxe et al., ICLR 2018).
    With it, T + sigma Z is a Gaussian mixture with the n observed activations as its centres.

    `bounds="sample"` is sample propagation (Goldfeld et al., "Estimating information flow in deep
    neural networks", ICML 2019, section 5): log p(t_i + sigma z_i | t_i) less the log density of
    the mixture, averaged. With a row's own centre in the mixture the value is too low in
    expectation and never above log n (`lower`); without it, it is too high by a cross-entropy
    (`upper`). To first order in 1/n the two err by the same amount, half the variance of the
    mixture's relative density, so that `nats` is their middle: on linear layers the middle errs by
    a tenth of the gap or less while that is below two nats. No layer of covariance C carries more
    than the Gaussian channel, 1/2 log |I + C / sigma^2|, which `nats` and `upper` do not exceed.

    `bounds="pairwise"` takes the bounds of Kolchinsky & Tracey, "Estimating mixture entropy with
    pairwise distances", Entropy 19, 2017, section 4: Bhattacharyya below, Kullback-Leibler above.
    They need no draw of noise, but bound the information of the n observed rows only.

    Args:
        x: unused but for its rows.
        y: K layers of shapes (n, d), float64.
        seed: draws the noise.
        sigma: standard deviation of the noise, in the units of the layers; None takes `relative`.
        relative: the same as a share of the root mean square of the units' standard deviations,
            layer by layer.
        draws: draws of noise per row, averaged.
        bounds: "sample" or "pairwise".
        queries: of "sample": rows that noise is added to, at most, drawn by the seed; all rows stay
            centres of the mixture. None: every row. 256 of 1,500 cost a third and err by half as
            much again (benchmarks/results/information/fast_recipe.md).

    Returns:
        K estimates in nats with `lower`, `upper` and `sigma`. `saturated`: `lower` is near log n,
        and more rows would raise it. `bounds_disagree`: trust neither.

    Raises:
        InformationError: sigma or relative not above 0, draws or queries below 1, unknown bounds.
    """
    _check(sigma, relative, draws, bounds, queries)
    answers: dict[int, Estimate] = {}
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for k, layer in enumerate(y):
        groups[tuple(layer.shape)].append(k)
    for (n, d), members in groups.items():
        at_once = max(1, BLOCK[y[members[0]].device.type] // (n * max(d, 256)))
        for first in range(0, len(members), at_once):
            part = members[first : first + at_once]
            t = torch.stack([y[k] for k in part])
            t = t - t.mean(dim=1, keepdim=True)
            rms = root_mean_square(t)
            scale = torch.full_like(rms, sigma) if sigma is not None else relative * rms
            t = t / scale[:, None, None]  # noise of unit variance from here on
            products = t.mT @ t if d <= n else t @ t.mT
            if bounds == "sample":
                lower, upper = sampled(t, products, seed, draws, queries)
            else:
                lower, upper = _pairwise(t)
            spectrum = torch.linalg.eigvalsh(products / (n - 1))
            values = capped(lower, upper, spectrum, n)
            for k, (value, low, high), noise in zip(
                part, values.tolist(), scale.tolist(), strict=True
            ):
                answers[k] = as_estimate(value, low, high, noise, n)
    return [answers[k] for k in range(len(y))]


def capped(lower: Tensor, upper: Tensor, spectrum: Tensor, n: int) -> Tensor:
    """Nats, lower and upper value of layers, none but `lower` above the Gaussian channel.

    Args:
        lower, upper: shape (K,).
        spectrum: eigenvalues of the layers' covariances over the noise's variance, (K, min(n, d)).
        n: rows.

    Returns:
        shape (K, 3).
    """
    channel = torch.maximum(_gaussian_channel(spectrum, n), lower)
    nats = torch.minimum((lower + upper) / 2.0, channel)
    return torch.stack([nats, lower, torch.minimum(upper, channel)], dim=1)


def _check(
    sigma: float | None, relative: float, draws: int, bounds: str, queries: int | None
) -> None:
    """Refuse options out of range."""
    for name, value in (("sigma", sigma), ("relative", relative)):
        if value is not None or name == "relative":
            positive(value, name, "a standard deviation")
    for name, number in (("draws", draws), ("queries", 1 if queries is None else queries)):
        if not is_whole(number) or number < 1:
            raise InformationError(f"{name} is {number}; give a whole number from 1 up.")
    if bounds not in ("sample", "pairwise"):
        raise InformationError(f"bounds is {bounds!r}; give 'sample' or 'pairwise'.")


def root_mean_square(centred: Tensor) -> Tensor:
    """Of the units' standard deviations, layer by layer: (K, n, d) -> (K,)."""
    largest = centred.abs().amax(dim=(1, 2))  # so that squares of huge values stay finite
    return largest * (centred / largest[:, None, None]).square().mean(dim=(1, 2)).sqrt()


def sampled(
    t: Tensor, products: Tensor, seed: int, draws: int, queries: int | None
) -> tuple[Tensor, Tensor]:
    """Values with and without a row's own centre, (K,) each, float64.

    Args:
        t: centred, shape (K, n, d), noise of variance 1.
        products: t' t, or t t' where d > n, float64.
        seed, draws, queries: as of `noisy`.
    """
    k, n, d = t.shape
    lower, upper = torch.zeros(2, k, dtype=torch.float64, device=t.device)
    whitening = _whitening(products / n) if d < n else None
    rows = None
    if queries is not None and queries < n:
        rows = torch.from_numpy(choose_rows(n, queries, seed)).to(t.device)
    asked = (t if rows is None else t[:, rows]).double()
    for drawn in _noise(asked.shape[1], asked.shape[2], draws, seed):
        # The same noise for every layer of a shape: differences between layers are less noisy.
        z = drawn.to(asked)
        own = -0.5 * z.square().sum(-1)
        others = _log_sum_of_others(asked + z, t, 0.5, rows)
        values = own - torch.logaddexp(others, own) + math.log(n), own - others + math.log(n - 1)
        if whitening is not None and rows is not None:
            means = _mean_of_some(values, asked, z, own, whitening)
        else:
            control = None if whitening is None else _control(asked, z, own, whitening)
            means = _mean(values[0], control), _mean(values[1], control)
        lower += means[0] / draws
        upper += means[1] / draws
    return lower, upper


def _noise(rows: int, d: int, draws: int, seed: int) -> Iterable[Tensor]:
    """Standard normal numbers, `draws` times (rows, d), float64; not to be written to."""
    if draws == 1 and rows * d <= KEPT:
        return (_one_noise(rows, d, seed),)
    draw = generator(seed, "noise")
    return (torch.from_numpy(draw.normal(size=(rows, d))) for _ in range(draws))


@lru_cache(maxsize=8)
def _one_noise(rows: int, d: int, seed: int) -> Tensor:
    """The first draw, which layers of a width have in common."""
    return torch.from_numpy(generator(seed, "noise").normal(size=(rows, d)))


def _whitening(covariance: Tensor) -> Tensor:
    """L^-T with L L' = I + C: what whitens t plus noise; (K, d, d)."""
    identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    factor = torch.linalg.cholesky(covariance + identity)
    return torch.linalg.solve_triangular(factor, identity, upper=False).mT


def _control(t: Tensor, z: Tensor, own: Tensor, whitening: Tensor) -> Tensor:
    """The Gaussian layer's log-ratio less its mean over the noise, (K, n): mean 0, by algebra.

    It follows the luck of the draw as the mixture's ratio does, at the cost of n d^2.
    """
    d = t.shape[-1]
    past = ((t + z) @ whitening).square().sum(-1) - (t @ whitening).square().sum(-1)
    return own + d / 2.0 + (past - whitening.square().sum((-2, -1))[:, None]) / 2.0


def _mean(values: Tensor, control: Tensor | None) -> Tensor:
    """The mean over rows, less what a regression on the control variate explains of it."""
    if control is None:
        return values.mean(-1)
    centred = control - control.mean(-1, keepdim=True)
    slope = (values * centred).sum(-1) / centred.square().sum(-1)
    return values.mean(-1) - slope * control.mean(-1)


def _mean_of_some(
    values: tuple[Tensor, Tensor], t: Tensor, z: Tensor, own: Tensor, whitening: Tensor
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`_mean` of the values of some rows t, (K, m, d), with a second control variate: the squared
    length of whitened rows less its mean over all rows. It follows which rows were drawn, as the
    mixture's log-density does.
    """
    d, size = t.shape[-1], whitening.square().sum((-2, -1))[:, None]
    w = whitening.float()  # rounding of a control variate changes its use, not the mean
    length = (t.float() @ w).double().square().sum(-1)
    past = ((t + z).float() @ w).double().square().sum(-1) - length
    noise = own + d / 2.0 + (past - size) / 2.0  # as `_control`
    place = length - (d - size)  # W' C W = I - W' W, since W whitens I + C
    controls = torch.stack([noise, place], dim=1)  # (K, 2, m)
    means = controls.mean(dim=-1)
    centred = controls - means[..., None]
    # The regression on two variates, one after the other (Gram-Schmidt).
    first, second = centred.unbind(dim=1)
    slope = _ratio((first * second).sum(-1), first.square().sum(-1))
    second = second - slope[:, None] * first
    mean_second = means[:, 1] - slope * means[:, 0]
    lower, upper = (
        value.mean(-1)
        - _ratio((value * first).sum(-1), first.square().sum(-1)) * means[:, 0]
        - _ratio((value * second).sum(-1), second.square().sum(-1)) * mean_second
        for value in values
    )
    return lower, upper


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 of a variate that does not vary."""
    return torch.where(whole > 0.0, part / whole.clamp(min=1e-300), 0.0)


def _pairwise(t: Tensor) -> tuple[Tensor, Tensor]:
    """The bounds of Kolchinsky & Tracey, (K,) each; t: (K, n, d), noise of variance 1."""
    n = t.shape[1]
    values = []
    for factor in (0.125, 0.5):  # Bhattacharyya and Kullback-Leibler of two unit Gaussians
        others = _log_sum_of_others(t, t, factor)
        values.append(math.log(n) - torch.logaddexp(others, torch.zeros_like(others)).mean(-1))
    return values[0], values[1]


def _log_sum_of_others(
    points: Tensor, centres: Tensor, factor: float, own: Tensor | None = None
) -> Tensor:
    """log sum over j != own_i of exp(-factor |p_i - c_j|^2), shape (K, m), float64.

    Args:
        points: shape (K, m, d).
        centres: shape (K, n, d).
        factor: above 0.
        own: row number of each point's own centre, shape (m,); None: the point's number.
    """
    k, n, _ = centres.shape
    factor = factor / math.log(2.0)  # powers of two, the cheaper exponentials
    squares = factor * centres.square().sum(-1)
    dtype = torch.float64 if bool(squares.max() > EXACT) else torch.float32
    right = centres.mT.to(dtype)
    offset = -squares[:, None, :].to(dtype)
    left_squares = factor * points.square().sum(-1, keepdim=True)
    sums = []
    numbers = torch.arange(points.shape[1], device=points.device)
    for rows in numbers.split(max(1, BLOCK[points.device.type] // (k * n))):
        left = points[:, rows].to(dtype)
        scores = torch.baddbmm(offset, left, right, alpha=2.0 * factor)
        scores[:, numbers[: len(rows)], rows if own is None else own[rows]] = -torch.inf
        top = scores.amax(-1, keepdim=True)
        # Denormal powers would cost many times the others and add nothing.
        powers = scores.sub_(top).clamp_(min=-100.0).exp2_()
        total = powers.sum(-1, keepdim=True).log2_().add_(top)
        sums.append(total.double() - left_squares[:, rows])
    return torch.cat(sums, dim=1)[..., 0] * math.log(2.0)


def _gaussian_channel(spectrum: Tensor, n: int) -> Tensor:
    """1/2 log |I + C|, (K,): the most that a layer of covariance C can carry past unit noise.

    The log-determinant is concave, so that of a sample's covariance is too low: to first order by
    ((sum w)^2 + sum w^2) / 2n, with w = c / (1 + c) over the eigenvalues c. That is added.
    """
    c = spectrum.clamp(min=0.0)
    w = c / (1.0 + c)
    bias = (w.sum(-1).square() + w.square().sum(-1)) / (2.0 * n)
    return 0.5 * (torch.log1p(c).sum(-1) + bias)


def as_estimate(nats: float, lower: float, upper: float, sigma: float, n: int) -> Estimate:
    """An estimate with its flags."""
    raised = {
        "saturated": lower > SATURATED * math.log(n),
        "below_zero": nats < 0.0,
        "bounds_disagree": upper - lower > max(0.1, DISAGREE * abs(nats)),
    }
    flags = tuple(flag for flag, up in raised.items() if up)
    return Estimate(nats, "noisy", n, lower=lower, upper=upper, sigma=sigma, flags=flags)
