"""Columns of a table: every type that pandas has is read right, or named."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorError
from tests.priors.past import random_study

pd = pytest.importorskip("pandas")

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.1, 0.7),
    "s": FloatDistribution(0.0, 1.0, step=0.1),
    "k": IntDistribution(1, 8),
    "c": CategoricalDistribution((0.1, 0.3, "a")),
}
ROWS: dict[str, list[Any]] = {
    "x": [0.1, 0.7, 0.3, 0.6],
    "s": [0.3, 0.7, 0.1, 0.9],
    "k": [1, 8, 3, 4],
    "value": [0.5, 1.5, 2.5, 3.5],
}


def frame(**columns: Any) -> Any:
    return pd.DataFrame({**ROWS, **columns})


PLAIN = Prior.from_trials(frame(), space=SPACE)


@pytest.mark.parametrize(
    "dtypes",
    [
        {"x": "float32", "s": "float32", "value": "float16"},
        {"x": "float16", "s": "float16"},
        {"x": "Float32", "s": "Float32", "k": "Int8", "value": "Float64"},
        {"x": object, "s": object, "k": object, "value": object},
        {"k": "float64", "value": "float32"},
        {"k": "uint8"},
        {"x": "float[pyarrow]", "s": "double[pyarrow]", "k": "int8[pyarrow]"},
    ],
)
def test_every_numeric_type_says_the_same(dtypes: dict[str, Any]) -> None:
    """0.7 in single precision is a value of the grid, and the end of its range."""
    prior = Prior.from_trials(frame().astype(dtypes), space=SPACE)
    assert prior.metadata["values_moved"] == 0
    assert prior == PLAIN
    assert (
        Prior.from_trials(frame().astype(dtypes), space=SPACE, outside="drop").metadata
        == PLAIN.metadata
    )


def test_choices_of_single_precision_are_found() -> None:
    column = np.array([0.3, 0.1, 0.3, 0.1], dtype=np.float32)
    for each in (column, list(column), pd.array(column, dtype="Float32")):
        prior = Prior.from_trials(frame(c=each), space=SPACE)
        assert prior == Prior.from_trials(frame(c=[0.3, 0.1, 0.3, 0.1]), space=SPACE)
    assert Prior.from_trials(frame(params_x=column)).space == {"x": FloatDistribution(0.1, 0.3)}


def test_missing_cells_of_every_type_are_missing() -> None:
    expected = Prior.from_trials(frame(k=[1, np.nan, 3, np.nan]), space=SPACE)
    for column in (
        pd.array([1, None, 3, None], dtype="Int64"),
        pd.Series([1, pd.NA, 3, None], dtype=object),
        pd.Series([1, pd.NaT, 3, float("nan")], dtype=object),
    ):
        assert Prior.from_trials(frame(k=column), space=SPACE) == expected


def test_directions_are_taken_as_optuna_has_them() -> None:
    study = random_study([0.5] * 3, 20, np.random.default_rng(0))
    table = study.trials_dataframe()
    same = Prior.from_trials(table)
    assert Prior.from_trials(table, direction=study.direction) == same
    assert Prior.from_trials(table, direction=study.directions) == same
    assert Prior.from_trials(table, direction=(StudyDirection.MINIMIZE,)) == same
    up = Prior.from_trials(table, direction=StudyDirection.MAXIMIZE)
    assert up == Prior.from_trials(table, direction="maximize") != same


def test_states_are_taken_as_optuna_has_them() -> None:
    names = ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    expected = Prior.from_trials(frame(state=names), space=SPACE)
    assert expected.metadata["trials_failed"] == 1
    for state in ([TrialState[n] for n in names], [f"TrialState.{n}" for n in names]):
        column = pd.Series(state, dtype=object)
        assert Prior.from_trials(frame(state=column), space=SPACE) == expected


def test_a_parameter_may_be_named_as_a_column_of_optunas() -> None:
    space: dict[str, BaseDistribution] = {"state": CategoricalDistribution(("ohio", "utah"))}
    table = frame(state=["ohio", "utah", "ohio", "ohio"])
    assert Prior.from_trials(table, space=space).metadata["trials_complete"] == 4
    with pytest.raises(PriorError, match=r"^value: the frame has no column 'value';"):
        Prior.from_trials(frame(), space={"value": FloatDistribution(0, 4)})
    with pytest.raises(PriorError, match=r"^study: the frame has no column 'k' beside"):
        Prior.from_trials(frame(), space=SPACE, study="k")


def test_ints_that_floats_cannot_tell_apart_are_ranked() -> None:
    """As nanoseconds since 1970, and beyond."""
    order = [3, 0, 2, 1]
    for start in (2**60, -(2**60), 10**400):
        column = pd.Series([start + i for i in order], dtype=object)
        for direction in ("minimize", "maximize"):
            assert Prior.from_trials(
                frame(value=column), space=SPACE, direction=direction
            ) == Prior.from_trials(frame(value=order), space=SPACE, direction=direction)


def test_a_column_wider_than_floats_is_the_worst_of_both_ends() -> None:
    column = pd.Series([0.5, -(10**400), 10**400, 1.5], dtype=object)
    assert Prior.from_trials(frame(value=column), space=SPACE).metadata["trials_not_finite"] == 2


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


NOT_NUMBERS: list[Any] = [
    "0.5",
    True,
    1j,
    decimal.Decimal("0.5"),
    datetime.date(2020, 1, 1),
    [1],
    Odd(),
]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=[type(v).__name__ for v in NOT_NUMBERS])
def test_cells_that_are_no_numbers_are_named(value: Any) -> None:
    column = pd.Series([0.5, value, 0.3, 0.2], dtype=object)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"x": column}, "^frame: column 'x' needs numbers for x in "),
        ({"k": column}, "^frame: column 'k' needs numbers for k in "),
        ({"value": column}, "^value: column 'value' needs numbers, got "),
    ]
    if not isinstance(value, list):
        cases.append(
            ({"system_attrs_constraints": column}, "^frame: column 'system_attrs_con.* numbers or")
        )
    for columns, match in cases:
        with pytest.raises(PriorError, match=match):
            Prior.from_trials(frame(**columns), space=SPACE)


@pytest.mark.parametrize(
    ("columns", "kwargs", "match"),
    [
        ({"c": ["0.1", "0.3", "0.1", "b"]}, {}, "^frame: column 'c' has no value that is a choice"),
        ({"c": pd.to_datetime(["2020"] * 4)}, {}, "^frame: column 'c' has no value that is"),
        ({"task": ["a", None, "b", "b"]}, {"study": "task"}, "^study: column 'task' does not say"),
        ({}, {"study": 3}, "^study: needs the name of a column, got 3"),
        ({}, {"value": 3}, "^value: needs the name of a column, or several, got 3"),
        ({}, {"value": []}, "^value: needs the name of a column, or several, got none"),
        ({}, {"value": [None]}, "^value: needs the name of a column, got None"),
        ({}, {"direction": StudyDirection.NOT_SET}, "^direction: .*NOT_SET"),
        ({}, {"direction": None}, "^direction: needs 'minimize' or 'maximize', or several"),
        ({}, {"direction": [1]}, "^direction: needs to be 'minimize' or 'maximize', got 1"),
        ({}, {"outside": None}, "^outside: needs to be 'move' or 'drop', got None"),
        ({}, {"top": float("nan")}, "^top: needs a finite number"),
        ({}, {"max_components": 2.0}, "^max_components: needs a whole number, got 2.0"),
        ({"state": [1, 1, None, 1]}, {}, "^frame: column 'state' holds '1.0'"),
    ],
)
def test_wrong_columns_are_named(columns: dict[str, Any], kwargs: Any, match: str) -> None:
    with pytest.raises(PriorError, match=match):
        Prior.from_trials(frame(**columns), space=SPACE, **kwargs)


@pytest.mark.parametrize(
    ("column", "match"),
    [
        ([0.1, np.inf, 0.3, 0.2], "^frame: column 'p' holds inf; leave such rows out"),
        ([1, 2, 3, 2**60], r"^frame: column 'p' holds ints beyond 2\*\*53"),
        (pd.to_datetime(["2020"] * 4), "^frame: column 'p' holds lists or the like"),
        ([-1.7e308, 1.7e308, 0.0, 1.0], "'p' needs finite bounds and a finite range"),
    ],
)
def test_columns_that_suggest_no_distribution_are_named(column: Any, match: str) -> None:
    with pytest.raises(PriorError, match=match):
        Prior.from_trials(frame(params_p=column))


def test_wrong_settings_are_named_before_anything_is_read() -> None:
    class Unread(optuna.storages.InMemoryStorage):
        def get_all_studies(self) -> Any:
            raise AssertionError("read")

    for wrong in ({"bandwidth": 2.0}, {"floor": 0.0}, {"max_components": 0}, {"top": 0.0}):
        with pytest.raises(PriorError, match=f"^{next(iter(wrong))}: "):
            Prior.from_studies(Unread(), **wrong)  # type: ignore[arg-type]
