"""Layers whose information is known, and what must not change a profile."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from infoprior.information import MineSettings, entropy
from infoprior.profiles import PROFILE_COLUMNS, ProfileError, profile_network, validate_profile
from infoprior.tasks import Task

QUICK = MineSettings(hidden=32, steps=150)


class Layers:
    """A network made of functions of the input, one per hidden layer."""

    def __init__(self, **layers: object) -> None:
        self.layers = layers
        self.layer_names = tuple(layers)

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        return {name: layer(x) for name, layer in self.layers.items()}  # type: ignore[operator]


KNOWN = Layers(
    label=lambda x: x[:, :1] @ torch.tensor([[2.0, -1.0]]),
    noise=lambda x: torch.tanh(x[:, 1:]),
    constant=lambda x: torch.full((len(x), 7), 0.3),
    diverged=lambda x: torch.full((len(x), 3), torch.nan),
)


def test_layers_of_known_information(task: Task) -> None:
    table = profile_network(KNOWN, task, architecture="known", epoch=3).set_index("layer")
    h_y = entropy(task.y[np.concatenate([task.train, task.validation])])
    assert table["h_y"].tolist() == [h_y] * 4
    assert table["mi_ty"]["label"] == pytest.approx(h_y, abs=0.1)
    assert table["mi_ty"]["noise"] == pytest.approx(0.0, abs=0.05)
    assert table["mi_xt"]["label"] > 0.8
    assert table["mi_xt"]["noise"] > 0.8  # it copies four features
    for name in ("constant", "diverged"):
        assert table.loc[name, ["mi_xt", "mi_ty", "step_xt", "step_ty"]].tolist() == [0, 0, 0, 0]
    assert table["flags"]["constant"] == "constant"
    assert table["flags"]["diverged"] == "constant,non_finite"
    assert table["width"].tolist() == [2, 4, 7, 3]
    assert table["layer_index"].tolist() == [0, 1, 2, 3]
    assert set(table["n"]) == {400}
    assert set(table["architecture"]) == {"known"}
    assert set(table["epoch"]) == {3}
    assert set(table["task"]) == {"test/three"}


def test_test_rows_do_not_matter(task: Task) -> None:
    features, labels = task.X.copy(), task.y.copy()
    features[task.test] = 1e6
    labels[task.test] = 0
    changed = replace(task, X=features, y=labels)
    settings = replace(QUICK, max_rows=200)
    a, b = (profile_network(KNOWN, t, settings=settings) for t in (task, changed))
    pd.testing.assert_frame_equal(a, b)
    assert set(a["n"]) == {200}


def test_deterministic_and_seeded(task: Task) -> None:
    first = profile_network(KNOWN, task, seed=1, settings=QUICK)
    pd.testing.assert_frame_equal(first, profile_network(KNOWN, task, seed=1, settings=QUICK))
    second = profile_network(KNOWN, task, seed=2, settings=QUICK)
    assert first["mi_xt"].tolist() != second["mi_xt"].tolist()
    assert second["seed"].tolist() == [2] * 4


def test_columns_and_dtypes(task: Task) -> None:
    table = profile_network(KNOWN, task, settings=QUICK)
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
    with pytest.raises(ProfileError, match="flatten"):
        profile_network(image, task)
    image.layer_names = ("image", "other")
    with pytest.raises(ProfileError, match="flatten"):
        profile_network(image, task)
    image.layer_names = ("other",)
    with pytest.raises(ProfileError, match="'other'"):
        profile_network(image, task)


def test_tables_that_are_no_profile(task: Task) -> None:
    table = profile_network(KNOWN, task, settings=QUICK)
    broken = {
        "lacks the columns": table.drop(columns="mi_xt"),
        "unknown columns": table.assign(more=1),
        "mi_ty is not finite in row 1": table.assign(mi_ty=[0.0, math.nan, 0.0, 0.0]),
        "two rows": pd.concat([table, table]),
        "unknown flags": table.assign(flags="constant,tired"),
        "width holds": table.assign(width=0.5),
        "layer holds": table.assign(layer=1),
    }
    for words, bad in broken.items():
        with pytest.raises(ProfileError, match=words):
            validate_profile(bad)
