"""The thesis's network, many of them at once: 96-128-128-64-92, mean squared error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

HIDDEN = (128, 128, 64)
BATCH, RATE = 32, 1e-3
"""Of Adam; the thesis's own are not known."""
MOST = 3.0
"""Standard deviations that an input may be off: shares of a small entropy can be large."""


@dataclass(frozen=True)
class Fit:
    """One network to be fitted.

    Attributes:
        variant: which of the variants of inputs it reads.
        batches: groups of examples, as numbers; a step draws equally from each group.
        new: numbers of the examples that it answers for.
        seed: of its weights and batches.
    """

    variant: int
    batches: Sequence[np.ndarray]
    new: np.ndarray
    seed: int


def fit_predict(
    x: np.ndarray, scaled: int, y: np.ndarray, fits: Sequence[Fit], steps: int
) -> list[np.ndarray]:
    """Fit one network each and predict.

    Args:
        x: inputs, (variants, examples, d); NaN counts as the mean. The last `scaled` columns are
            standardised by the examples of a fit.
        scaled: how many.
        y: targets, (examples, o).
        fits: what is fitted on what.
        steps: of Adam.

    Returns:
        of each fit the predictions for all its examples, first the training ones group by group,
        then the new ones, (n, o).
    """
    inputs = [standardised_inputs(x[f.variant], scaled, np.concatenate(f.batches)) for f in fits]
    sizes = (x.shape[2], *HIDDEN, y.shape[1])
    weights, biases = first_weights(sizes, [f.seed for f in fits])
    optimiser = torch.optim.Adam([*weights, *biases], lr=RATE)
    rngs = [np.random.default_rng([f.seed, 3]) for f in fits]
    for _ in range(steps):
        drawn = [_batch(f, rng) for f, rng in zip(fits, rngs, strict=True)]
        batch = torch.stack([i[torch.from_numpy(d)] for i, d in zip(inputs, drawn, strict=True)])
        wanted = torch.from_numpy(np.stack([y[d] for d in drawn])).float()
        loss = (forward(batch, weights, biases) - wanted).square().mean(dim=(1, 2)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        results = []
        for k, (fit, values) in enumerate(zip(fits, inputs, strict=True)):
            rows = torch.from_numpy(np.concatenate([*fit.batches, fit.new]))
            answers = forward(
                values[rows][None], [w[k : k + 1] for w in weights], [b[k : k + 1] for b in biases]
            )
            results.append(answers[0].double().numpy())
    return results


def standardised_inputs(x: np.ndarray, scaled: int, train: np.ndarray) -> torch.Tensor:
    """Inputs whose last `scaled` columns have mean 0 and variance 1 over the rows `train`."""
    values = x.astype(np.float64).copy()
    part = values[:, values.shape[1] - scaled :]
    mean, std = np.nanmean(part[train], axis=0), np.nanstd(part[train], axis=0)
    part[:] = np.clip(np.nan_to_num((part - mean) / np.maximum(std, 1e-6)), -MOST, MOST)
    return torch.from_numpy(values).float()


def first_weights(sizes: Sequence[int], seeds: Sequence[int]) -> tuple[list, list]:
    """He's uniform weights, (B, in, out), half as large in the last layer, and biases of 0."""
    weights, biases = [], []
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for k, (a, b) in enumerate(pairwise(sizes)):
        scale = (6.0 / a) ** 0.5 * (0.5 if k == len(sizes) - 2 else 1.0)
        drawn = torch.stack([torch.rand(a, b, generator=g) * 2.0 - 1.0 for g in generators])
        weights.append((scale * drawn).requires_grad_())
        biases.append(torch.zeros(len(seeds), 1, b, requires_grad=True))
    return weights, biases


def _batch(fit: Fit, rng: np.random.Generator) -> np.ndarray:
    share = BATCH // len(fit.batches)
    return np.concatenate([group[rng.integers(len(group), size=share)] for group in fit.batches])


def forward(x: torch.Tensor, weights: Sequence, biases: Sequence) -> torch.Tensor:
    """Of all networks at once: (B, n, in) -> (B, n, out)."""
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x = torch.baddbmm(b, x, w)
        if k < len(weights) - 1:
            x = torch.relu(x)
    return x
