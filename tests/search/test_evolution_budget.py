"""What `evolve` spends its budget on: assessments are paid for, mutations are tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import infoprior.search.evolution.steps as steps
from infoprior.profiles import get_recipe
from infoprior.search.evolution import (
    Evolution,
    EvolutionError,
    EvolutionSettings,
    assessment_epochs,
    evolve,
    network_multiply_adds,
)
from infoprior.search.evolution.costs import RECIPE
from infoprior.search.evolution.importance import _averaged
from infoprior.search.evolution.individual import load_state
from infoprior.search.evolution.settings import MUTATIONS
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP
from infoprior.tasks import Task, load_task
from tests.search.test_evolution import QUICK, Killed, make_task, quick, rings, same

MUTATES = EvolutionSettings(
    tau_0=0.0, saturated=1.0, max_width=64, max_depth=1, kl_bound=1.0, margin=10.0, rest=2,
    interval=1, assessment_cost=0.0,
)  # fmt: skip
"""Nothing is pruned or expanded, and whatever is mutated is kept."""


def images(n: int = 100) -> Task:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=n)
    x = rng.normal(size=(n, 1, 8, 8))
    x[:, 0, :, :4] += y[:, None, None]
    return make_task(x, y, "images")


def mutated(seed: int = 0, **options: Any) -> Evolution:
    network = CNN((1, 8, 8), 2, (6, 6), 3, "relu", "batch", seed=seed)
    return quick(network, images(), epochs=12, seed=seed, **{"settings": MUTATES, **options})


def test_flattened_maps_are_averaged_too() -> None:
    rows = torch.arange(2 * 3 * 6 * 6, dtype=torch.float32).reshape(2, 3, 6, 6)
    expected = nn.functional.adaptive_avg_pool2d(rows, 4)
    assert torch.equal(_averaged(rows, 3, 4), expected)
    assert torch.equal(_averaged(rows.flatten(1), 3, 4), expected)
    assert _averaged(rows[..., :5].flatten(1), 3, 4).shape == (2, 3, 16, 1)  # bands of rows
    vector = rows.flatten(1)
    assert _averaged(vector, 108, 4) is vector


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutations do not wait for validation to stop improving."""
    monkeypatch.setattr(steps, "STALLED", 0)


@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("attribute", MUTATIONS)
def test_activations_normalizations_kernels_and_strides_are_mutated(attribute: str) -> None:
    settings = replace(MUTATES, mutations=(attribute,))
    events = mutated(settings=settings).events
    assert set(events["event"]) <= {"mutate", "kept", "undone", "rest"}
    changes = events[events["event"] == "mutate"]
    assert len(changes) >= 2
    assert set(changes["attribute"]) == {attribute}
    assert (changes["value_before"] != changes["value_after"]).all()
    assert (changes["width_before"] == changes["width_after"]).all()
    if attribute == "kernel":
        larger = changes["value_after"].astype(int) > changes["value_before"].astype(int)
        assert larger.any()
        assert (changes["divergence"][larger].abs() < 1e-6).all()  # the answers are the same


@pytest.mark.usefixtures("_eager")
def test_mutations_are_what_the_network_becomes_and_resume_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = mutated()
    write = steps.Search._write
    counted: list[int] = []

    def failing(self: Any, run: Any) -> None:
        counted.append(1)
        if len(counted) % 3 == 0:
            raise Killed
        write(self, run)

    with monkeypatch.context() as patch:
        patch.setattr(steps.Search, "_write", failing)
        for _ in range(20):
            try:
                resumed = mutated(out=tmp_path)
                break
            except Killed:
                continue
    assert len(counted) > 4
    same(plain, resumed)
    network = CNN((1, 8, 8), 2, (6, 6), 3, "relu", "batch")
    x = steps.TaskTensors(images()).x[:64]
    individuals, state = load_state(tmp_path / "state.safetensors", network, x)
    attributes = {each.get("attribute") for each in individuals["now"].operations}
    assert len(attributes - {None}) >= 2
    assert state["cost"] == 12.0


@pytest.mark.usefixtures("_eager")
def test_random_surgery_mutates_what_another_run_mutated() -> None:
    informed = mutated(1)
    control = mutated(1, strategy="random", schedule=informed.events)

    def attributes(evolution: Evolution) -> dict[int, str]:
        rows = evolution.events[evolution.events["event"] == "mutate"]
        return dict(zip(rows["step"], rows["attribute"], strict=True))

    assert attributes(control).items() <= attributes(informed).items()
    assert len(attributes(control)) >= 2
    with pytest.raises(EvolutionError, match="events of a run"):
        mutated(strategy="random", schedule=informed.events[["step", "event"]])


