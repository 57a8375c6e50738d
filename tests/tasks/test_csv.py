"""CSV is read strictly: every row that is in the file is in the task, or a line is named."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from infoprior.tasks import Task, TaskError, TaskWarning, read_table
from infoprior.tasks._tables import csv


def _rows(word=lambda i: "ab"[i % 2], n: int = 90) -> list[list[str]]:
    return [
        ["size", "word", "y"],
        *([f"{i / 7:.3f}", word(i), ("no", "yes")[i % 3 == 0]] for i in range(n)),
    ]


def _write(path: Path, rows, separator=",", end="\n", encoding="utf-8") -> Path:
    text = end.join(separator.join(row) for row in rows) + end
    path.write_bytes(text.encode(encoding))
    return path


def _read(path: Path, **settings: object) -> Task:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_table(path, "y", **settings)  # type: ignore[arg-type]


def _stray(places: dict[int, str]):
    return lambda i: places.get(i, "ab"[i % 2])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("places", "message"),
    [
        # The second quote's cell continues after it.
        (
            {9: '"pipe', 40: '"pipe'},
            "line 42 has text after the closing quote of a cell that begins",
        ),
        # Both are where quotes may be: what they enclose are rows.
        ({9: '"pipe', 40: 'pipe"'}, "begins in line 11 and ends in line 42 holds whole rows"),
        ({9: '"pipe', 10: 'pipe"'}, "begins in line 11 and ends in line 12 holds whole rows"),
        ({9: '"pipe'}, "line 11 opens a quote that is never closed"),
        ({89: '"'}, "line 91 opens a quote that is never closed"),
        ({9: '"a"b'}, "line 11 has text after the closing quote of a cell;"),
        ({9: '"say \\"hi\\""'}, "line 11 has text after the closing quote"),
    ],
)
def test_stray_quotes_are_refused_with_their_line(tmp_path, separator, places, message):
    path = _write(tmp_path / "t.csv", _rows(_stray(places)), separator)
    with pytest.raises(TaskError, match=message) as caught:
        read_table(path, "y")
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("column", [0, 2])
def test_rows_that_quotes_of_any_column_enclose_are_missed(tmp_path, column):
    rows = _rows()
    rows[20][column] = '"' + rows[20][column]
    rows[60][column] += '"'
    with pytest.raises(TaskError, match="begins in line 21 and ends in line 61 holds whole rows"):
        read_table(_write(tmp_path / "t.csv", rows), "y")


def test_a_stray_quote_in_the_header_is_refused(tmp_path):
    rows = _rows()
    rows[0][1] = '"word'
    with pytest.raises(TaskError, match="line 1 opens a quote that is never closed"):
        read_table(_write(tmp_path / "t.csv", rows), "y")


def test_quotes_inside_a_field_are_characters(tmp_path):
    inches = _rows(lambda i: ('5" pipe', '6" pipe', 'half a "')[i % 3])
    inches[0][1] = 'size "'
    for name, separator in (("t.csv", ","), ("t.tsv", "\t")):
        task = _read(_write(tmp_path / name, inches, separator))
        assert len(task.X) == 90
        assert 'size "=5" pipe' in task.feature_names


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_cells_may_hold_separators_quotes_and_lines(tmp_path, end):
    cells = ['"a, b"', '"say ""hi"""', '"two\nlines, of prose"', ' "c, d"']
    task = _read(_write(tmp_path / "t.csv", _rows(lambda i: cells[i % 4]), end=end))
    assert len(task.X) == 90
    assert task.feature_names[1:] == (
        "word=a, b", "word=c, d", 'word=say "hi"', "word=two\nlines, of prose",
    )  # fmt: skip


def test_spaces_after_separators_are_no_part_of_a_cell(tmp_path):
    plain = _read(_write(tmp_path / "t.csv", _rows()))
    for word in (lambda i: (" a", "b")[i % 2], lambda i: (' "a"', "b")[i % 2]):
        assert _read(_write(tmp_path / "t.csv", _rows(word), ", ")).digest == plain.digest


