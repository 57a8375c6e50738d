"""The user's tables: what is read, and what is refused in one sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infoprior.tasks import Task, TaskError, TaskWarning, read_table


def _good(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, size=n),
            "height": rng.normal(170, 10, size=n).round(3),
            "city": rng.choice(["Bern", "Basel", "Chur"], size=n),
            "smokes": rng.random(n) < 0.5,
            "y": rng.choice(["ill", "well"], size=n),
        }
    )


def _csv(path: Path, frame: pd.DataFrame, **settings: object) -> Path:
    frame.to_csv(path, index=False, **settings)  # type: ignore[call-overload]
    return path


def _read(path: Path, **settings: object) -> Task:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_table(path, "y", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_any_separator_and_parquet_give_the_same_task(tmp_path, separator):
    frame = _good()
    task = _read(_csv(tmp_path / "people.csv", frame, sep=separator))
    frame.to_parquet(tmp_path / "people.parquet")
    assert _read(tmp_path / "people.parquet").digest == task.digest
    assert (task.name, task.source, task.kind) == ("table/people", "people.csv", "real")
    assert task.class_names == ("ill", "well")
    assert task.feature_names == (
        "age", "height", "city=Basel", "city=Bern", "city=Chur", "smokes",
    )  # fmt: skip
    smokes = task.X[:, 5] > 0
    known = {(float(h), bool(s)) for h, s in zip(frame["height"], frame["smokes"], strict=True)}
    assert len(known) == 60
    assert smokes.sum() == frame["smokes"].sum()


def test_caps_seed_and_fractions(tmp_path):
    path = _csv(tmp_path / "t.csv", _good(200))
    assert _read(path, seed=1).digest != _read(path, seed=2).digest
    assert len(_read(path, max_train=30).train) == 30
    assert len(_read(path, fractions=(0.8, 0.1, 0.1)).train) == pytest.approx(160, abs=3)
    with pytest.raises(TaskError, match="fractions"):
        _read(path, fractions=(0.8, 0.1, 0.2))


def test_missing_values_are_imputed_and_rows_without_a_label_left_out(tmp_path):
    frame = _good().astype({"age": float, "city": object, "y": object})
    frame.loc[::5, "age"] = np.nan
    frame.loc[1::5, "city"] = None
    frame.loc[[0, 7], "y"] = None
    path = _csv(tmp_path / "holes.csv", frame)
    with pytest.warns(TaskWarning, match=r"holes\.csv: column 'y' is missing in 2 rows"):
        task = read_table(path, "y")
    assert len(task.X) == 58
    assert "city=missing" in task.feature_names
    assert np.isfinite(task.X).all()
    frame.to_parquet(tmp_path / "holes.parquet")
    with pytest.warns(TaskWarning):
        assert read_table(tmp_path / "holes.parquet", "y").digest == task.digest


def test_labels_are_texts_whole_numbers_or_truths(tmp_path):
    frame = _good()
    for labels, names in (
        (np.arange(60) % 12, tuple(map(str, range(12)))),
        (np.arange(60) % 2 + 1.0, ("1", "2")),
        (np.arange(60) % 2 == 0, ("False", "True")),
        (np.where(np.arange(60) % 2, 0.5, 1.5), ("0.5", "1.5")),
    ):
        path = _csv(tmp_path / "t.csv", frame.assign(y=labels))
        assert _read(path).class_names == names
        frame.assign(y=labels).to_parquet(tmp_path / "t.parquet")
        assert _read(tmp_path / "t.parquet").class_names == names


def test_codes_become_categories_on_request(tmp_path):
    path = _csv(tmp_path / "t.csv", _good().assign(zone=np.arange(60) % 3 + 10))
    assert "zone" in _read(path).feature_names
    assert {"zone=10", "zone=11", "zone=12"} <= set(_read(path, categorical=["zone"]).feature_names)


def test_decimal_commas_quotes_and_a_byte_order_mark(tmp_path):
    frame = _good().assign(city=["a;b", 'say "c"', "d\ne"] * 20)
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    task = _read(path)
    assert "height" in task.feature_names
    assert "city=a;b" in task.feature_names
    plain = _read(_csv(tmp_path / "u.csv", frame))
    np.testing.assert_array_equal(task.X, plain.X)


def test_nullable_and_categorical_parquet_columns(tmp_path):
    frame = _good().assign(
        k=pd.array([1, None, 3] * 20, dtype="Int64"),
        c=pd.Categorical(["u", "v", None] * 20),
        b=pd.array([True, False, None] * 20, dtype="boolean"),
    )
    frame.index = pd.Index(range(100, 160))
    frame.to_parquet(tmp_path / "t.parquet")
    names = _read(tmp_path / "t.parquet").feature_names
    assert {"k", "c=u", "c=v", "c=missing", "b"} <= set(names)
    assert not any("index" in name for name in names)


def _text(text: str) -> object:
    return lambda path: path.write_text(text)


def _frame(**columns: object) -> object:
    return lambda path: _good().assign(**columns).to_csv(path, index=False)


def _drop_rows(path: Path) -> None:
    frame = _good()
    frame.loc[1:, "y"] = "well"
    frame.loc[:1, "y"] = "ill"
    frame.to_csv(path, index=False)


_DATES = pd.date_range("2020-01-01", periods=60)

# (what the file holds, settings, column named or None, what the message says and advises)
BAD = {
    "target unknown": (_frame(), {"target": "Y2"}, "Y2", ["no column", "did you mean 'y'"]),
    "target far off": (_frame(), {"target": "zzz"}, "zzz", ["choose one of 'age'"]),
    "single class": (_frame(y="well"), {}, "y", ["single class 'well'", "at least two"]),
    "rare class": (_drop_rows, {}, "y", ["class 'ill'", "2 distinct rows", "merge it"]),
    "no labels": (_frame(y=np.nan), {}, "y", ["no value at all", "another target"]),
    "continuous": (
        _frame(y=np.linspace(0, 1, 60)), {}, "y", ["looks continuous (60 ", "bin it"],
    ),
    "continuous whole": (_frame(y=np.arange(60)), {}, "y", ["looks continuous", "bin it"]),
    "all missing": (_frame(gone=np.nan), {}, "gone", ["no value at all", "drop=['gone']"]),
    "constant": (_frame(flat=3), {}, "flat", ["is constant", "drop=['flat']"]),
    "constant text": (_frame(flat="x"), {}, "flat", ["is constant", "drop=['flat']"]),
    "infinite": (_frame(big=[1.0, np.inf] * 30), {}, "big", ["infinite", "drop=['big']"]),
    "date": (_frame(when=_DATES), {}, "when", ["dates or times", "drop=['when']"]),
    "date and time": (
        _frame(when=[f"2020-01-01 10:{k:02d}:00" for k in range(60)]), {}, "when", ["dates"],
    ),
    "local date": (_frame(when=["3.12.2019", "4.12.2019"] * 30), {}, "when", ["dates"]),
    "categories": (
        _frame(who=[f"p{k}" for k in range(60)]), {}, "who",
        ["60 categories", "max_categories=50", "drop=['who']"],
    ),
    "drop unknown": (_frame(), {"drop": ["agee"]}, "agee", ["did you mean 'age'"]),
    "drop target": (_frame(), {"drop": ["y"]}, "y", ["is the target"]),
    "only target": (
        _frame(), {"drop": ["age", "height", "city", "smokes"]}, "y", ["no columns remain"],
    ),
    "duplicate names": (_text("a,b,a,y\n1,2,3,u\n"), {}, "a", ["more than once", "rename"]),
    "unnamed": (_text(",a,y\n0,2,u\n"), {}, None, ["column 1 has no name", "index"]),
    "no header": (_text("1,2,3\n4,5,6\n"), {}, None, ["holds numbers", "line of names"]),
    "header only": (_text("a,b,y\n"), {}, None, ["no rows"]),
    "empty": (_text(""), {}, None, ["is empty"]),
    "blank": (_text("\n \n"), {}, None, ["is empty"]),
    "ragged long": (_text("a,y\n1,u\n1,2,v\n"), {}, None, ["line 3 has 3 fields", "mend"]),
    "ragged short": (_text("a,b,y\n1,2,u\n1,2\n"), {}, None, ["line 3 has 2 fields", "mend"]),
    "one column": (_text("hello world\nfoo\n"), {}, "hello world", ["not a table", "separator="]),
    "binary": (
        lambda path: path.write_bytes(b"\x89PNG\0\0\1\2"), {}, None, ["not a text", "UTF-8"],
    ),
    "latin": (
        lambda path: path.write_bytes("a,y\nZürich,u\n".encode("latin-1")), {}, None,
        ["not UTF-8", "save it"],
    ),
    "missing file": (lambda path: None, {}, None, ["no such file", "check the path"]),
    "folder": (lambda path: path.mkdir(), {}, None, ["is not a file"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_csv_is_refused_in_one_sentence(case, tmp_path):
    write, settings, column, parts = BAD[case]
    path = tmp_path / "people.csv"
    write(path)
    with pytest.raises(TaskError) as caught:
        read_table(path, **{"target": "y", **settings})
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert column is None or repr(column) in message
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert "Traceback" not in message


def _duplicated(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([pa.array([1, 2])] * 3, names=["a", "y", "a"]), path)


BAD_PARQUET = {
    "duplicate names": (_duplicated, "a", ["more than once"]),
    "not parquet": (lambda p: p.write_text("a,y\n1,2\n"), None, ["not a readable parquet"]),
    "empty": (lambda p: p.write_bytes(b""), None, ["is empty"]),
    "no rows": (lambda p: _good()[:0].to_parquet(p), None, ["no rows"]),
    "date": (lambda p: _good().assign(when=_DATES).to_parquet(p), "when", ["drop=['when']"]),
    "day": (
        lambda p: _good().assign(when=_DATES.date).to_parquet(p), "when", ["drop=['when']"],
    ),
    "time span": (
        lambda p: _good().assign(t=_DATES - _DATES[0]).to_parquet(p), "t", ["dates or times"],
    ),
    "lists": (
        lambda p: _good().assign(v=[[1, 2]] * 60).to_parquet(p), "v", ["neither", "drop=['v']"],
    ),
    "nulls": (
        lambda p: _good().assign(v=[None] * 60).to_parquet(p), "v", ["no value", "drop=['v']"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_bad_parquet_is_refused_in_one_sentence(case, tmp_path):
    write, column, parts = BAD_PARQUET[case]
    path = tmp_path / "people.parquet"
    write(path)
    with pytest.raises(TaskError) as caught:
        read_table(path, "y")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert column is None or repr(column) in message
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_the_advised_remedies_work(tmp_path):
    frame = _good().assign(when=_DATES, flat=1, who=[f"p{k % 55}" for k in range(60)])
    path = _csv(tmp_path / "t.csv", frame)
    task = _read(path, drop=["when", "flat"], max_categories=60)
    assert not {"when", "flat"} & set(task.feature_names)
    assert any(name.startswith("who=") for name in task.feature_names)


def test_an_unknown_ending_is_refused(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(TaskError, match=r"t\.xlsx.*'\.xlsx'.*\.parquet"):
        read_table(tmp_path / "t.xlsx", "y")