def test_assessments_are_charged_to_the_budget() -> None:
    network = MLP(4, 2, (48, 3), "gelu")
    free = quick(network, epochs=30)
    paid = quick(network, epochs=30, settings=EvolutionSettings(assessment_cost=2.5))
    assert free.epochs == 30
    assert free.cost == 1.0
    measured = paid.structure[paid.structure["information"].notna()]
    steps_measured = sorted(measured["step"].unique())
    undone = paid.events[paid.events["event"] == "undone"]["step"]
    charged = len(set(steps_measured) - set(undone))  # what was undone isn't assessed again
    assert paid.cost == pytest.approx((paid.epochs + 2.5 * charged) / 30)
    assert 1 - 1 / 30 < paid.cost <= 1.0
    assert paid.epochs < free.epochs
    assert charged >= 3


def test_without_the_means_for_an_assessment_there_is_training_only() -> None:
    settings = EvolutionSettings(assessment_cost=30.0)
    plain = quick(MLP(4, 2, (48, 3), "gelu"), epochs=12, settings=settings)
    assert plain.epochs == 12
    assert plain.cost == 1.0
    assert plain.events.empty
    assert plain.structure["information"].isna().all()
    assert set(plain.structure["flags"]) == {"not_assessed"}
    # The last assessment leaves an interval at least to learn in.
    settings = EvolutionSettings(assessment_cost=6.0)
    assert quick(MLP(4, 2, (48,)), epochs=12, settings=settings).epochs == 6
    settings = EvolutionSettings(assessment_cost=6.5)
    assert quick(MLP(4, 2, (48,)), epochs=12, settings=settings).epochs == 12


def test_random_surgery_is_charged_for_training_alone() -> None:
    settings = EvolutionSettings(assessment_cost=3.0)
    network = MLP(4, 2, (48, 3), "gelu")
    informed = quick(network, epochs=27, settings=settings)
    control = quick(
        network, epochs=27, settings=settings, strategy="random", schedule=informed.events,
        budget=informed.epochs / 27,
    )  # fmt: skip
    assert informed.epochs < 27
    assert control.epochs == informed.epochs
    assert control.cost == pytest.approx(control.epochs / 27)
    assert set(control.structure["flags"]) == {"not_assessed"}


def test_the_default_charge_is_the_rule_that_was_measured() -> None:
    assert assessment_epochs(RECIPE, 1500, 1500) == pytest.approx((350 + 0.8 * 1500) / 1500)
    tabular = get_recipe("tabular")
    assert assessment_epochs(tabular, 9000, 6000) == pytest.approx((2000 + 5 * 1500) / 6000)
    task = rings()
    evolution = evolve(MLP(4, 2, (16,)), task, epochs=12, recipe=QUICK, progress=False)
    charge = assessment_epochs(QUICK, 400, 300)
    assessed = evolution.structure["information"].notna().sum()
    assert evolution.cost * 12 == pytest.approx(evolution.epochs + charge * assessed)
    assert evolution.structure["rank"].dtype == np.float64
    with pytest.raises(EvolutionError, match="assessment_cost"):
        EvolutionSettings(assessment_cost=-1.0)


def test_maps_are_averaged_before_discriminants_read_them() -> None:
    """Forty channels of 20 x 20 pixels, which discriminants as they are would take minutes for."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=200)
    x = rng.normal(size=(200, 1, 20, 20))
    x[:, 0, :, :10] += y[:, None, None]
    network = nn.Sequential(
        nn.Conv2d(1, 40, 3, padding=1), nn.ReLU(), nn.Conv2d(40, 4, 3, stride=4, padding=1),
        nn.ReLU(), nn.MaxPool2d(5), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    settings = EvolutionSettings(assessment_cost=0.0)
    evolution = evolve(
        network, make_task(x, y), epochs=6, settings=settings, batch_size=100, progress=False
    )
    first = evolution.structure[evolution.structure["step"] == 1]
    assert first["information"].notna().all()
    assert first["information"].iloc[0] > 0.3


def test_an_epoch_of_a_larger_network_costs_what_it_multiplies() -> None:
    task = load_task("sklearn/wine")
    network = MLP(task.n_features, task.n_classes, (8,), "gelu", seed=0)
    counted = network_multiply_adds(network, torch.from_numpy(task.X[:2]))
    assert counted == 8 * (task.n_features + task.n_classes)
    settings: dict[str, Any] = {
        "budget": 1.0, "epochs": 9, "strategy": "random", "progress": False,
        "schedule": pd.DataFrame(columns=["step", "event", "attribute"]),  # nothing changes
    }  # fmt: skip
    assert evolve(network, task, **settings).epochs == 9
    half = evolve(network, task, unit=counted / 2.0, **settings)
    assert (half.epochs, half.cost) == (4, pytest.approx(8 / 9))
    assert evolve(network, task, unit=100.0 * counted, **settings).epochs == 9
