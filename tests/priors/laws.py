"""What the tests of distributions share: totals, and whether samples follow a marginal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infoprior.priors import Marginal

stats = pytest.importorskip("scipy.stats")


def follows(drawn: list[Any], marginal: Marginal) -> None:
    """KS test for floats, chi-square for all others."""
    if marginal.density is not None:
        values = np.asarray(marginal.values)
        steps = np.diff(values) * (marginal.density[1:] + marginal.density[:-1]) / 2
        cdf = np.concatenate([[0.0], np.cumsum(steps)])
        assert stats.kstest(drawn, lambda x: np.interp(x, values, cdf)).pvalue > 1e-3
        return
    assert marginal.probabilities is not None
    counts = np.array([sum(v == x for v in drawn) for x in marginal.values], dtype=float)
    assert counts.sum() == len(drawn)
    expected = marginal.probabilities / marginal.probabilities.sum() * counts.sum()
    rare = expected < 8
    if rare.any():  # the test needs a few expected in every bin
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if len(counts) > 1:
        assert stats.chisquare(counts, expected).pvalue > 1e-3
