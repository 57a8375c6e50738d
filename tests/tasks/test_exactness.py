"""What differs in a table differs in the task, or a warning says so."""

from __future__ import annotations

import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infoprior.tasks import TaskWarning, read_table
from infoprior.tasks._encode import Column, encode
from infoprior.tasks._split import group_columns, group_rows

N = 120
FAR = {
    "seconds": [1_700_000_000 + k for k in range(N)],
    "nanoseconds": [1_700_000_000_000_000_000 + 7 * k for k in range(N)],
    "beyond 2**53": [2**53 + k for k in range(N)],
    "uint64": [2**64 - 1 - k for k in range(N)],
    "negative": [-(2**62) - k for k in range(N)],
    "20 digits": [12_345_678_901_234_567_890 + k for k in range(N)],
    "decimals": [Decimal("98765432109876543210.01") + k * Decimal("0.01") for k in range(N)],
    "floats": [float(v) for v in 1e9 + np.arange(N) * 2.0**-20],
    "one and a bit": [float(v) for v in 1 + np.arange(N) * 2.0**-52],
    "tiny": [k * 1e-300 for k in range(N)],
    "huge": [k * 1e300 for k in range(N)],
}


def _expected(values, rows) -> np.ndarray:
    """Standardised by exact arithmetic, as far as the square root."""
    exact = [Fraction(v) for v in values]
    train = [exact[k] for k in rows]
    mean = sum(train) / len(train)
    variance = sum((v - mean) ** 2 for v in train) / len(train)
    scale = max(abs(v - mean) for v in train)
    deviation = float(variance / scale**2) ** 0.5  # of values of order one
    return np.array([float((v - mean) / scale) / deviation for v in exact])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("case", FAR)
def test_numbers_far_from_zero_are_standardised_exactly(tmp_path, case, kind):
    values = FAR[case]
    labels = ["uv"[k % 2] for k in range(N)]
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text(
            "v,y\n" + "".join(f"{v!s},{c}\n" for v, c in zip(values, labels, strict=True))
        )
    else:
        if case == "20 digits":
            values = [Decimal(v) for v in values]
        typed = pa.array(values, pa.uint64()) if case == "uint64" else pa.array(values)
        pq.write_table(pa.table({"v": typed, "y": labels}), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = read_table(path, "y")
    assert len(task.X) == N
    assert len(np.unique(task.X)) == N
    np.testing.assert_allclose(task.X[:, 0], _expected(values, task.train), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([2**53, 2**53 + 1, 2**53 + 2], {str(2**53 + k) for k in range(3)}),
        ([2**64 - 1, 2**64 - 2], {str(2**64 - 1), str(2**64 - 2)}),
        ([0.1234567890123456, 0.1234567890123457], {"0.1234567890123456", "0.1234567890123457"}),
        (["0.12345678901234567890", "0.12345678901234567891"], None),
        (["a", "A"], {"a", "A"}),
        (["\u00e9", "e\u0301"], {"\u00e9", "e\u0301"}),
        (["1.0", "2"], {"1", "2"}),
        (["1e2", "200"], {"100", "200"}),
    ],
)
def test_labels_that_differ_are_classes_of_their_own(tmp_path, labels, names):
    pd.DataFrame({"v": range(N), "y": [labels[k % len(labels)] for k in range(N)]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    task = read_table(tmp_path / "t.csv", "y")
    assert set(task.class_names) == (names or set(labels))


def test_whole_labels_with_gaps_in_parquet_keep_every_digit(tmp_path):
    labels = [None if k % 7 == 0 else 2**53 + k % 3 for k in range(N)]
    table = pa.table({"v": range(N), "y": pa.array(labels, pa.int64())})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.warns(TaskWarning, match="is missing in 18 rows"):
        task = read_table(tmp_path / "t.parquet", "y")
    assert task.class_names == tuple(str(2**53 + k) for k in range(3))


def test_values_that_white_space_sets_apart_are_one_with_a_warning(tmp_path):
    words, labels = ["red", "red ", "blue"], ["ill", " ill", "well"]
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"v": range(N), "w": words * (N // 3), "y": labels * (N // 3)})
    frame.to_parquet(path)
    with pytest.warns(TaskWarning) as caught:
        task = read_table(path, "y")
    said = [str(w.message) for w in caught]
    assert any("column 'y' holds 'ill' and ' ill', which are read as one" in s for s in said)
    assert any("column 'w' holds 'red' and 'red ', which are read as one" in s for s in said)
    assert task.class_names == ("ill", "well")


def test_codes_beyond_2_to_the_53_are_categories_of_their_own(tmp_path):
    pd.DataFrame(
        {"v": [2**53 + k % 3 for k in range(N)], "r": range(N), "y": ["u", "v"] * 60}
    ).to_csv(tmp_path / "t.csv", index=False)
    task = read_table(tmp_path / "t.csv", "y", categorical=["v"])
    assert {f"v={2**53 + k}" for k in range(3)} < set(task.feature_names)


def test_differences_that_float32_cannot_keep_are_said(tmp_path):
    # Two clusters, of which the network sees one value each.
    values = [(k % 2) * 10**13 + k // 2 for k in range(N)]
    path = tmp_path / "t.csv"
    pd.DataFrame({"v": values, "r": range(N), "y": ["u", "v"] * 60}).to_csv(path, index=False)
    with pytest.warns(
        TaskWarning, match=r"column 'v' has \d+ different values.*float32 keeps 2 apart"
    ):
        read_table(path, "y")


def test_many_rows_that_the_encoding_makes_equal_are_said(tmp_path):
    # Half of the words occur once; those that no training row has are the same zeros.
    words = [f"w{k}" if k % 2 else f"often{k % 20}" for k in range(N)]
    path = tmp_path / "t.csv"
    pd.DataFrame(
        {"w": words, "r": [0 if k % 2 else k for k in range(N)], "y": ["u", "v"] * 60}
    ).to_csv(path, index=False)
    with pytest.warns(TaskWarning, match=r"\d+ of 48 validation and test rows equal rows of an"):
        read_table(path, "y", max_categories=N)


def test_a_dictionary_of_unused_categories_is_no_category(tmp_path):
    many = pd.Categorical(["a", "b"] * 60, categories=["a", "b", *map(str, range(100))])
    pd.DataFrame({"v": many, "r": range(N), "y": ["u", "v", "v"] * 40}).to_parquet(
        tmp_path / "t.parquet"
    )
    assert read_table(tmp_path / "t.parquet", "y").feature_names == ("v=b", "r")


def test_a_column_varies_however_little_it_does():
    train = np.ones(4, dtype=bool)
    for values in ([5e-324, 0, 0, 0], [1, 1, 1, 1 + 2**-52], [1e308, -1e308, 0, 0]):
        X, names = encode([Column("v", np.array(values, dtype=float))], train)
        assert names == ["v"]
        assert X.std() == pytest.approx(1, rel=1e-6)
    assert encode([Column("v", np.full(4, 0.1))], train)[1] == []


def test_groups_of_columns_are_those_of_their_rows():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 3, size=(400, 5)).astype(float)
    keys[rng.random(keys.shape) < 0.1] = np.nan
    groups = group_columns(list(keys.T), 400)
    rows = [tuple("nan" if v != v else v for v in row) for row in keys]
    numbers: dict[tuple, int] = {}
    assert groups.tolist() == [numbers.setdefault(row, len(numbers)) for row in rows]
    np.testing.assert_array_equal(group_rows(keys), groups)
    # Apart by less than float32 can tell.
    assert group_columns([np.array([1.7e9, 1.7e9 + 1])], 2).tolist() == [0, 1]
