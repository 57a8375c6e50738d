"""Numbers written as texts: read by the one convention that all values allow, or refused."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from infoprior.tasks import TaskError, read_table
from infoprior.tasks._tables.numbers import Unclear, read_numbers

READ = {
    "thousands by points": (["1.200,50", "950", "12.500"], [1200.5, 950, 12500]),
    "thousands by commas": (["1,200.50", "950", "12,500"], [1200.5, 950, 12500]),
    "millions decide": (["1,200,000", "950", "1,200"], [1_200_000, 950, 1200]),
    "lakhs": (["12,34,567", "1,200"], [1_234_567, 1200]),
    "spaces": (["1 200", "950", "1\u202f234\u00a0567,5"], [1200, 950, 1_234_567.5]),
    "apostrophes": (["1'200", "1’300.5"], [1200, 1300.5]),
    "underscores": (["1_200", "950"], [1200, 950]),
    "decimal commas": (["1,5", "1,200", "3"], [1.5, 1.2, 3]),
    "a leading zero is no group": (["0,125", "1,200"], [0.125, 1.2]),
    "points of equal length": (["1.200", "12.500", "0"], [1.2, 12.5, 0]),
    "currencies": (["€ 1.200,50", "-950 €", "EUR 3"], [1200.5, -950, 3]),
    "dollars": (["$1,200.50", "-$950", "($12)", "7 USD"], [1200.5, -950, -12, 7]),
    "percents": (["12%", "12.5 %", "0"], [0.12, 0.125, 0]),
    "minus signs": (["−5", "-4.5", "+3", "–2"], [-5, -4.5, 3, -2]),
    "exponents": (["1e5", "2.5E-3", "7"], [1e5, 2.5e-3, 7]),
    "short forms": ([".5", "5.", "05.5"], [0.5, 5, 5.5]),
    "infinite": (["inf", "-∞", "1"], [np.inf, -np.inf, 1]),
    "other digits": (["１２", "١٣"], [12, 13]),
}


@pytest.mark.parametrize("case", READ)
def test_numbers_are_read_by_the_convention_of_their_column(case):
    texts, values = READ[case]
    numbers = read_numbers(texts)
    assert numbers is not None
    assert [float(n) for n in numbers] == values


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1,200", "950"], "'1,200' as 1200 or as 1.200"),
        (["1,200", "12,500"], "'1,200' as 1200 or as 1.200"),
        (["1.200", "950"], "'1.200' as 1.200 or as 1200"),
        (["1 200", "3,500"], "'3,500' as 3500 or as 3.500"),
        (["$1,200", "$950"], "in two ways"),
        (["1.5", "1,5"], "mixes decimal commas and decimal points, such as '1,5' and '1.5'"),
        (["$5", "€6"], "mixes currencies"),
        (["12%", "0.3"], "mixes percents and other numbers, such as '12%' and '0.3'"),
    ],
)
def test_what_the_values_do_not_decide_is_refused(texts, message):
    with pytest.raises(Unclear, match=message.replace("$", r"\$")):
        read_numbers(texts)


def test_the_decimal_mark_decides_what_the_values_do_not():
    assert read_numbers(["1,200", "950"], ".") == ["1200", "950"]
    assert read_numbers(["1,200", "950"], ",") == ["1.200", "950"]
    assert read_numbers(["1,5"], ".") == ["1.5"]  # the only way to read it


@pytest.mark.parametrize(
    "text",
    ["1.2.3", "1 2", "5 kg", "1,20,0", "12-5", "0x1F", "5$6", "(5", "1,200,300e3", "", "..5"],
)
def test_what_is_no_number_is_none(text):
    assert read_numbers(["1", text]) is None


def test_no_digit_is_lost():
    texts = ["12,345,678,901,234,567,890.25", "1,234.5"]
    assert list(map(Decimal, read_numbers(texts) or [])) == [
        Decimal("12345678901234567890.25"), Decimal("1234.5"),
    ]  # fmt: skip


def _task(tmp_path, cells, labels=("no", "yes"), **settings):
    """A task of a column v of these cells in turn, and a column that numbers the rows."""
    n = 120
    frame = pd.DataFrame(
        {
            "v": [cells[i % len(cells)] for i in range(n)],
            "row": range(n),
            "y": [labels[i // 2 % len(labels)] for i in range(n)],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_table(tmp_path / "t.csv", "y", **settings)


def _values(task, cells) -> list[float]:
    """What the network sees of each cell."""
    order = np.argsort(np.argsort(task.X[:, -1])) % len(cells)
    return [float(task.X[order == k, 0][0]) for k in range(len(cells))]


@pytest.mark.parametrize("decimal", [None, "."])
def test_a_table_keeps_the_order_and_the_distances_of_grouped_numbers(tmp_path, decimal):
    cells = ["950", "1,200", "12,500", "1,000,000" if decimal is None else "1,450"]
    amounts = [float(c.replace(",", "")) for c in cells]
    seen = _values(_task(tmp_path, cells, decimal=decimal), cells)
    assert np.corrcoef(seen, amounts)[0, 1] == pytest.approx(1)


def test_an_ambiguous_column_is_named_with_an_example_and_the_argument(tmp_path):
    with pytest.raises(
        TaskError, match=r"t\.csv: column 'v'.*'1,200'.*decimal='\.' or decimal=','"
    ):
        _task(tmp_path, ["950", "1,200"])


@pytest.mark.parametrize(
    "marker",
    ["#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "n/a", "N/A", "NA", "na",
     "NaN", "NAN", "null", "None", "none", "-", "--", "—", ".", "?", " ", "<NA>", "\\N", "#NV"],
)  # fmt: skip
def test_markers_among_numbers_are_missing_values(tmp_path, marker):
    task = _task(tmp_path, ["1.5", "2", "4", marker])
    assert task.feature_names == ("v", "row")
    seen = _values(task, ["1.5", "2", "4", marker])
    assert seen[3] == seen[1]  # the median


def test_signs_and_dots_among_words_are_categories_and_labels(tmp_path):
    task = _task(tmp_path, ["+", "-", ".", "±"], labels=("+", "-"))
    assert task.feature_names == ("v=+", "v=-", "v=.", "v=±", "row")
    assert task.class_names == ("+", "-")


@pytest.mark.parametrize("marker", ["None", "NA", "#N/A"])
def test_a_label_that_means_missing_is_named(tmp_path, marker):
    with pytest.raises(UserWarning, match=f"'y' is missing in 40 rows \\('{marker}'\\)"):
        _task(tmp_path, ["1", "2"], labels=("mild", "bad", marker))


def test_codes_keep_their_zeros(tmp_path):
    assert _task(tmp_path, ["007", "7", "12"]).feature_names == ("v=007", "v=12", "v=7", "row")
    with pytest.raises(TaskError, match=r"codes with leading zeros, such as '000'.*drop=\['v'\]"):
        _task(tmp_path, [f"{k:03d}" for k in range(60)])
    assert set(_task(tmp_path, ["1", "2"], labels=("007", "7")).class_names) == {"007", "7"}


def test_a_word_among_many_numbers_is_named(tmp_path):
    cells = [str(k) for k in range(59)] + ["approx 5"]
    with pytest.raises(TaskError, match="'approx 5' is no number, most others are"):
        _task(tmp_path, cells)


def test_numbers_that_are_written_otherwise_make_a_target_continuous(tmp_path):
    for labels in ([f"{k},5" for k in range(60)], [f"${k}" for k in range(60)]):
        with pytest.raises(TaskError, match="looks continuous"):
            _task(tmp_path, ["1", "2"], labels=labels)


@pytest.mark.parametrize("date", ["3 Jan 2020", "Mar 3, 2021", "2020-01-02T10:00:00+02:00"])
def test_dates_with_named_months_are_dates(tmp_path, date):
    with pytest.raises(TaskError, match="holds dates or times"):
        _task(tmp_path, [date, date.replace("3", "4")])