def test_blocks_with_and_without_quotes_count_the_same_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "_BLOCK_CELLS", 3 * 20)  # 20 lines a block
    rows = _rows()
    rows[10][1] = '"two\nlines"'
    rows[19][1] = rows[50][1] = '"three\n\nlines, over the end of a block"'
    path = _write(tmp_path / "t.csv", rows)
    assert len(_read(path).X) == 90
    rows[80].append("more")
    with pytest.raises(TaskError, match="line 86 has 4 fields"):
        read_table(_write(path, rows), "y")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_both_readers_give_the_same_rows(tmp_path, monkeypatch, end):
    odd = ["'a'", " a", "a ", "\u2028x", "\x0b", "#a", "\\", "a\\nb", "NULL", "", "é", "a\tb"]
    path = _write(tmp_path / "t.csv", _rows(lambda i: odd[i % len(odd)]), end=end)
    with path.open("ab") as file:
        file.write(f"{end}   {end}1.5,a,no{end}{end}".encode())
    with pytest.warns(TaskWarning, match="'a' and 'a ', which are read as one"):
        fast = read_table(path, "y")
    monkeypatch.setattr(csv, "_quoteless", lambda *_: None)
    with pytest.warns(TaskWarning, match="'a' and 'a ', which are read as one"):
        slow = read_table(path, "y")
    assert fast.digest == slow.digest
    assert fast.feature_names == slow.feature_names


def test_prose_with_as_many_separators_as_rows_is_a_cell(tmp_path):
    # The shape of two rows, but "cd" and "Bob" are no labels.
    prose = '"Dear Sir,cd\n1,hello, Bob"'
    rows = [["word", "size", "y"], *([row[1], row[0], row[2]] for row in _rows()[1:])]
    rows[5][0] = prose
    assert len(_read(_write(tmp_path / "t.csv", rows)).X) == 90


@pytest.mark.parametrize(
    ("end", "encoding"),
    [("\r\n", "utf-8"), ("\r", "utf-8"), ("\n", "utf-8-sig"), ("\n", "utf-16"), ("\n", "utf-32")],
)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_line_ends_and_marked_encodings_make_no_difference(tmp_path, separator, end, encoding):
    rows = _rows(lambda i: ("Zürich", "Bern", "Genève")[i % 3])
    plain = _read(_write(tmp_path / "t.csv", rows))
    other = _read(_write(tmp_path / "t.csv", rows, separator, end, encoding))
    assert other.digest == plain.digest
    assert other.feature_names == plain.feature_names


def test_blank_lines_are_no_rows(tmp_path):
    lines = _write(tmp_path / "t.csv", _rows()).read_text().splitlines()
    plain = _read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("\n\n" + "\n\n   \n".join(lines) + "\n\n\n")
    assert _read(tmp_path / "t.csv").digest == plain.digest


def _bytes(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,y\n1,2,u\n1,2,u,\n", "line 3 has 4 fields"),
        (b"a,b,y,\n1,2,u,\n", "column 4 has no name.*separator at the end"),
        (b'a,b,y\n1,2,u\n\n"1\n2",2\n', "the row of lines 4 to 5 has 2 fields"),
        (b"a, a,y\n1,2,u\n", "'a' appears more than once"),
        (b"a,b,y\n1,\0,u\n", "line 2 holds a NUL"),
        (b"a,b,y\n" + b"1,2,u\n" * 20_000 + b"1,\0,u\n", "line 20002 holds a NUL"),
        (_bytes("a,b,y\n1,2,u\n", "utf-16-le"), "not a text file"),
        (_bytes("a,b,y\n1,2,u\n1,é,u\n", "latin-1"), "line 3 is not UTF-8"),
        (b'a,b,y\n1,"' + b"x" * 200_000, "line 2 opens a cell of more than 131,072 characters"),
        (b"a,b;y\n1,2;3\n4,5;6\n", "separated by ',' or ';'; say which by separator=','"),
        (b"\x1f\x8b\x08\0rest", "compressed by gzip"),
        (b"PK\x03\x04rest", r"a zip archive, such as a workbook \(\.xlsx\)"),
        (b"ARROW1\0\0rest", "a Feather file"),
        (b"PAR1rest PAR1", "is a parquet file; end its name in .parquet"),
        (b'[{"a": 1, "y": 2},\n {"a": 3, "y": 4}]\n', "is JSON"),
        (b'{"a": 1, "y": 2}\n{"a": 3, "y": 4}\n', "is JSON"),
        (b"<!DOCTYPE html>\n<table>", "is HTML or XML"),
    ],
)
def test_what_is_no_strict_csv_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=message) as caught:
        read_table(path, "y")
    assert "\n" not in str(caught.value)


def test_the_separator_is_the_one_that_all_first_rows_agree_on(tmp_path):
    # More commas than semicolons in the header, and decimal commas below.
    rows = [["a (m, kg, s, A)", "b", "y"], *([f"{i},5", f"{i * 7 % 9},25", "uv"[i % 2]]
            for i in range(60))]  # fmt: skip
    task = _read(_write(tmp_path / "t.csv", rows, ";"))
    assert task.feature_names == ("a (m, kg, s, A)", "b")
    assert len(np.unique(task.X[:, 0])) == 60
