"""Binning against counts by hand, known truths, and where it says nothing."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from infoprior.information._binning import _cells, binning
from infoprior.information._inputs import InformationError
from tests.information.common import needs_cuda


def normal(n, d, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def test_cells_are_the_tuples_of_equal_bins():
    x = normal(500, 2)
    edges = [np.linspace(c.min(), c.max(), 6)[1:-1] for c in x.numpy().T]
    tuples = [np.digitize(c, e) for c, e in zip(x.numpy().T, edges, strict=True)]
    by_hand = np.unique(np.stack(tuples, 1), axis=0, return_inverse=True)[1].ravel()
    cells = np.unique(_cells(x, 5, 0).numpy(), return_inverse=True)[1]
    pairs = {(int(a), int(b)) for a, b in zip(by_hand, cells, strict=True)}
    assert len(pairs) == by_hand.max() + 1 == cells.max() + 1


def test_the_value_is_the_plug_in_of_the_cells():
    x, noise = normal(800, 1), normal(800, 1, 1)
    y = x + noise
    [estimate] = binning([x], [y], bins=10)
    a, b = (_cells(side, 10, 0).numpy() for side in (x, y))
    assert estimate.nats == pytest.approx(mutual_info_score(a, b), abs=1e-12)
    assert estimate.flags == ()
    labels = (y[:, 0] > 0).long()
    assert binning([x], labels, bins=10)[0].nats == pytest.approx(
        mutual_info_score(a, labels), abs=1e-12
    )


def test_a_noisy_bit():
    """Y is the sign of X, wrong once in five: log 2 - H(0.2)."""
    rng = np.random.default_rng(0)
    bit = rng.integers(2, size=5000)
    y = torch.from_numpy(np.where(rng.random(5000) < 0.2, 1 - bit, bit))
    x = torch.from_numpy(bit.astype(float))[:, None]
    truth = math.log(2) - entropy([0.2, 0.8])
    assert binning([x], y)[0].nats == pytest.approx(truth, abs=0.03)


def test_miller_madow_takes_off_the_bias_of_independent_columns():
    plain, corrected = [], []
    for seed in range(6):
        x, y = normal(3000, 1, 2 * seed), normal(3000, 1, 2 * seed + 1)
        plain.append(binning([x], [y], bins=8)[0].nats)
        corrected.append(binning([x], [y], bins=8, miller_madow=True)[0].nats)
    assert abs(np.mean(corrected)) < 0.3 * np.mean(plain)


def test_a_wide_layer_is_vacuous_and_warned_of_once():
    x, narrow = normal(300, 20), normal(300, 1)
    labels = torch.from_numpy(np.random.default_rng(1).integers(3, size=300))
    with pytest.warns(UserWarning, match="vacuous for 2 of 3") as caught:
        estimates = binning([x, narrow, x], labels, bins=4)
    assert len(caught) == 1
    assert [("vacuous" in e.flags) for e in estimates] == [True, False, True]
    shares = np.bincount(labels) / 300
    assert estimates[0].nats == pytest.approx(entropy(shares), abs=1e-3)  # independent!
    assert "saturated" in estimates[0].flags
    with pytest.warns(UserWarning, match="vacuous"):
        assert binning([x], [x + 1.0])[0].nats == pytest.approx(math.log(300), abs=1e-3)


def test_scale_shift_rows_and_seed_do_not_matter():
    x = normal(400, 2)
    y = x[:, :1] + 0.3 * normal(400, 1, 3)
    plain = binning([x], [y], bins=6)[0].nats
    order = torch.from_numpy(np.random.default_rng(1).permutation(400))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert binning([x * 1e3 + 7], [y], bins=6)[0].nats == pytest.approx(plain, abs=1e-12)
        assert binning([x[order]], [y[order]], bins=6)[0].nats == pytest.approx(plain, abs=1e-12)
        assert binning([x], [y], bins=6, seed=9)[0].nats == pytest.approx(plain, abs=1e-12)


def test_constant_columns_and_extreme_ranges():
    x = normal(300, 1)
    padded = torch.cat([x, torch.full((300, 1), 4.0, dtype=torch.float64)], 1)
    y = (x[:, 0] > 0).long()
    assert binning([padded], y)[0].nats == binning([x], y)[0].nats
    huge = x / x.abs().max() * 1.7e308
    assert binning([huge], y)[0].nats == pytest.approx(binning([x], y)[0].nats, abs=1e-12)


@pytest.mark.parametrize("bins", [1, 2.5, True])
def test_bad_bins_are_refused(bins):
    with pytest.raises(InformationError, match="bins is"):
        binning([normal(60, 1)], [normal(60, 1)], bins=bins)


@needs_cuda
def test_cuda_equals_cpu():
    x, y = normal(300, 2), normal(300, 1, 1)
    assert binning([x.cuda()], [y.cuda()])[0].nats == pytest.approx(
        binning([x], [y])[0].nats, abs=1e-9
    )
