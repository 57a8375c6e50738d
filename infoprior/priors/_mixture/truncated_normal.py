"""The normal distribution, vectorised in numpy, accurate far into its tails.

Everything is in log space: a kernel far from a point has a probability that underflows as a plain
number, while its logarithm is still an ordinary one.

Sources: W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23
(1969) 631–637; M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988) 477–484.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from .._values import Array

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_2 = math.sqrt(2.0)
_STANDARD = NormalDist()

# Below this width (in standard deviations) an interval's mass is its mid-point density times its
# width, since the difference of two nearly equal probabilities would lose its digits.
_NARROW = 1e-4
_FAR = 30.0  # standard deviations beyond which Φ as a plain number is near its underflow

# Cody's coefficients, highest power first.
_ERF_P = (
    1.85777706184603153e-1,
    3.16112374387056560e00,
    1.13864154151050156e02,
    3.77485237685302021e02,
    3.20937758913846947e03,
)
_ERF_Q = (
    1.0,
    2.36012909523441209e01,
    2.44024637934444173e02,
    1.28261652607737228e03,
    2.84423683343917062e03,
)
_MID_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e00,
    6.61191906371416295e01,
    2.98635138197400131e02,
    8.81952221241769090e02,
    1.71204761263407058e03,
    2.05107837782607147e03,
    1.23033935479799725e03,
)
_MID_Q = (
    1.0,
    1.57449261107098347e01,
    1.17693950891312499e02,
    5.37181101862009858e02,
    1.62138957456669019e03,
    3.29079923573345963e03,
    4.36261909014324716e03,
    3.43936767414372164e03,
    1.23033935480374942e03,
)
_FAR_P = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_FAR_Q = (
    1.0,
    2.56852019228982242e00,
    1.87295284992346047e00,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)

# Wichura's coefficients, highest power first.
_PPF_CENTRAL = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_PPF_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_PPF_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def _ratio(p: tuple[float, ...], q: tuple[float, ...], x: Array) -> Array:
    return np.polyval(p, x) / np.polyval(q, x)


def _erfcx(y: Array) -> Array:
    """exp(y²)·erfc(y) for y >= 0."""
    near = np.minimum(y, 0.46875)
    mid = np.clip(y, 0.46875, 4.0)
    far = 1.0 / np.square(np.maximum(y, 4.0))
    small = np.exp(near**2) * (1.0 - near * _ratio(_ERF_P, _ERF_Q, near**2))
    large = (1.0 / math.sqrt(math.pi) - far * _ratio(_FAR_P, _FAR_Q, far)) / np.maximum(y, 4.0)
    return np.where(y < 0.46875, small, np.where(y <= 4.0, _ratio(_MID_P, _MID_Q, mid), large))


def log_ndtr(x: ArrayLike) -> Array:
    """log Φ(x), elementwise, to about 14 digits from -1e6 up."""
    x = np.asarray(x, dtype=np.float64)
    y = np.abs(x) / _SQRT_2
    log_tail = np.log(0.5 * _erfcx(y)) - y**2
    # On the right Φ is nearly one: log1p of the small other tail keeps the digits.
    return np.where(x <= 0.0, log_tail, np.log1p(-np.exp(log_tail)))


def log_interval(a: ArrayLike, b: ArrayLike, width: ArrayLike | None = None) -> Array:
    """log(Φ(b) − Φ(a)) elementwise for a <= b; -inf where a == b.

    `width` is b − a where the caller knows it to more digits than the difference has.
    """
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    flip = a > 0.0  # by symmetry work in the left tail, where log Φ has all its digits
    left, right = np.where(flip, -b, a), np.where(flip, -a, b)
    low, high = log_ndtr(left), log_ndtr(right)
    width = b - a if width is None else np.asarray(width, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = high + np.log(-np.expm1(np.minimum(low - high, 0.0)))
        middle = 0.5 * (a + b)
        narrow = -0.5 * middle**2 - LOG_SQRT_2PI + np.log(width)
    # The mid-point rule's relative error is width²·(middle² − 1)/24.
    return np.where(width * (1.0 + np.abs(middle)) < _NARROW, narrow, apart)


def ppf(p: ArrayLike) -> Array:
    """Φ⁻¹(p) elementwise for 0 < p < 1 (AS 241, about 16 digits)."""
    p = np.clip(np.asarray(p, dtype=np.float64), 1e-300, 1.0 - 2.0**-53)
    q = p - 0.5
    central = np.clip(0.180625 - q * q, 0.0, None)
    r = np.sqrt(-np.log(np.minimum(p, 1.0 - p)))
    tail = np.where(
        r <= 5.0,
        _ratio(*_PPF_MIDDLE, np.minimum(r, 5.0) - 1.6),
        _ratio(*_PPF_TAIL, np.maximum(r, 5.0) - 5.0),
    )
    return np.where(np.abs(q) <= 0.425, q * _ratio(*_PPF_CENTRAL, central), np.copysign(tail, q))


def truncated_ppf(q: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Quantile q of the standard normal truncated to [a, b], elementwise; inside [a, b] always."""
    q, a, b = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (q, a, b)))
    flip = a > 0.0
    left, right = np.where(flip, -b, a), np.where(flip, -a, b)
    share = np.where(flip, 1.0 - q, q)
    low, high = np.exp(log_ndtr(left)), np.exp(log_ndtr(right))
    x = ppf(low + share * (high - low))
    x = np.where(flip, -x, x)
    hard = (b - a < _NARROW) | (a > _FAR) | (b < -_FAR)
    if hard.any():
        x[hard] = _hard_ppf(q[hard], a[hard], b[hard])
    return np.clip(x, a, b)


