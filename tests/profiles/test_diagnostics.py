"""Rises of information with depth, against tables made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from infoprior.profiles import data_processing


def table(ty: list[float], xt: list[float], **columns: Any) -> pd.DataFrame:
    xt_ = np.array(xt)
    depth = len(ty)
    return pd.DataFrame({
        "task": "t", "architecture": "a", "seed": 0, "epoch": 1, "recipe": "tabular-1",
        "layer": [f"hidden_{i + 1}" for i in range(depth)], "layer_index": range(depth),
        "mi_ty": ty, "mi_ty_fold_spread": 0.0, "mi_xt": xt, "mi_xt_lower": xt_ - 0.1,
        "mi_xt_upper": xt_ + 0.1, "flags": "", **columns,
    })  # fmt: skip


def test_information_that_falls_does_not_rise() -> None:
    (row,) = data_processing(table([1.0, 0.8, 0.7], [3.0, 2.5, 2.6])).to_dict("records")
    assert row["layers"] == 3
    assert row["ty_rise"] == pytest.approx(-0.1)
    assert (row["ty_from"], row["ty_to"], row["ty_beyond"]) == ("hidden_2", "hidden_3", False)
    # Up by 0.1, but the bounds are 0.2 apart twice.
    assert row["xt_rise"] == pytest.approx(0.1)
    assert row["xt_error"] == pytest.approx(0.4)
    assert not row["xt_beyond"]


def test_rises_are_found_between_any_two_layers_and_set_against_the_error() -> None:
    rising = table([0.5, 0.45, 0.9], [1.0, 1.3, 1.7])
    (row,) = data_processing(rising.sample(frac=1, random_state=0)).to_dict("records")
    assert row["ty_rise"] == pytest.approx(0.45)
    assert (row["ty_from"], row["ty_to"], row["ty_error"]) == ("hidden_2", "hidden_3", 0.05)
    assert row["ty_beyond"]
    assert (row["xt_from"], row["xt_to"]) == ("hidden_1", "hidden_3")
    assert row["xt_beyond"]
    (row,) = data_processing(rising.assign(mi_ty_fold_spread=[0.0, 0.8, 1.1])).to_dict("records")
    # The largest rise is within its error of 0.61 now; so is that from the first layer, with 0.49.
    assert not row["ty_beyond"]
    assert row["ty_error"] == pytest.approx(1.1 / 5**0.5)
    certain = rising.assign(mi_ty_fold_spread=[0.0, 1.2, 0.0], mi_ty=[0.5, 0.2, 0.7])
    (row,) = data_processing(certain).to_dict("records")
    assert (row["ty_from"], row["ty_error"], row["ty_beyond"]) == ("hidden_1", 0.05, True)


def test_networks_apart_and_what_cannot_be_compared() -> None:
    one = table([0.1], [1.0], architecture="one")
    diverged = table(
        [0.1, 0.9], [1.0, 1.1], architecture="diverged", flags=["", "constant,non_finite"]
    )
    unbounded = table([0.1, 0.2], [1.0, 9.0], architecture="unbounded", mi_xt_upper=np.nan,
                      mi_ty_fold_spread=np.nan)  # fmt: skip
    both = pd.concat([one, diverged, unbounded, table([0.1, 0.2], [1.0, 1.0], epoch=9)])
    summary = data_processing(both).set_index(["architecture", "epoch"])
    assert summary.index.tolist() == [("a", 9), ("diverged", 1), ("one", 1), ("unbounded", 1)]
    assert summary["layers"].tolist() == [2, 1, 1, 2]
    assert summary["ty_beyond"].tolist() == [True, False, False, True]
    assert summary["xt_beyond"].tolist() == [False] * 4
    assert summary["ty_from"].tolist() == ["hidden_1", "", "", "hidden_1"]
    assert summary["xt_rise"].tolist() == [0.0, 0.0, 0.0, 8.0]
    assert list(data_processing(both.iloc[:0])) == list(data_processing(both))


def test_unlike_noise_is_not_compared() -> None:
    mixed = table([0.5, 0.4], [1.0, 9.0], recipe=["maps-1", "tabular-1"])
    (row,) = data_processing(mixed).to_dict("records")
    assert (row["layers"], row["xt_beyond"], row["xt_from"]) == (2, False, "")
    assert (row["ty_from"], row["ty_to"]) == ("hidden_1", "hidden_2")
    assert data_processing(mixed.assign(recipe="tabular-1"))["xt_beyond"].tolist() == [True]
