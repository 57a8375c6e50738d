"""Networks that users bring: what is read of them, what stays as it was, what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from infoprior import profile
from infoprior.profiles import (
    ProfileError,
    Recipe,
    TaskProfile,
    data_processing,
    get_recipe,
    profile_images,
    profile_network,
    profile_networks,
    profile_task,
    recipe_for,
    validate_profile,
)
from infoprior.tasks import Task, load_task

QUICK = Recipe("quick", 1, ty_options={"steps": 5, "hidden": 4}, xt_options={"relative": 1.0})


@pytest.fixture(scope="module")
def wine() -> Task:
    return load_task("sklearn/wine")


class Network(nn.Module):
    """One layer, read in the mode the module is in."""

    layer_names = ("hidden",)

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear = nn.Linear(13, 6)
        self.normalization, self.dropout = nn.BatchNorm1d(6), nn.Dropout(0.5)

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        return {"hidden": self.dropout(torch.tanh(self.normalization(self.linear(x))))}


class Gives:
    """Gives what a function makes of its inputs."""

    def __init__(self, layer: Callable[[Tensor], Any], names: Any = ("hidden",)) -> None:
        self.layer, self.layer_names = layer, names

    def activations(self, x: Tensor) -> Any:
        return {"hidden": self.layer(x)}


def test_a_network_in_training_is_read_in_evaluation_and_left_in_training(wine: Task) -> None:
    network = Network()
    network.normalization.eval()  # frozen, as in fine-tuning
    before = copy.deepcopy(network.state_dict())
    table = profile_network(network, wine, recipe=QUICK)
    assert network.training
    assert network.dropout.training
    assert not network.normalization.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert table.equals(profile_network(network.eval(), wine, recipe=QUICK))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_any_precision_are_read(dtype: torch.dtype, wine: Task) -> None:
    network = Network().eval()
    plain = profile_network(network, wine, recipe=QUICK)
    table = profile_network(network.to(dtype), wine, recipe=QUICK)
    for column in ("mi_ty", "mi_xt", "sigma"):
        np.testing.assert_allclose(table[column], plain[column], atol=0.02)


@pytest.mark.parametrize(
    "kind",
    [
        Tensor.numpy, Tensor.tolist, Tensor.to_sparse, Tensor.double,
        lambda t: pd.DataFrame(t.numpy()), lambda t: t.clone().requires_grad_() * 1.0,
        lambda t: nn.Parameter(t.clone()),
    ],
)  # fmt: skip
def test_activations_may_be_arrays_of_any_kind(kind: Callable[[Tensor], Any], wine: Task) -> None:
    plain = profile_network(Gives(lambda x: torch.relu(x)), wine, recipe=QUICK)
    table = profile_network(Gives(lambda x: kind(torch.relu(x))), wine, recipe=QUICK)
    pd.testing.assert_frame_equal(table, plain)


def test_layers_that_work_in_place_change_no_other_row(wine: Task) -> None:
    def in_place(x: Tensor) -> Tensor:
        return x.mul_(2.0).relu_()

    plain = profile_network(Gives(lambda x: torch.relu(2.0 * x)), wine, recipe=QUICK)
    pd.testing.assert_frame_equal(profile_network(Gives(in_place), wine, recipe=QUICK), plain)


def test_a_layer_with_a_value_that_is_not_finite_is_flagged(wine: Task) -> None:
    def one_bad(x: Tensor) -> Tensor:
        x[3, 2] = torch.inf
        return x

    row = profile_network(Gives(one_bad), wine, recipe=QUICK).iloc[0]
    assert row["flags"] == "constant,non_finite"
    assert row["mi_ty"] == 0.0


REFUSED: dict[str, tuple[Any, str]] = {
    "sequential": (nn.Sequential(nn.Linear(13, 4)), "Sequential, has no layer_names"),
    "text": ("network", "str, has no layer_names"),
    "class": (Network, "is the class Network; give one of its objects"),
    "one name": (Gives(lambda x: x, "hidden"), "layer_names is 'hidden'"),
    "numbers": (Gives(lambda x: x, (1,)), "give texts"),
    "none": (Gives(lambda x: x, ()), "no hidden layers"),
    "twice": (Gives(lambda x: x, ("hidden", "hidden")), r"names the layers \['hidden'\] twice"),
    "missing": (Gives(lambda x: x, ("hidden", "last")), "names a layer 'last'"),
    "rows": (Gives(lambda x: x[:9]), r"shape \(9, 13\)"),
    "vector": (Gives(lambda x: x[:, 0]), r"shape \(144,\)"),
    "sequence": (Gives(lambda x: x[:, None]), r"shape \(144, 1, 13\)"),
    "complex": (Gives(lambda x: x + 1j), "'hidden' are no real numbers"),
    "words": (Gives(lambda x: ["a"] * len(x)), "'hidden' are no real numbers"),
    "nothing": (Gives(lambda x: None), "'hidden' are no real numbers"),
    "meta": (Network().to("meta"), "no real numbers .* on meta"),
    "fails": (Gives(lambda x: x @ torch.ones(5, 5)), r"fails on X of shape \(144, 13\).*RuntimeEr"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_cannot_be_read_are_refused_by_what_is_wrong(case: str, wine: Task) -> None:
    network, message = REFUSED[case]
    with pytest.raises(ProfileError, match=message):
        profile(wine, network)


def test_activations_have_to_be_a_dict(wine: Task) -> None:
    network = Network()
    network.activations = lambda x: (x,)  # type: ignore[assignment]
    with pytest.raises(ProfileError, match="gives tuple; a dict"):
        profile(wine, network)


def test_arguments_that_cannot_be_are_refused_by_name(wine: Task) -> None:
    network = Network()
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: profile("wine.csv"), "task is 'wine.csv'; give a Task"),  # type: ignore[arg-type]
        (lambda: profile(wine, network, seed=-1), "seed = -1"),
        (lambda: profile(wine, network, seed=2**64), "seed = .* below"),
        (lambda: profile_network(None, wine), "NoneType, has no layer_names"),  # type: ignore[arg-type]
        (lambda: profile_network(network, wine, recipe="tabular"), "recipe = 'tabular'"),  # type: ignore[arg-type]
        (lambda: profile_network(network, wine, architecture=3), "architecture is 3"),  # type: ignore[arg-type]
        (lambda: profile_network(network, wine, epoch=-1), "epoch = -1"),
        (lambda: profile_networks([network], wine), "something else than triples"),  # type: ignore[list-item]
        (lambda: profile_task(wine, epochs=0), "epochs = 0"),
        (lambda: profile_task(wine, epochs=2, at=(3,)), r"at names the epochs \[3\]"),
        (lambda: profile_task(wine, epochs=2, at=()), "at holds no epoch"),
        (lambda: profile_task(wine, epochs=2, record=2), "record = 2"),  # type: ignore[arg-type]
        (lambda: profile_images(None), "task is None"),  # type: ignore[arg-type]
        (lambda: get_recipe("best"), "no recipe 'best'"),
        (lambda: recipe_for([1.0]), "something else than arrays"),
        (lambda: data_processing(pd.DataFrame({"task": ["a"]})), "lacks the columns"),
        (lambda: validate_profile([1]), "is list; give a pandas DataFrame"),  # type: ignore[arg-type]
        (lambda: TaskProfile("a", {}, None, None), "NoneType"),  # type: ignore[arg-type]
        (
            lambda: profile_network(network, wine, recipe=replace(QUICK, ty_options=5)),  # type: ignore[arg-type]
            "ty_options is 5",
        ),
    ]
    for call, message in calls:
        with pytest.raises(ProfileError, match=message):
            call()
