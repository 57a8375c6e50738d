"""Layers whose information is known, and what must not change a profile."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from infoprior.information import entropy
from infoprior.profiles import (
    PROFILE_COLUMNS,
    RECIPES,
    ProfileError,
    Recipe,
    get_recipe,
    profile_network,
    profile_networks,
    recipe_for,
    validate_profile,
)
from infoprior.tasks import Task

QUICK = Recipe("quick", 1, ty_options={"steps": 30, "hidden": 8}, xt_options={"relative": 1.0})


class Layers:
    """A network made of functions of the input, one per hidden layer."""

    def __init__(self, **layers: object) -> None:
        self.layers = layers
        self.layer_names = tuple(layers)

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        return {name: layer(x) for name, layer in self.layers.items()}  # type: ignore[operator]


def padded(x: Tensor) -> Tensor:
    return torch.cat([x[:, 1:2], torch.zeros(len(x), 3)], dim=1)


KNOWN = Layers(
    label=lambda x: x[:, :1] @ torch.tensor([[2.0, -1.0]]),
    noise=lambda x: torch.tanh(x[:, 1:]),
    constant=lambda x: torch.full((len(x), 7), 0.3),
    diverged=lambda x: torch.full((len(x), 3), torch.nan),
)
MEASURED = [name for name, dtype in PROFILE_COLUMNS.items() if dtype == "float64" and name != "h_y"]


def test_layers_of_known_information(task: Task) -> None:
    table = profile_network(KNOWN, task, architecture="known", epoch=3).set_index("layer")
    h_y = entropy(task.y[np.concatenate([task.train, task.validation])])
    assert table["h_y"].tolist() == [h_y] * 4
    assert table["mi_ty"]["label"] == pytest.approx(h_y, abs=0.1)
    assert table["mi_ty"]["noise"] == pytest.approx(0.0, abs=0.07)
    for name in ("constant", "diverged"):
        assert table.loc[name, MEASURED].tolist() == [
            1.0 if (name, column) == ("constant", "dead_units")
            else pytest.approx(0.984, abs=1e-3)
            if (name, column) == ("constant", "activation_entropy")
            else 0.0
            for column in MEASURED
        ]  # fmt: skip
    assert table["flags"]["constant"] == "constant"
    assert table["flags"]["diverged"] == "constant,non_finite"
    assert "ty:saturated" in table["flags"]["label"].split(",")  # near H(Y)
    assert table["width"].tolist() == [2, 4, 7, 3]
    assert table["layer_index"].tolist() == [0, 1, 2, 3]
    assert set(table["n"]) == {400}
    assert set(table["recipe"]) == {"tabular-1"}
    assert set(table["architecture"]) == {"known"}
    assert set(table["epoch"]) == {3}
    assert set(table["task"]) == {"test/three"}


def test_information_about_the_input_is_that_of_the_stated_noise(task: Task) -> None:
    # Independent Gaussians through noise of known size: log(1 + variance / sigma^2) / 2 each.
    recipe = replace(QUICK, xt_options={"sigma": 2.0})
    layers = Layers(four=lambda x: x[:, 1:], padded=padded)
    table = profile_network(layers, task, recipe=recipe).set_index("layer")
    variances = np.var(task.X[np.concatenate([task.train, task.validation])][:, 1:], axis=0)
    truth = 0.5 * np.log1p(variances / 4.0)
    assert table["mi_xt"]["four"] == pytest.approx(truth.sum(), abs=0.05)
    assert table["mi_xt"]["padded"] == pytest.approx(truth[0], abs=0.03)
    assert (table["mi_xt_lower"] <= table["mi_xt"]).all()
    assert (table["mi_xt"] <= table["mi_xt_upper"]).all()
    assert table["sigma"].tolist() == [2.0, 2.0]
    assert table["dead_units"].tolist() == [0.0, 0.75]
    assert table["effective_rank"].tolist() == pytest.approx([4.0, 1.0], abs=0.05)


def test_flags_say_which_quantity_they_are_about(task: Task) -> None:
    wide = Layers(wide=lambda x: x.repeat(1, 8) * torch.linspace(1, 2, 40) + x[:, :1])
    recipe = replace(QUICK, xt_options={"relative": 0.01})
    flags = profile_network(wide, task, recipe=recipe)["flags"][0].split(",")
    assert {"xt:saturated", "xt:bounds_disagree"} <= set(flags)
    assert {flag.split(":")[0] for flag in flags} == {"ty", "xt"}
    y = np.zeros(500, dtype=np.int64)
    y[task.train[:2]] = 1, 2
    rare = replace(task, y=y)
    row = profile_network(KNOWN, rare, recipe=replace(QUICK, max_rows=60)).iloc[1]
    assert row["mi_xt"] > 0.5
    assert "ty:constant" in row["flags"].split(",")  # the labels drawn are, the layer is not
    assert (row["mi_ty"], row["h_y"]) == (0.0, 0.0)


def test_many_networks_are_measured_as_each_alone(task: Task) -> None:
    def network(seed: int, width: int) -> Layers:
        w = torch.randn(5, width, generator=torch.Generator().manual_seed(seed))
        return Layers(
            first=lambda x: torch.tanh(x @ w), second=lambda x: torch.relu(x @ w)[:, : width // 2]
        )

    networks = [(network(0, 6), "a", 1), (network(1, 9), "b", 1), (network(0, 6), "a", 3)]
    together = profile_networks(networks, task, seed=4, recipe=QUICK)
    assert together["architecture"].tolist() == ["a", "a", "b", "b", "a", "a"]
    assert together["epoch"].tolist() == [1, 1, 1, 1, 3, 3]
    assert together["layer_index"].tolist() == [0, 1] * 3
    alone = [
        profile_network(n, task, seed=4, recipe=QUICK, architecture=a, epoch=e)
        for n, a, e in networks
    ]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), rtol=1e-3)
    with pytest.raises(ProfileError, match="two rows"):
        profile_networks([networks[0], networks[0]], task, recipe=QUICK)
    with pytest.raises(ProfileError, match="no network"):
        profile_networks([], task)


def test_feature_maps(task: Task) -> None:
    kernel = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))

    def maps(x: Tensor) -> Tensor:
        return conv2d(x[:, None, :, None] * torch.ones(4), kernel)

    network = Layers(maps=maps, head=lambda x: maps(x).mean(dim=(2, 3)))
    table = profile_network(network, task).set_index("layer")
    # A layer's recipe follows from its own shape.
    assert table["recipe"].to_dict() == {"maps": "maps-1", "head": "tabular-1"}
    assert table["width"].tolist() == [3 * 4 * 3, 3]
    assert table["mi_ty"]["maps"] > 0.8 * table["h_y"]["maps"]  # feature 0 is in the first row
    last = Layers(
        maps=lambda x: maps(x).contiguous(memory_format=torch.channels_last),
        head=network.layers["head"],
    )
    pd.testing.assert_frame_equal(profile_network(last, task), table.reset_index(), check_like=True)
    flat = Layers(maps=lambda x: maps(x).flatten(1))
    same = profile_network(flat, task, recipe=RECIPES["maps"]).iloc[0]
    for column in ("mi_xt", "sigma", "effective_rank", "activation_entropy"):
        assert table[column]["maps"] == pytest.approx(same[column], rel=1e-6)


def test_recipes(task: Task) -> None:
    maps, flat = np.zeros((4, 2, 3, 3)), np.zeros((4, 7))
    assert recipe_for([flat, flat]) is RECIPES["tabular"]
    assert recipe_for([maps, flat]) is RECIPES["maps"]
    with pytest.raises(ProfileError, match=r"Layers of \[3\] dimensions"):
        recipe_for([flat, maps[0]])
    for recipe in RECIPES.values():
        assert get_recipe(recipe.name) is get_recipe(recipe.id) is recipe
    with pytest.raises(ProfileError, match="no recipe 'tabular-0', it has"):
        get_recipe("tabular-0")
    # Fewer rows are no other recipe (the column n tells); other options are.
    fewer = replace(RECIPES["tabular"], max_rows=60, ty_options={**RECIPES["tabular"].ty_options})
    assert set(profile_network(KNOWN, task, recipe=fewer)["n"]) == {60}
    with pytest.raises(ProfileError, match="'tabular-1' differs"):
        profile_network(KNOWN, task, recipe=replace(fewer, ty_options={"steps": 1}))
    with pytest.raises(ProfileError, match="max_rows is 0"):
        profile_network(KNOWN, task, recipe=replace(QUICK, max_rows=0))
    with pytest.raises(ValueError, match="no option 'stpes'"):
        profile_network(KNOWN, task, recipe=replace(QUICK, ty_options={"stpes": 1}))


def test_a_recipe_of_ones_own_leaves_missing_what_its_methods_lack(task: Task) -> None:
    recipe = Recipe("neighbours", 1, ty_method="ross", xt_method="copula")
    table = profile_network(KNOWN, task, recipe=recipe).set_index("layer")
    assert np.isnan(table.loc["noise", ["mi_ty_train", "sigma", "step_ty"]].to_numpy(float)).all()
    assert table.loc["constant", ["mi_ty_train", "sigma", "step_ty"]].tolist() == [0.0, 0.0, 0.0]
    assert np.isfinite(table[["mi_xt", "mi_ty"]].to_numpy()).all()


def test_test_rows_do_not_matter(task: Task) -> None:
    features, labels = task.X.copy(), task.y.copy()
    features[task.test] = 1e6
    labels[task.test] = 0
    changed = replace(task, X=features, y=labels)
    recipe = replace(QUICK, max_rows=200)
    a, b = (profile_network(KNOWN, t, recipe=recipe) for t in (task, changed))
    pd.testing.assert_frame_equal(a, b)
    assert set(a["n"]) == {200}


def test_deterministic_and_seeded(task: Task) -> None:
    first = profile_network(KNOWN, task, seed=1, recipe=QUICK)
    pd.testing.assert_frame_equal(
        first, profile_network(KNOWN, task, seed=1, recipe=QUICK), check_exact=True
    )
    second = profile_network(KNOWN, task, seed=2, recipe=QUICK)
    assert first["mi_xt"].tolist() != second["mi_xt"].tolist()
    assert second["seed"].tolist() == [2] * 4


def test_columns_and_dtypes(task: Task) -> None:
    table = profile_network(KNOWN, task, recipe=QUICK)
    assert list(table) == list(PROFILE_COLUMNS)
    for name, dtype in PROFILE_COLUMNS.items():
        if dtype == "str":
            assert all(isinstance(v, str) for v in table[name])
        else:
            assert table[name].dtype == dtype
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    # Survives parquet's round trip, and a table without rows.
    pd.testing.assert_frame_equal(validate_profile(table.iloc[:0]), table.iloc[:0])


def test_threads_are_given_back(task: Task) -> None:
    before = torch.get_num_threads()
    with pytest.raises(ProfileError, match="no hidden layers"):
        profile_network(Layers(), task, threads=before + 1)
    assert torch.get_num_threads() == before


def test_networks_that_cannot_be_read(task: Task) -> None:
    image = Layers(image=lambda x: x[:, :, None])
    with pytest.raises(ProfileError, match=r"'image' have shape \(400, 5, 1\)"):
        profile_network(image, task)
    with pytest.raises(ProfileError, match=r"n = 400 is needed"):
        profile_network(image, task, recipe=QUICK)
    with pytest.raises(ProfileError, match="shape"):
        profile_network(Layers(fewer=lambda x: x[1:]), task)
    image.layer_names = ("other",)
    with pytest.raises(ProfileError, match="'other'"):
        profile_network(image, task)


def test_tables_that_are_no_profile(task: Task) -> None:
    table = profile_network(KNOWN, task, recipe=QUICK)
    broken = {
        "lacks the columns": table.drop(columns="mi_xt"),
        "unknown columns": table.assign(more=1),
        "mi_ty is not finite in row 1": table.assign(mi_ty=[0.0, math.nan, 0.0, 0.0]),
        "sigma is not finite in row 2": table.assign(sigma=[0.0, math.nan, math.inf, 0.0]),
        "two rows": pd.concat([table, table]),
        "unknown flags": table.assign(flags="constant,tired"),
        r"unknown flags \['saturated'\]": table.assign(flags="saturated"),
        "width holds": table.assign(width=0.5),
        "layer holds": table.assign(layer=1),
    }
    for words, bad in broken.items():
        with pytest.raises(ProfileError, match=words):
            validate_profile(bad)
