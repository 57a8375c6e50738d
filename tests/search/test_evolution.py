"""Structural evolution: what it makes of networks, that it resumes, and what it says it does."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import infoprior.search.evolution.steps as steps
from infoprior.profiles import Recipe
from infoprior.search.evolution import (
    Evolution,
    EvolutionError,
    EvolutionSettings,
    Memory,
    convergence,
    evolve,
    output_divergence,
    structure_figure,
    structure_rate,
    widths,
)
from infoprior.spaces import get_space
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP
from infoprior.tasks import Task

QUICK = Recipe("quick-lda", 1, max_rows=300, ty_method="lda")
FREE = EvolutionSettings(assessment_cost=0.0)
"""Budgets are those of training alone."""


def make_task(x: np.ndarray, y: np.ndarray, name: str = "made") -> Task:
    """60 % of the rows to train on, 20 % to validate, 20 % to test."""
    n = len(y)
    rows = np.arange(n)
    a, b = int(0.6 * n), int(0.8 * n)
    return Task(
        name, name, "generator", "synthetic", x.astype(np.float32), y.astype(np.int64),
        rows[:a], rows[a:b], rows[b:],
        tuple(f"x{i}" for i in range(x.shape[1])), tuple(f"c{i}" for i in range(y.max() + 1)),
    )  # fmt: skip


def rings(n: int = 500, seed: int = 0) -> Task:
    """Inside or outside of a circle: two units are not enough, a hundred too many."""
    x = np.random.default_rng(seed).normal(size=(n, 4))
    return make_task(x, (np.hypot(x[:, 0], x[:, 1]) > 1.2).astype(int), f"rings-{seed}")


def quick(network: Any, task: Task | None = None, **options: Any) -> Evolution:
    given = {
        "budget": 1.0, "epochs": 12, "learning_rate": 5e-3, "recipe": QUICK, "settings": FREE,
        **options,
    }  # fmt: skip
    return evolve(network, task or rings(), **given)


def test_a_network_too_wide_shrinks() -> None:
    before = MLP(4, 2, (96, 96), "relu")
    evolution = quick(before)
    after = widths(evolution.network)
    last = evolution.structure[evolution.structure["step"] == evolution.structure["step"].max()]
    assert widths(before) == {"hidden_1": 96, "hidden_2": 96}
    assert sum(after.values()) < 150
    assert last["width"].sum() <= sum(after.values())
    assert evolution.curve["validation_accuracy"].max() > 0.85


def test_a_network_too_narrow_grows() -> None:
    before = MLP(4, 2, (2, 2), "gelu")
    evolution = quick(before, epochs=36, learning_rate=1e-2)
    assert sum(widths(evolution.network).values()) >= 8
    assert {"widen", "kept"} <= set(evolution.events["event"])
    assert evolution.curve["validation_accuracy"].max() > 0.85


def test_events_and_structure_tell_the_same_story() -> None:
    evolution = quick(MLP(4, 2, (48, 3), "gelu", "layer", 0.1), epochs=30)
    events, structure = evolution.events, evolution.structure
    assert evolution.epochs == 30
    assert evolution.curve["epoch"].tolist() == list(range(1, 31))
    assert structure.groupby("step")["epoch"].first().tolist() == list(range(3, 31, 3))
    changes = events[events["event"].isin(["prune", "widen"])]
    assert len(changes)
    for change in changes.itertuples():
        at = structure[(structure["step"] == change.step) & (structure["layer"] == change.layer)]
        assert at["width"].item() == change.width_before
        assert change.divergence <= EvolutionSettings().kl_bound
        after = structure[
            (structure["step"] == change.step + 1) & (structure["layer"] == change.layer)
        ]
        undone = ((events["step"] == change.step + 1) & (events["event"] == "undone")).any()
        if len(after):
            expected = change.width_before if undone else change.width_after
            assert after["width"].item() == expected
    assert evolution.convergence["holds"].all()
    assert len(evolution.convergence) == 10


def test_the_network_that_was_given_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(4, 40), nn.ReLU(), nn.Dropout(0.2), nn.Linear(40, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evolution = quick(network, epochs=6)
    assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())
    assert not evolution.network.training


def same(a: Evolution, b: Evolution) -> None:
    for name in ("curve", "structure", "events", "convergence"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))
    ours, theirs = a.network.state_dict(), b.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


NETWORKS = {
    "mlp": lambda: MLP(4, 2, (40, 3, 3), "gelu", "layer", 0.2, residual=True, seed=3),
    "user": lambda: nn.Sequential(
        nn.Linear(4, 30, bias=False), nn.BatchNorm1d(30), nn.Tanh(), nn.Dropout(0.2),
        nn.Linear(30, 3), nn.ReLU(), nn.Linear(3, 2),
    ),
}  # fmt: skip


class Killed(BaseException):
    pass


@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_that_was_killed_resumes_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    plain = quick(network, epochs=18)
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
                resumed = quick(network, epochs=18, out=tmp_path)
                break
            except Killed:
                continue
    assert len(counted) > 6
    same(plain, resumed)
    same(plain, quick(network, epochs=18, out=tmp_path))  # done: nothing is trained again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "state.safetensors"]
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == len(plain.events)
    with pytest.raises(EvolutionError, match="of another seed"):
        quick(network, epochs=18, out=tmp_path, seed=1)


RUN = """
import sys
import torch
from tests.search.test_evolution import NETWORKS, quick
torch.manual_seed(0)
quick(NETWORKS["user"](), epochs=300, out=sys.argv[1])
"""


@pytest.mark.slow
def test_a_run_resumes_after_kill_9(tmp_path: Path) -> None:
    plain_folder, folder = tmp_path / "plain", tmp_path / "killed"
    command = [sys.executable, "-c", RUN, str(folder)]
    for _ in range(2):
        process = subprocess.Popen(command)
        state = folder / "state.safetensors"
        while not state.exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.7)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    torch.manual_seed(0)
    network = NETWORKS["user"]()
    same(quick(network, epochs=300, out=plain_folder), quick(network, epochs=300, out=folder))


def test_what_makes_validation_worse_is_undone_and_not_assessed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    plain = steps.assess_structure

    def counting(*arguments: Any) -> Any:
        calls.append(1)
        return plain(*arguments)

    monkeypatch.setattr(steps, "assess_structure", counting)
    # A rate of nothing: validation never gets better, and a margin below any loss undoes all.
    monkeypatch.setattr(EvolutionSettings, "__post_init__", lambda self: None)
    settings = EvolutionSettings(margin=-0.5, rest=1, assessment_cost=0.0)
    before = MLP(4, 2, (64, 64), "relu")
    evolution = quick(before, learning_rate=0.0, settings=settings, epochs=15)
    undone = evolution.events[evolution.events["event"] == "undone"]
    assert len(undone) >= 2
    assert len(calls) == 5 - len(undone)
    assert widths(evolution.network) == widths(before)
    assert set(evolution.structure["width"]) == {64}


def test_pruning_beyond_the_bound_is_refused() -> None:
    settings = EvolutionSettings(kl_bound=0.0, mutations=(), assessment_cost=0.0)
    evolution = quick(MLP(4, 2, (64, 64), "relu"), settings=settings, epochs=6)
    assert evolution.events["event"].tolist() == ["refused"]
    assert set(evolution.structure["width"]) == {64}


def test_random_surgery_follows_the_schedule_of_another_run() -> None:
    network = MLP(4, 2, (64, 16), "relu")
    informed = quick(network, epochs=18)
    control = quick(network, epochs=18, strategy="random", schedule=informed.events)
    kinds = ["prune", "widen", "deepen", "mutate"]

    def steps_of(evolution: Evolution) -> dict[int, str]:
        rows = evolution.events[evolution.events["event"].isin(kinds)]
        return dict(zip(rows["step"], rows["event"], strict=True))

    assert steps_of(control).items() <= steps_of(informed).items()
    assert steps_of(control)
    free = quick(network, epochs=18, strategy="random", seed=1)
    assert set(free.events["event"]) <= {*kinds, "kept", "undone", "rest"}
    same(free, quick(network, epochs=18, strategy="random", seed=1))


def test_a_point_of_a_space_and_a_convolutional_network_evolve() -> None:
    point = {
        "depth": 2, "width": 32, "shape": "funnel", "activation": "silu", "normalization": "batch",
        "dropout": 0.1, "residual": True, "learning_rate": 5e-3, "weight_decay": 1e-3,
        "batch_size": 64,
    }  # fmt: skip
    assert quick(point, space=get_space("mlp"), epochs=6).epochs == 6
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=150)
    x = rng.normal(size=(150, 1, 8, 8))
    x[:, 0, :, :4] += y[:, None, None]
    cnn = CNN((1, 8, 8), 2, (12, 12))
    evolution = quick(cnn, make_task(x, y), epochs=9, budget=1.0)
    assert set(evolution.structure["layer"]) == {"block_1", "block_2"}


def test_the_dynamics_are_the_documents() -> None:
    assert structure_rate(0.5, 0.1) == pytest.approx(-0.7 * 0.5 + 0.3 * 0.1)
    assert structure_rate(0.5, 0.1, memory=0.2, gamma=2.0) == pytest.approx(-0.32 + 0.4)
    old, new = MLP(3, 4, (5,), seed=0), MLP(3, 4, (5,), seed=1)
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    p, q = old(x).softmax(1), new(x).softmax(1)
    expected = float((p * (p / q).log()).sum(1).mean().detach())
    assert output_divergence(old, new, x) == pytest.approx(expected, rel=1e-4)
    assert output_divergence(old, old, x) == pytest.approx(0.0, abs=1e-7)


def test_the_convergence_monitor_finds_the_least_bound() -> None:
    path = [[3.0], [1.0], [1.0, 1.0], [1.0, 1.0]]
    table = convergence(path)
    assert table["distance"].tolist() == pytest.approx([math.sqrt(5), 1.0, 0.0, 0.0])
    assert table["least_c"].tolist() == pytest.approx([math.sqrt(5)] * 4)
    assert table["holds"].all()
    tight = convergence(path, bound=1.0)
    assert tight["holds"].tolist() == [False, False, True, True]
    assert tight["bound"].tolist() == pytest.approx([1 / math.sqrt(t) for t in (1, 2, 3, 4)])
    with pytest.raises(EvolutionError, match="empty"):
        convergence([])


def accuracy(network: nn.Module, x: Tensor, y: np.ndarray) -> float:
    with torch.no_grad():
        return float((network(x).argmax(1).numpy() == y).mean())


def test_memory_keeps_an_earlier_task() -> None:
    """Another column says the classes elsewhere: forgetting of the first task, with and without."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 400, 6))
    first[:, 5] -= 2.0
    second[:, 5] += 2.0
    a = make_task(first, (first[:, 0] > 0).astype(int), "a")
    b = make_task(second, (second[:, 1] > 0).astype(int), "b")
    learned = quick(MLP(6, 2, (32, 32), "relu"), a).network
    x, y = torch.from_numpy(a.split("test")[0]), a.split("test")[1]
    kept = torch.from_numpy(a.split("train")[0])
    forgetting = {}
    for gamma in (0.0, 2.0):
        memory = Memory(learned, kept, gamma)
        evolution = quick(learned, b, memory=memory, epochs=24)
        forgetting[gamma] = accuracy(learned, x, y) - accuracy(evolution.network, x, y)
        assert evolution.curve["validation_accuracy"].iloc[-1] > 0.8
    assert forgetting[0.0] > 0.2
    assert forgetting[2.0] < 0.5 * forgetting[0.0]


