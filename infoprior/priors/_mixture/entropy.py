"""How much a prior says: its entropy, and its divergence from the uniform prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .._errors import PriorError
from .._values import Array, generator, listed, short, whole
from .axes import Axis, ContinuousAxis, all_positions
from .locate import Located, locate_points
from .mixture import Mixture
from .sampling import sample

_MOST = 10**9  # samples of an estimate
_MAX_POINTS = 100_000  # the most points of a discrete space that are summed over
# A continuous parameter's integral: panels as wide as the narrowest kernel, four nodes in each.
_PANELS, _NODES = 1000, 4
_CHUNK = 2_000_000  # terms of the mixture held at once


@dataclass(frozen=True)
class Entropy:
    """Entropy and divergence of a prior p, in nats.

    Attributes:
        entropy: E[−log p(x)]; differential in the floats, so it depends on their units and may be
            negative.
        divergence: KL(p ‖ u) = E[log p(x) − log u(x)] from the uniform prior u; at least 0, and
            independent of units.
        entropy_error: the standard error of the estimate; 0 where the value is exact.
        divergence_error: the same of the divergence.
        n: how many samples the estimate is from; 0 where the values are exact.
    """

    entropy: float
    divergence: float
    entropy_error: float = 0.0
    divergence_error: float = 0.0
    n: int = 0


def entropy(
    mixture: Mixture, name: str | None, n: int, rng: np.random.Generator | int | None
) -> Entropy:
    """How much a mixture says of one parameter, or of all; see `Prior.entropy`."""
    if name is not None and not (isinstance(name, str) and name in mixture.axes):
        raise PriorError(
            f"entropy: parameter {short(name)} is unknown; there are {listed(mixture.axes)}."
        )
    n = whole("entropy: n", n, 2, _MOST)
    rng = None if rng is None else generator("entropy: rng", rng)
    axes = mixture.axes if name is None else {name: mixture.axes[name]}
    if len(axes) > 1 and not mixture.kernels:  # a product: its parameters' entropies add up
        single = [entropy(mixture, each, n, rng) for each in axes]
        error = math.sqrt(sum(e.entropy_error**2 for e in single))
        return Entropy(sum(e.entropy for e in single), 0.0, error, 0.0, max(e.n for e in single))
    (axis, *others) = axes.values()
    if isinstance(axis, ContinuousAxis) and not others:
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        positions = ((np.arange(_PANELS)[:, None] + 0.5 * (nodes + 1.0)) / _PANELS).ravel()
        log_uniform_mass = np.log(np.tile(weights / (2.0 * _PANELS), _PANELS))
        return _exact(mixture, {axis.name: (axis, positions)}, log_uniform_mass)
    discrete = [a for a in axes.values() if not isinstance(a, ContinuousAxis)]
    if len(discrete) == len(axes) and math.prod(a.n_values for a in discrete) <= _MAX_POINTS:
        grids = np.meshgrid(*(all_positions(a) for a in discrete))
        located: Located = {
            a.name: (a, grid.ravel()) for a, grid in zip(discrete, grids, strict=True)
        }
        return _exact(mixture, located, _log_uniform(located))
    return _estimate(mixture, axes, n, np.random.default_rng(0) if rng is None else rng)


def _estimate(
    mixture: Mixture, axes: Mapping[str, Axis], n: int, rng: np.random.Generator
) -> Entropy:
    points = sample(mixture, n, rng)
    located, _ = locate_points(axes, [{name: point[name] for name in axes} for point in points])
    log_ratio = mixture.log_ratio(located, n)
    log_prob = log_ratio + _log_uniform(located)
    return Entropy(
        entropy=float(-log_prob.mean()),
        divergence=float(log_ratio.mean()),
        entropy_error=float(np.std(log_prob, ddof=1) / math.sqrt(n)),
        divergence_error=float(np.std(log_ratio, ddof=1) / math.sqrt(n)),
        n=int(n),
    )


def _log_uniform(located: Located) -> Array:
    logs = [axis.log_uniform(positions) for axis, positions in located.values()]
    return np.sum(logs, axis=0)


def _exact(mixture: Mixture, located: Located, log_uniform_mass: Array) -> Entropy:
    """The sum over n positions.

    Args:
        mixture: of which the entropy is taken.
        located: name -> (axis, positions of shape (n,)).
        log_uniform_mass: of each position in the uniform distribution, in nats, shape (n,).
    """
    n = len(log_uniform_mass)
    step = max(_CHUNK // max(mixture.n_components, 1), 1)
    chunks = [
        {name: (a, p[i : i + step]) for name, (a, p) in located.items()} for i in range(0, n, step)
    ]
    log_ratio = np.concatenate(
        [mixture.log_ratio(chunk, len(next(iter(chunk.values()))[1])) for chunk in chunks]
    )
    p = np.exp(log_ratio + log_uniform_mass)
    p /= p.sum()
    divergence = float(np.dot(p, log_ratio))
    log_uniform = float(np.dot(p, _log_uniform(located)))
    return Entropy(-divergence - log_uniform, max(divergence, 0.0))
