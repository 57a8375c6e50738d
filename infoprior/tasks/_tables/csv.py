"""CSV, read strictly: no row is swallowed or mended, and every refusal names its line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from infoprior.tasks._tables.options import Options, check_names
from infoprior.tasks._task import TaskError

SEPARATORS = (",", ";", "\t")
_SNIFFED_LINES = 200
_BLOCK_CELLS = 400_000  # cells read at once, before they go into compact columns
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_SIGNATURES = {
    b"\x1f\x8b": "compressed by gzip",
    b"BZh91AY&SY": "compressed by bzip2",
    b"\xfd7zXZ\0": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PK\x03\x04": "a zip archive, such as a workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"ARROW1\0\0": "a Feather file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"%PDF-": "a PDF",
}
_MARKUP = (
    (re.compile(rb'\s*(\[\s*)?\{\s*"'), "JSON"),
    (re.compile(rb"\s*<(!doctype|html|\?xml|table)", re.IGNORECASE), "HTML or XML"),
)
_LINE_END = re.compile(r"\r\n|\r|\n")


def read_csv(path: Path, separator: str | None, options: Options) -> Any:
    """The table as a data frame of texts, without the columns of `options.drop`.

    A quote opens a cell only at its beginning and is doubled inside a quoted one; elsewhere it is a
    character like others. Quoted cells may run over lines.

    Args:
        path: of the file.
        separator: one character; None detects it.
        options: how to read the table.

    Returns:
        a pandas DataFrame.

    Raises:
        TaskError: it is no such text; with the line, where it can be told.
    """
    encoding = _encoding(path)
    try:
        separator = separator or _sniff(path, encoding)
        with path.open(encoding=encoding, newline="") as file:
            return _frame(file, path, separator, options)
    except UnicodeDecodeError:
        raise TaskError(_not_text(path, encoding)) from None
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); check the file") from None


def _encoding(path: Path) -> str:
    """The encoding, by the file's byte order mark, else UTF-8.

    Raises:
        TaskError: the file is of another format altogether.
    """
    try:
        with path.open("rb") as file:
            head = file.read(65536)
            file.seek(-min(4, len(head)), 2)
            tail = file.read()
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    remedy = "write it as CSV in UTF-8, or as parquet"
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.startswith(b"PAR1") and tail == b"PAR1":
        raise TaskError(f"{path}: is a parquet file; end its name in .parquet")
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise TaskError(f"{path}: not a text file, it is {what}; {remedy}")
    if b"\0" in head:
        line = 1 + len(_LINE_END.findall(head[: head.index(b"\0")].decode("latin-1")))
        raise TaskError(f"{path}: not a text file, line {line} holds a NUL byte; {remedy}")
    for pattern, what in _MARKUP:
        if pattern.match(head):
            raise TaskError(f"{path}: is {what}, not CSV; {remedy}")
    return "utf-8"


def _not_text(path: Path, encoding: str) -> str:
    """A refusal that says where the first byte lies that is not of the encoding."""
    if encoding not in ("utf-8", "utf-8-sig"):
        return f"{path}: its mark says {encoding.upper()}, but it is not; save it as CSV in UTF-8"
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                line = number + len(re.findall(rb"\r(?!\n)", raw[: error.start]))
                return f"{path}: line {line} is not UTF-8 text; save it as CSV in UTF-8"
    return f"{path}: not UTF-8 text; save it as CSV in UTF-8"


def _lines(lines: Iterable[str], path: Path, before: int = 0) -> Iterator[str]:
    for number, line in enumerate(lines, start=before + 1):
        if "\0" in line:
            raise TaskError(f"{path}: line {number} holds a NUL character; remove it")
        yield line


def _reader(lines: Iterator[str], separator: str) -> Any:
    # A space after the separator would otherwise keep a quote from opening its cell.
    return csv.reader(
        lines, delimiter=separator, strict=True, skipinitialspace=not separator.isspace()
    )


def _is_blank(fields: list[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _sniff(path: Path, encoding: str) -> str:
    """The separator by which the first rows have as many fields as there are names, the most."""
    with path.open(encoding=encoding, newline="") as file:
        lines = list(islice(_lines(file, path), _SNIFFED_LINES))
        cut = len(lines) == _SNIFFED_LINES
    ranks: dict[str, tuple[bool, int]] = {}
    for separator in SEPARATORS:
        rows: list[list[str]] = []
        broken = False
        try:
            for fields in _reader(iter(lines), separator):
                if not _is_blank(fields):
                    rows.append(fields)
        except csv.Error as error:
            broken = not (cut and "unexpected end" in str(error))
        width = len(rows[0]) if rows else 1
        even = width > 1 and not broken and all(len(row) == width for row in rows)
        ranks[separator] = (even, width)
    best = max(ranks.values())
    equal = [separator for separator, rank in ranks.items() if rank == best]
    if len(equal) > 1 and best[0]:
        raise TaskError(
            f"{path}: the columns may be separated by {' or '.join(map(repr, equal))}; "
            f"say which by separator={equal[0]!r} or separator={equal[1]!r}"
        )
    return equal[0]


def _frame(file: TextIO, path: Path, separator: str, options: Options) -> Any:
    import pandas as pd
    import pyarrow as pa

    reader = _reader(_lines(file, path), separator)
    header = [name.strip() for name in next(_records(reader, path), (0, 0, []))[2]]
    if not header:
        raise TaskError(f"{path}: the file is empty; give a table with a header and rows")
    check_header(header, path)
    check_names(header, options)
    layout = _Layout(path, separator, header, header.index(options.target))
    kept = [name for name in header if name not in options.drop]
    types = pa.schema([(name, pa.string()) for name in header])
    tables = [table.select(kept) for table in _blocks(file, reader.line_num, layout, types)]
    table = pa.concat_tables(tables) if tables else types.empty_table().select(kept)
    _refuse_swallowed(layout, table[options.target])
    return table.to_pandas(types_mapper=pd.ArrowDtype)


@dataclass
class _Layout:
    """What every row of a file is checked against."""

    path: Path
    separator: str
    header: list[str]
    target: int
    enclosed: list[tuple[int, int, set[str]]] = field(default_factory=list)
    """Cells that may have swallowed rows: first line, last line, the labels of those rows."""


def _blocks(file: TextIO, line: int, layout: _Layout, types: Any) -> Iterator[Any]:
    """The rows after `line` as Arrow tables of texts; a terminal's progress can be counted here.

    Lines without a quote leave a parser nothing to interpret: Arrow's reads them. All others, and
    those in which it finds a fault, are read record by record, which names the fault's line.
    """
    size = max(1, _BLOCK_CELLS // len(layout.header))
    while lines := list(islice(file, size)):
        table = _quoteless("".join(lines), layout, types)
        if table is None:
            reader = _reader(_lines(chain(lines, file), layout.path, line), layout.separator)
            rows = list(_checked(reader, len(lines), line, layout))
            columns = zip(*rows, strict=True) if rows else ([] for _ in layout.header)
            table = types.empty_table().from_pydict(
                dict(zip(layout.header, columns, strict=True)), schema=types
            )
            line += reader.line_num
        else:
            line += len(lines)
        yield table


def _quoteless(text: str, layout: _Layout, types: Any) -> Any:
    """Lines without quotes as a table; None if there are some, or rows that do not fit."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    if '"' in text or "\0" in text or not layout.separator.isascii():
        return None
    data = text.encode()
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(
                use_threads=False, column_names=layout.header, block_size=len(data) + 1
            ),
            pyarrow.csv.ParseOptions(delimiter=layout.separator, quote_char=False),
            pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    if layout.separator.isspace() or not re.search(rf"(^|\n|{re.escape(layout.separator)}) ", text):
        return table
    # As the other reader skips them.
    return pa.table([pc.utf8_ltrim(column, " ") for column in table.columns], schema=types)