def test_the_figure_shows_layers_events_and_losses(tmp_path: Path) -> None:
    evolution = quick(MLP(4, 2, (32, 32), "relu"), epochs=9)
    figure = structure_figure(evolution, "Two layers")
    upper, lower = figure.axes[:2]
    labels = upper.get_legend_handles_labels()[1]
    assert {"layer 1", "layer 2", "prune"} <= set(labels)
    assert len(lower.lines[0].get_xdata()) == 9
    figure.savefig(tmp_path / "figure.png")
    with pytest.raises(EvolutionError, match="what evolve returns"):
        structure_figure(evolution.events)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0.01}, "less than one epoch"),
        ({"budget": -1.0}, "budget"),
        ({"strategy": "best"}, "give one of"),
        ({"seed": -1}, "seed"),
        ({"settings": 3}, "EvolutionSettings"),
        ({"schedule": 3}, "events of a run"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_arguments_that_no_run_can_have_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvolutionError, match=message):
        quick(MLP(4, 2, (8,)), **options)


def test_other_networks_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvolutionError, match="space"):
        quick({"width": 3})
    with pytest.raises(EvolutionError, match="type Linear"):
        quick(nn.Linear(4, 2))
    with pytest.raises(EvolutionError, match="doesn't take rows"):
        quick(MLP(5, 2, (8,)))
    with pytest.raises(EvolutionError, match="logits of shape"):
        quick(MLP(4, 3, (8,)))
    with pytest.raises(EvolutionError, match="float32"):
        quick(MLP(4, 2, (8,)).double())
    with pytest.raises(EvolutionError, match="shrink"):
        EvolutionSettings(shrink=1.0)
    (tmp_path / "state.safetensors").write_bytes(b"something else")
    with pytest.raises(EvolutionError, match="not a readable state"):
        quick(MLP(4, 2, (8,)), out=tmp_path)
