"""Selection by removal: right where alpha is wrong, seeded, and it leaves the search alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from infoprior import get_space, load_task
from infoprior.search.darts import (
    DartsError,
    DartsSearch,
    Supernet,
    derive,
    perturbation,
    search_darts,
    select_by_perturbation,
)
from infoprior.search.darts.learner import Learner
from tests.search.darts_known import ball, known_space


@pytest.fixture(scope="module")
def misled() -> DartsSearch:
    """A search whose alpha prefers the skip connection, and whose weights have learned so."""
    search = search_darts(ball(0), known_space(), epochs=1, eigenvalues=False)
    alphas = search.alphas.copy()
    assert list(search.space.cell.operations) == ["none", "skip", "sine", "square", "cube"]
    alphas[-1, 0] = [0.0, 0.5, -2.0, 0.0, -2.0]
    learner = Learner(
        ball(0), search.space.cell, order=1, epochs=27, seed=0, settings=search.settings
    )
    with torch.no_grad():
        learner.supernet.alpha.copy_(torch.from_numpy(alphas[-1]))
    for epoch in range(1, 28):
        learner.epoch(epoch, moves_alpha=False)
    params = derive(search.space, alphas[-1])
    return replace(search, alphas=alphas, params=params, supernet=learner.supernet)


def test_what_matters_is_chosen_though_alpha_prefers_a_skip(misled: DartsSearch) -> None:
    assert misled.params["edge_0_1"] == "skip"
    before = {name: value.clone() for name, value in misled.supernet.state_dict().items()}
    selection = select_by_perturbation(misled, ball(0))
    assert selection.params["edge_0_1"] == "square"
    assert selection.params == misled.space.validate(selection.params)
    table = selection.table
    assert set(table["operation"]) == {"skip", "sine", "square", "cube"}
    assert table.loc[table["kept"], "operation"].tolist() == ["square"]
    without = table.set_index("operation")["validation_accuracy"]
    assert without["square"] < without.drop("square").min() - 0.05
    assert all(torch.equal(misled.supernet.state_dict()[n], v) for n, v in before.items())
    assert bool((misled.supernet.allowed == 1.0).all())
    assert select_by_perturbation(misled, ball(0)).table.equals(table)


def test_every_node_keeps_two_edges_of_a_real_task() -> None:
    task: Any = load_task("sklearn/iris")
    space: Any = get_space("darts-mlp")
    search = search_darts(task, space, epochs=2, eigenvalues=False)
    selection = select_by_perturbation(search, task, tuning_epochs=1)
    edges = ["edge_0_3", "edge_1_3", "edge_2_3"]
    assert [selection.params[edge] for edge in edges].count("none") == 1
    assert "none" not in [selection.params[e] for e in ("edge_0_1", "edge_0_2", "edge_1_2")]
    # Six edges of five candidates each, then node 3's three edges.
    assert selection.table.groupby("step").size().tolist() == [5] * 6 + [3]
    assert selection.table.groupby("step")["kept"].sum().tolist() == [1] * 6 + [2]


KILLED = """
import os, signal, sys
from infoprior import get_space, load_task
from infoprior.search.darts import perturbation, search_darts, select_by_perturbation

write = perturbation.write_state

def write_and_die(folder, tensors, key, rows, what):
    write(folder, tensors, key, rows, what)
    if tensors["counters"][0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

perturbation.write_state = write_and_die
search = search_darts(load_task("sklearn/iris"), get_space("darts-mlp"), epochs=2, out=sys.argv[1])
select_by_perturbation(search, load_task("sklearn/iris"), tuning_epochs=1, out=sys.argv[1])
"""


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.slow)])
# Six edges are decided first, then three nodes.
@pytest.mark.parametrize("step", [2, 8])
def test_a_selection_that_was_ended_or_killed_resumes_and_gives_the_same(
    kill: bool, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = load_task("sklearn/iris")
    space: Any = get_space("darts-mlp")
    write, steps = perturbation.write_state, []

    def count(folder: Path, tensors: Any, key: Any, rows: Any, what: str) -> None:
        write(folder, tensors, key, rows, what)
        steps.append(int(tensors["counters"][0]))
        if steps == list(range(1, step + 1)):
            raise KeyboardInterrupt

    if kill:
        arguments = [sys.executable, "-c", KILLED, str(tmp_path), str(step)]
        assert subprocess.run(arguments, env=os.environ).returncode == -9
        steps.append(0)  # in this process there is nothing to interrupt
    search = search_darts(task, space, epochs=2, out=tmp_path)
    monkeypatch.setattr(perturbation, "write_state", count)
    if not kill:
        with pytest.raises(KeyboardInterrupt):
            select_by_perturbation(search, task, tuning_epochs=1, out=tmp_path)
    steps.clear()
    resumed = select_by_perturbation(search, task, tuning_epochs=1, out=tmp_path)
    assert steps == list(range(step + 1, 10))
    whole = select_by_perturbation(search, task, tuning_epochs=1)
    assert resumed.params == whole.params
    assert resumed.table.equals(whole.table)
    assert resumed.cost == whole.cost
    # A selection that is over is read.
    steps.clear()
    again = select_by_perturbation(search, task, tuning_epochs=1, out=tmp_path)
    assert not steps
    assert again.table.equals(whole.table)
    files = ["darts.safetensors", "perturbation.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_a_checkpoint_of_another_selection_or_of_nothing_is_refused(tmp_path: Path) -> None:
    search = search_darts(ball(0), known_space(), epochs=1, eigenvalues=False)
    select_by_perturbation(search, ball(0), tuning_epochs=0, out=tmp_path)
    with pytest.raises(DartsError, match="selection with other tuning_epochs; name another"):
        select_by_perturbation(search, ball(0), tuning_epochs=1, out=tmp_path)
    other = search_darts(ball(0), known_space(), epochs=2, eigenvalues=False)
    with pytest.raises(DartsError, match="selection with other search;"):
        select_by_perturbation(other, ball(0), tuning_epochs=0, out=tmp_path)
    (tmp_path / "perturbation.safetensors").write_bytes(b"no")
    with pytest.raises(DartsError, match="not a readable checkpoint of a selection"):
        select_by_perturbation(search, ball(0), tuning_epochs=0, out=tmp_path)


def test_a_decided_edge_gives_its_operation_in_full() -> None:
    supernet = Supernet(known_space().cell, (4,), 2)
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    supernet.decided[0] = True
    supernet.allowed[0] = 0.0
    supernet.allowed[0, 3] = 1.0
    assert torch.allclose(supernet(x), supernet.output(x**2))
    supernet.allowed[0] = 0.0
    assert torch.equal(supernet(x), supernet.output.bias.expand(6, 2))


def test_what_cannot_be_selected_from_is_said(misled: DartsSearch) -> None:
    with pytest.raises(DartsError, match="search_darts returns"):
        select_by_perturbation({}, ball(0))  # type: ignore[arg-type]
    with pytest.raises(DartsError, match=r"sklearn/iris.*searched on"):
        select_by_perturbation(misled, load_task("sklearn/iris"))
    with pytest.raises(DartsError, match="tuning_epochs"):
        select_by_perturbation(misled, ball(0), tuning_epochs=-1)