def _records(
    reader: Any, path: Path, before: int = 0, last: float = math.inf
) -> Iterator[tuple[int, int, list[str]]]:
    """(first line, last line, fields) of the records that are not blank.

    Args:
        reader: of lines.
        path: of the file.
        before: lines of the file before the reader's first.
        last: of the reader's lines, after which no record is begun.
    """
    begin = 1
    try:
        for fields in reader:
            if not _is_blank(fields):
                yield before + begin, before + reader.line_num, fields
            if reader.line_num >= last:
                return
            begin = reader.line_num + 1
    except csv.Error as error:
        reason = _broken(before + begin, before + reader.line_num, str(error))
        raise TaskError(f"{path}: {reason}") from None


def _broken(begin: int, line: int, reason: str) -> str:
    if "unexpected end" in reason:
        return f"line {begin} opens a quote that is never closed; close or remove it"
    if "field limit" in reason:
        return (
            f"line {begin} opens a cell of more than {csv.field_size_limit():,} characters; close "
            "its quote, or leave such texts out"
        )
    if "expected after" in reason:
        place = f" a cell that begins in line {begin}" if line > begin else " a cell"
        return (
            f"line {line} has text after the closing quote of{place}; double the quotes inside a "
            "quoted cell and remove those that quote nothing"
        )
    return f"line {line} is not CSV ({reason}); mend it"


