"""The recipe "fast": I(T;Y) of training and of validation rows apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from infoprior.profiles import (
    PART_COLUMNS,
    PROFILE_COLUMNS,
    RECIPES,
    ProfileError,
    profile_network,
    validate_profile,
)
from infoprior.tasks import Task

FAST = RECIPES["fast"]


class Memorises:
    """Layers that know the training rows' labels by heart, and nothing or something of others."""

    layer_names = ("heart", "input", "constant", "diverged")

    def __init__(self, task: Task) -> None:
        known = {
            task.X[row].tobytes(): task.y[row] - 1.0 if row in task.train else 0.0
            for row in range(len(task.X))
        }
        self.known = known

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        labels = [[float(self.known[row.tobytes()])] for row in x.numpy()]
        return {
            "heart": torch.tensor(labels) + 0.1 * x[:, 1:3],
            "input": x,
            "constant": torch.ones(len(x), 2),
            "diverged": torch.full((len(x), 2), torch.inf),
        }


def test_memorised_labels_are_information_on_training_rows_alone(task: Task) -> None:
    table = profile_network(Memorises(task), task, recipe=FAST).set_index("layer")
    assert set(table.reset_index()) == {*PROFILE_COLUMNS, *PART_COLUMNS}
    assert set(table["recipe"]) == {"fast-1"}
    assert set(table["n_validation"]) == {100}
    h_y = table["h_y"]["heart"]
    assert table["mi_ty_training_rows"]["heart"] == pytest.approx(h_y, abs=0.1)
    assert table["mi_ty_validation_rows"]["heart"] < 0.1
    for column in ("mi_ty", "mi_ty_training_rows", "mi_ty_validation_rows"):
        assert table[column]["input"] == pytest.approx(h_y, abs=0.1)
        assert table[column][["constant", "diverged"]].tolist() == [0.0, 0.0]
    assert table["flags"][["constant", "diverged"]].tolist() == [
        "constant", "constant,non_finite"
    ]  # fmt: skip
    assert table["mi_ty_validation"].isna()["input"]  # no step is chosen


def test_it_agrees_with_tabular(task: Task) -> None:
    class Network:
        layer_names = ("tanh", "relu")

        def activations(self, x: Tensor) -> dict[str, Tensor]:
            weight = torch.linspace(-1, 1, 5 * 12).view(5, 12).sin()
            return {"tanh": torch.tanh(x), "relu": torch.relu(x @ weight)}

    fast = profile_network(Network(), task, recipe=FAST)
    tabular = profile_network(Network(), task)
    assert list(tabular) == list(PROFILE_COLUMNS)
    for column, error in (("mi_ty", 0.08), ("mi_xt", 0.15), ("effective_rank", 0.05),
                          ("dead_units", 0.0), ("sigma", 1e-3)):  # fmt: skip
        assert fast[column].to_numpy() == pytest.approx(tabular[column].to_numpy(), abs=error)


def test_few_rows_keep_both_parts_and_the_seed_decides(task: Task) -> None:
    few = replace(FAST, max_rows=80)
    a, b, c = (profile_network(Memorises(task), task, recipe=few, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(a, b)
    assert 0 < a["n_validation"][0] < 80
    assert a["n"][0] == 80
    assert not a["mi_ty"].equals(c["mi_ty"])


@pytest.mark.slow
def test_another_number_of_threads_changes_rounding_at_most(task: Task) -> None:
    few = replace(FAST, max_rows=80)
    one, two = (
        profile_network(Memorises(task), task, recipe=few, threads=threads) for threads in (1, 2)
    )
    assert np.abs(two["mi_ty"] - one["mi_ty"]).max() < 0.02


def test_a_recipe_of_one_pass_has_the_methods_of_the_pass(task: Task) -> None:
    for recipe, message in (
        (replace(FAST, name="other", ty_method="lda"), "takes 'flexible-lda' and 'noisy'"),
        (replace(FAST, name="other", ty_options={"steps": 3}), "unknown option 'steps'"),
        (replace(FAST, xt_options={"relative": 1.0}), "'fast-1' differs"),
    ):
        with pytest.raises(ProfileError, match=message):
            profile_network(Memorises(task), task, recipe=recipe)


def test_a_table_has_all_columns_of_parts_or_none(task: Task) -> None:
    table = profile_network(Memorises(task), task, recipe=FAST)
    assert validate_profile(table.drop(columns=list(PART_COLUMNS))).shape[1] == len(PROFILE_COLUMNS)
    with pytest.raises(ProfileError, match="lacks the columns"):
        validate_profile(table.drop(columns="n_validation"))
    table.loc[0, "mi_ty_training_rows"] = np.nan
    with pytest.raises(ProfileError, match="mi_ty_training_rows is not finite"):
        validate_profile(table)