def _hard_ppf(q: Array, a: Array, b: Array) -> Array:
    """`truncated_ppf` where Φ(b) − Φ(a) has lost its digits: narrow intervals, and far tails."""
    flip = a + b < 0.0  # by symmetry the interval lies in the right tail
    a, b, q = np.where(flip, -b, a), np.where(flip, -a, b), np.where(flip, 1.0 - q, q)
    width = b - a
    # Narrow: the density is exp(-slope·t) up to a relative width²/8.
    slope = 0.5 * (a + b)
    near = np.where(
        slope * width > 1e-12,
        -np.log1p(q * np.expm1(-slope * width)) / np.maximum(slope, 1e-300),
        q * width,
    )
    # Far: solve log S(x) = log S(a) + log(share left), S(x) = Φ(-x), by Newton's method from
    # the root of exp(-a·t - t²/2) = share.
    far = np.maximum(a, 1.0)
    start, end = log_ndtr(-far), log_ndtr(-np.maximum(b, far))
    log_left = np.log1p(q * np.expm1(end - start))
    x = far - 2.0 * log_left / (far + np.sqrt(far * far - 2.0 * log_left))
    for _ in range(4):
        tail = log_ndtr(-x)
        x = x + (tail - start - log_left) * np.exp(tail + 0.5 * x * x + LOG_SQRT_2PI)
    x = np.where(width < _NARROW, a + near, x)
    return np.where(flip, -x, x)


def truncated_quantile(q: float, a: float, b: float) -> float:
    """`truncated_ppf` of single numbers, some fifty times quicker for one."""
    if b - a < _NARROW or a > _FAR or b < -_FAR:
        return float(truncated_ppf(q, a, b))
    flip = a > 0.0
    left, right, share = (-b, -a, 1.0 - q) if flip else (a, b, q)
    low, high = 0.5 * math.erfc(-left / _SQRT_2), 0.5 * math.erfc(-right / _SQRT_2)
    p = min(max(low + share * (high - low), 1e-300), 1.0 - 2.0**-53)
    x = _STANDARD.inv_cdf(p)
    return min(max(-x if flip else x, a), b)


def logsumexp(x: Array) -> Array:
    """log Σ exp over the last axis; -inf where every term is."""
    peak = np.max(x, axis=-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - peak), axis=-1)) + peak[..., 0]