def _checked(reader: Any, last: int, before: int, layout: _Layout) -> Iterator[list[str]]:
    """The fields of every row, as many as names; notes which cells may have swallowed rows."""
    width = len(layout.header)
    for begin, end, fields in _records(reader, layout.path, before, last):
        if len(fields) != width:
            lines = f"line {end}" if end == begin else f"the row of lines {begin} to {end}"
            raise TaskError(
                f"{layout.path}: {lines} has {len(fields)} fields, but the header names {width} "
                "columns; mend the line, quote texts that hold the separator, or give separator="
            )
        if end > begin and (labels := _labels_inside(fields, layout)):
            layout.enclosed.append((begin, end, labels))
        yield fields


def _labels_inside(fields: list[str], layout: _Layout) -> set[str]:
    """The labels of the rows that a cell of several lines holds, were its quotes stray ones.

    Two stray quotes at the beginning and the end of cells of one column enclose whole rows: the
    first line then lacks the fields before the column, the last those after it.
    """
    target = layout.target
    for place, cell in enumerate(fields):
        pieces = [line.split(layout.separator) for line in _LINE_END.split(cell)]
        if len(pieces) < 2:
            continue
        widths = [len(fields) - place, *[len(fields)] * (len(pieces) - 2), place + 1]
        if [len(piece) for piece in pieces] != widths:
            continue
        labels = [piece[target] for piece in pieces[1:-1]]
        if target >= place:
            labels.append(pieces[0][target - place])
        if target <= place:
            labels.append(pieces[-1][target])
        return {label.strip(' "') for label in labels}
    return set()


def _refuse_swallowed(layout: _Layout, target: Any) -> None:
    """Refuse cells that have swallowed rows.

    Prose in a quoted cell may have as many separators as rows have, but not their labels.

    Raises:
        TaskError: all labels inside a cell are labels of other rows, too.
    """
    if not layout.enclosed:
        return
    known = {str(label).strip() for label in target.unique().to_pylist()}
    for begin, end, labels in layout.enclosed:
        if labels <= known:
            raise TaskError(
                f"{layout.path}: the quoted cell that begins in line {begin} and ends in line "
                f"{end} holds whole rows; remove the stray quotes, or double them inside a quoted "
                "cell"
            )


def check_header(names: list[str], path: Path) -> None:
    """Refuse what are no names of columns, each its own.

    Args:
        names: the fields of the first row.
        path: of the file.

    Raises:
        TaskError: a name is missing or there twice, there is one column only, or the first line
            holds numbers.
    """
    for position, name in enumerate(names, start=1):
        if not name:
            raise TaskError(
                f"{path}: column {position} has no name; name it in the first line, or write the "
                "table without its index and without a separator at the end of lines"
            )
    if len(set(names)) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise TaskError(
            f"{path}: column {twice!r} appears more than once; rename or remove one of them"
        )
    if len(names) == 1:
        raise TaskError(
            f"{path}: not a table, only the column {names[0][:60]!r} is in it; separate the "
            "columns by comma, semicolon or tab, or give separator="
        )
    if all(_is_number(name) for name in names):
        raise TaskError(
            f"{path}: the first line holds numbers, such as {names[0]!r}, not column names; "
            "add a line of names on top"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
