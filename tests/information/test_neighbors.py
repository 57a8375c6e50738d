"""Nearest-neighbour estimators against analytic truth and scikit-learn's one-dimensional ones."""

import math

import numpy as np
import pytest
import torch
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from infoprior.information import _neighbors
from infoprior.information._inputs import InformationError
from infoprior.information._neighbors import TIE_NOISE, ksg, ross
from tests.information.common import needs_cuda


def linked(d, rho, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(n, d))
    return torch.from_numpy(x), torch.from_numpy(y), -d / 2 * math.log(1 - rho**2)


def classes(means, n, seed, sigma=1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(len(means), size=n)
    x = np.asarray(means, dtype=float)[y][:, None] + sigma * rng.normal(size=(n, 1))
    return torch.from_numpy(x), torch.from_numpy(y)


def of_classes(means, sigma=1.0):
    """I of one Gaussian per class with equal shares, by quadrature of h(X) - h(X | Y)."""
    grid = np.linspace(min(means) - 9 * sigma, max(means) + 9 * sigma, 20001)
    density = np.exp(-0.5 * ((grid[:, None] - means) / sigma) ** 2).mean(1)
    density /= sigma * math.sqrt(2 * math.pi)
    h = -np.sum(density * np.log(np.maximum(density, 1e-300))) * (grid[1] - grid[0])
    return h - 0.5 * math.log(2 * math.pi * math.e * sigma**2)


@pytest.mark.parametrize("ranks", [True, False])
@pytest.mark.parametrize(
    ("d", "rho", "tolerance"), [(1, 0.75, 0.03), (1, 0.95, 0.03), (2, 0.5, 0.05)]
)
def test_ksg_on_gaussians(d, rho, tolerance, ranks):
    errors = []
    for seed in range(10):
        x, y, truth = linked(d, rho, 1000, seed)
        errors.append(ksg([x], [y], seed=0, ranks=ranks)[0].nats - truth)
    assert abs(np.mean(errors)) < tolerance


@pytest.mark.parametrize("d", [1, 3])
def test_ksg_of_independent_columns_is_zero(d):
    values = []
    for seed in range(6):
        x, y, _ = linked(d, 0.0, 800, seed)
        values.append(ksg([x], [y], seed=0)[0].nats)
    assert abs(np.mean(values)) < 0.03


@pytest.mark.parametrize("k", [1, 3, 7])
def test_ksg_is_scikit_learns_in_one_dimension(k):
    x, y, _ = linked(1, 0.7, 700, 1)
    theirs = mutual_info_regression(x.numpy(), y[:, 0].numpy(), n_neighbors=k, random_state=0)[0]
    assert ksg([x], [y], seed=0, k=k, ranks=False)[0].nats == pytest.approx(theirs, abs=1e-6)


def test_ksg_by_definition_in_several_dimensions(monkeypatch):
    monkeypatch.setattr(_neighbors, "BLOCK", 4000)  # several blocks
    x, y, _ = linked(3, 0.6, 150, 0)
    y = y[:, :2]
    a, b = ((s - s.mean(0)) / s.std(0) for s in (x.numpy(), y.numpy()))
    dx = np.abs(a[:, None] - a[None]).max(-1)
    dy = np.abs(b[:, None] - b[None]).max(-1)
    radius = np.sort(np.maximum(dx, dy), axis=1)[:, 3]
    counts = [torch.from_numpy((d < radius[:, None]).sum(1)) for d in (dx, dy)]
    whole = torch.digamma(torch.tensor([3.0, 150.0], dtype=torch.float64)).sum()
    expected = whole - sum(torch.digamma(c.double()).mean() for c in counts)
    assert ksg([x], [y], seed=0, ranks=False)[0].nats == pytest.approx(expected.item(), abs=1e-4)


def test_both_ways_of_counting_agree():
    x, y, _ = linked(1, 0.9, 400, 0)
    pair = torch.cat([x, x], 1)  # two columns that say the same: the general way
    assert ksg([pair], [y], seed=0)[0].nats == pytest.approx(
        ksg([x], [y], seed=0)[0].nats, abs=1e-6
    )


def test_ranks_make_ksg_invariant_to_increasing_maps():
    x, y, _ = linked(2, 0.7, 300, 0)
    plain = ksg([x], [y], seed=0)[0].nats
    assert ksg([x.exp()], [y**3], seed=0)[0].nats == pytest.approx(plain, abs=1e-12)


def test_order_and_sides_do_not_matter():
    x, y, _ = linked(2, 0.7, 300, 0)
    order = torch.from_numpy(np.random.default_rng(1).permutation(300))
    plain = ksg([x], [y], seed=0)[0].nats
    assert ksg([x[order]], [y[order]], seed=0)[0].nats == pytest.approx(plain, abs=1e-12)
    assert ksg([y], [x], seed=0)[0].nats == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_ties_are_broken_and_said(d):
    """Rectified columns: half the rows are zeros. I(max(X, 0); Y) <= I(X; Y), and well above 0."""
    x, y, truth = linked(d, 0.8, 1500, 0)
    [estimate] = ksg([x.clamp(min=0.0)], [y], seed=0)
    assert "ties" in estimate.flags
    assert estimate.sigma == TIE_NOISE
    assert 0.5 * truth < estimate.nats < truth
    assert ksg([x.clamp(min=0.0)], [y], seed=0) == [estimate]
    assert "ties" not in ksg([x], [y], seed=0)[0].flags


def test_whole_numbers_on_both_sides():
    """I of a pair of dice that agree in half the throws, by enumeration."""
    rng = np.random.default_rng(0)
    x = rng.integers(6, size=3000)
    y = np.where(rng.random(3000) < 0.5, x, rng.integers(6, size=3000))
    joint = np.full((6, 6), 0.5 / 36) + np.eye(6) * 0.5 / 6
    truth = np.sum(joint * np.log(joint * 36))
    pair = [torch.from_numpy(side.astype(float))[:, None] for side in (x, y)]
    [estimate] = ksg([pair[0]], [pair[1]], seed=0)
    assert estimate.nats == pytest.approx(truth, abs=0.05)


def test_rows_that_repeat_and_huge_values_stay_finite():
    x, y, _ = linked(2, 0.5, 100, 0)
    x[:50], y[:50] = x[0], y[0]
    for ranks in (True, False):
        assert math.isfinite(ksg([x * 1e200], [y * 1e-200], seed=0, ranks=ranks)[0].nats)


@pytest.mark.parametrize("means", [[0.0, 0.0, 0.0], [0.0, 1.0], [0.0, 2.0, 5.0]])
def test_ross_on_gaussian_classes(means):
    errors = []
    for seed in range(4):
        x, y = classes(means, 1000, seed)
        errors.append(ross([x], y, seed=0)[0].nats - of_classes(means))
    assert abs(np.mean(errors)) < 0.03


@pytest.mark.parametrize("k", [1, 3, 7])
def test_ross_is_scikit_learns_in_one_dimension(k):
    x, y = classes([0.0, 1.0, 3.0], 600, 0)
    y[:4], y[4] = 3, 4  # a class of four rows, and a row alone in its class
    theirs = mutual_info_classif(x.numpy(), y.numpy(), n_neighbors=k, random_state=0)[0]
    [estimate] = ross([x], y, seed=0, k=k)
    assert estimate.nats == pytest.approx(theirs, abs=1e-6)
    assert estimate.n == 599


def test_ross_in_many_dimensions_by_definition():
    rng = np.random.default_rng(0)
    y = torch.from_numpy(rng.integers(3, size=200))
    x = torch.from_numpy(rng.normal(size=(200, 6))) + y[:, None]
    z = ((x - x.mean(0)) / x.std(0)).numpy()
    distance = np.linalg.norm(z[:, None] - z[None], axis=-1)
    total = 0.0
    for i in range(200):
        same = np.sort(distance[i, y.numpy() == y[i].item()])
        values = [200.0, 3.0, float(len(same)), float((distance[i] < same[3]).sum())]
        psi = torch.digamma(torch.tensor(values, dtype=torch.float64))
        total += (psi[0] + psi[1] - psi[2] - psi[3]).item()
    assert ross([x], y, seed=0)[0].nats == pytest.approx(total / 200, abs=1e-9)


def test_ross_ignores_the_names_of_the_classes_and_the_order_of_rows():
    x, y = classes([0.0, 1.0, 3.0], 500, 0)
    plain = ross([x], y, seed=0)[0].nats
    order = torch.from_numpy(np.random.default_rng(1).permutation(500))
    assert ross([x], 2 - y, seed=0)[0].nats == pytest.approx(plain, abs=1e-12)
    assert ross([x[order]], y[order], seed=0)[0].nats == pytest.approx(plain, abs=1e-12)


def test_ross_with_ties_and_permuted_labels():
    x, y = classes([0.0, 3.0], 1500, 0)
    [estimate] = ross([x.clamp(min=0.0)], y, seed=0)
    assert "ties" in estimate.flags
    assert estimate.nats == pytest.approx(of_classes([0.0, 3.0]), abs=0.06)
    shuffled = y[torch.from_numpy(np.random.default_rng(2).permutation(1500))]
    assert abs(ross([x], shuffled, seed=0)[0].nats) < 0.04


def test_lists_are_their_pairs():
    pairs = [linked(d, 0.5, 200, d)[:2] for d in (1, 3)]
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    assert ksg(xs, ys, seed=0) == [ksg([x], [y], seed=0)[0] for x, y in pairs]
    labels = (ys[0][:, 0] > 0).long()
    assert ross(xs, labels, seed=0) == [ross([x], labels, seed=0)[0] for x in xs]


@pytest.mark.parametrize("k", [0, 200, 2.5, True])
def test_impossible_k_is_refused(k):
    x, y, _ = linked(1, 0.5, 200, 0)
    with pytest.raises(InformationError, match="k is"):
        ksg([x], [y], seed=0, k=k)
    with pytest.raises(InformationError, match="k is"):
        ross([x], (y[:, 0] > 0).long(), seed=0, k=k)


def test_only_singletons_are_refused():
    with pytest.raises(InformationError, match="one row only"):
        ross([torch.randn(60, 2, dtype=torch.float64)], torch.arange(60), seed=0)


@needs_cuda
def test_cuda_equals_cpu():
    x, y, _ = linked(3, 0.5, 500, 0)
    assert ksg([x.cuda()], [y.cuda()], seed=0)[0].nats == pytest.approx(
        ksg([x], [y], seed=0)[0].nats, abs=1e-3
    )
    labels = (y[:, 0] > 0).long()
    assert ross([x.cuda()], labels.cuda(), seed=0)[0].nats == pytest.approx(
        ross([x], labels, seed=0)[0].nats, abs=1e-6
    )
