"""The same data under two names must be one family: rows shared between sets are searched for.

Two columns of many values, taken together, all but name a row. Where the pairs of two columns of
one set recur among the pairs of two columns of another, far more often than when one column is
shuffled, both hold the same rows, whatever the columns' names and order.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from infoprior.tasks import catalogue
from infoprior.tasks._packaged.catalogue import PACKAGES
from infoprior.tasks._packaged.raw import read_raw

INSTALLED = all(package.installed() for package in PACKAGES.values())
COLUMNS = 4  # of the most distinct values, of each set
ROWS = 6000
MIN_VALUES = 30
SHARED = 0.4  # of the smaller set's pairs, beyond what shuffled pairs share


def fingerprints(columns: list[np.ndarray], rng: np.random.Generator) -> list[tuple]:
    """(pairs, pairs after a shuffle) of every two of the columns of most values, as numbers.

    Values count by four significant digits: the unit, as a power of ten, and the sign are ignored.
    """
    coded = []
    for values in columns:
        size = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
        coded.append(np.rint(1e3 * size / 10 ** np.floor(np.log10(size))).astype(np.int64))
    most = sorted(coded, key=lambda c: -len(np.unique(c)))[:COLUMNS]
    pairs = []
    for a, b in combinations([c for c in most if len(np.unique(c)) >= MIN_VALUES], 2):
        pairs.append((_pairs(a, b), _pairs(a, rng.permutation(b))))
    return pairs


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.unique(np.minimum(a, b) * 100_000 + np.maximum(a, b))


def shared(left: list[tuple], right: list[tuple]) -> float:
    """The largest share of rows in common, over pairs of columns, less that of shuffled ones."""

    def common(a: np.ndarray, b: np.ndarray) -> int:
        return len(np.intersect1d(a, b, assume_unique=True))

    most = 0.0
    for a, a_shuffled in left:
        for b, b_shuffled in right:
            size = min(len(a), len(b))
            if (both := common(a, b)) > most * size:
                chance = max(common(a, b_shuffled), common(a_shuffled, b))
                most = max(most, (both - chance) / size)
    return most


def numeric(name: str) -> list[np.ndarray]:
    package = PACKAGES[name.partition("/")[0]]
    entry = next(e for e in package.entries if e.name == name)
    columns = read_raw(entry, package).columns
    return [c.values[:ROWS] for c in columns if not c.nominal]


def test_a_part_of_the_rows_with_other_columns_in_another_unit_is_found():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4)) + 5
    Y = rng.normal(size=(400, 4)) + 5
    copy = X[100:300][:, [3, 1]] * 10
    prints = {k: fingerprints(list(v.T), rng) for k, v in dict(X=X, Y=Y, copy=copy).items()}
    assert shared(prints["X"], prints["copy"]) > 0.9
    assert shared(prints["Y"], prints["copy"]) < 0.02
    ages = rng.integers(20, 60, size=(2, 500, 2))  # the same few values are not the same rows
    first, second = (fingerprints(list(a.T), rng) for a in ages.astype(float))
    assert abs(shared(first, second)) < SHARED


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs pip install 'infoprior[more-data]'")
def test_sets_of_different_families_share_no_rows():
    rng = np.random.default_rng(0)
    infos = [i for i in catalogue() if i.name.partition("/")[0] in PACKAGES]
    prints = {i.name: fingerprints(numeric(i.name), rng) for i in infos}
    family = {i.name: i.family for i in infos}
    same, across = {}, {}
    for a, b in combinations(prints, 2):
        share = shared(prints[a], prints[b])
        (same if family[a] == family[b] else across)[a, b] = share
    assert same["keel/heart", "common/cleveland"] > SHARED  # it does find what is there
    assert {pair: share for pair, share in across.items() if share > SHARED} == {}
