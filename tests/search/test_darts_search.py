"""The search: known answers, seeds, checkpoints, what it derives and how that is trained anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from infoprior import get_space, load_task
from infoprior.search.darts import (
    TRAINING_SETTINGS,
    CellSpace,
    DartsError,
    DartsSearch,
    DartsSettings,
    derive,
    dominant_eigenvalue,
    fit_convergence,
    retrain,
    search_darts,
    skip_collapse,
    stopping_epoch,
)
from infoprior.search.darts.learner import Learner
from infoprior.spaces import SpaceError
from infoprior.tasks import Task
from tests.search.darts_known import ball, known_space

EPOCHS = 3


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_operation_that_is_best_by_construction_is_chosen(order: int) -> None:
    chosen = [
        search_darts(ball(s), known_space(), order=order, epochs=12, seed=s, eigenvalues=False)
        .params["edge_0_1"]
        for s in range(10)
    ]  # fmt: skip
    assert chosen.count("square") >= 9


def search(order: int = 1, **options: Any) -> DartsSearch:
    task = load_task("sklearn/iris")
    return search_darts(task, get_space("darts-mlp"), order=order, epochs=EPOCHS, **options)


@pytest.mark.parametrize("order", [1, 2])
def test_the_same_seed_gives_the_same_search_and_another_order_another(order: int) -> None:
    measured = {"eigenvalues": order == 1}
    a, b = search(order, **measured), search(order, **measured)
    assert a.params == b.params == a.space.validate(a.params)
    assert a.alphas.tobytes() == b.alphas.tobytes()
    assert a.history.equals(b.history)
    assert not np.array_equal(a.alphas[-1], search(3 - order, eigenvalues=False).alphas[-1])
    assert not np.array_equal(a.alphas[-1], search(order, seed=1, eigenvalues=False).alphas[-1])
    assert a.alphas.shape == (EPOCHS + 1, 6, 6)
    assert list(a.history["epoch"]) == list(range(1, EPOCHS + 1))
    assert a.history["train_loss"].iloc[-1] < a.history["train_loss"].iloc[0]
    assert np.isfinite(a.history.to_numpy(float)).all()
    assert a.convergence == fit_convergence(a.alphas)


def test_test_rows_are_not_read() -> None:
    task = load_task("sklearn/iris")
    x, y = task.X.copy(), task.y.copy()
    x[task.test], y[task.test] = 7.0, 0
    other = Task(**{**{f: getattr(task, f) for f in task.__dataclass_fields__}, "X": x, "y": y})
    same = search_darts(other, get_space("darts-mlp"), epochs=1, eigenvalues=False)
    plain = search_darts(task, get_space("darts-mlp"), epochs=1, eigenvalues=False)
    assert same.alphas.tobytes() == plain.alphas.tobytes()


KILLED = """
import os, signal, sys
from infoprior import get_space, load_task
from infoprior.search.darts import search_darts

def report(epoch, row):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

search_darts(load_task("sklearn/iris"), get_space("darts-mlp"), order=2, epochs=3, out=sys.argv[1],
             report=report)
"""


def stop(epoch: int, row: dict[str, float]) -> None:
    if epoch == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_search_that_was_ended_or_killed_resumes_and_gives_the_same(
    kill: bool, tmp_path: Path
) -> None:
    if kill:
        child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ)
        assert child.returncode == -9
    else:
        with pytest.raises(KeyboardInterrupt):
            search(2, out=tmp_path, report=stop)
    epochs: list[int] = []
    resumed = search(2, out=tmp_path, report=lambda epoch, row: epochs.append(epoch))
    assert epochs == [3]
    whole = search(2)
    assert resumed.alphas.tobytes() == whole.alphas.tobytes()
    assert resumed.history.equals(whole.history)
    for name, value in whole.supernet.state_dict().items():
        assert torch.equal(value, resumed.supernet.state_dict()[name])
    # A search that is over is read.
    again = search(2, out=tmp_path, report=lambda epoch, row: pytest.fail("an epoch was run"))
    assert again.history.equals(whole.history)
    assert [path.name for path in tmp_path.iterdir()] == ["darts.safetensors"]


def test_a_checkpoint_of_another_search_or_of_nothing_is_refused(tmp_path: Path) -> None:
    search(out=tmp_path)
    with pytest.raises(DartsError, match=r"other seed; name another folder"):
        search(out=tmp_path, seed=1)
    with pytest.raises(DartsError, match=r"other order, settings;"):
        search(2, out=tmp_path, settings=DartsSettings(batch_size=32))
    (tmp_path / "darts.safetensors").write_bytes(b"no")
    with pytest.raises(DartsError, match="not a readable checkpoint"):
        search(out=tmp_path)


def test_every_node_keeps_its_two_strongest_edges_and_none_counts_for_nothing() -> None:
    space = get_space("darts-mlp")
    assert isinstance(space, CellSpace)
    names = list(space.cell.operations)
    alpha = np.zeros((6, 6), np.float32)
    alpha[:, names.index("none")] = 5.0
    wanted = ["relu", "tanh", "skip", "gelu", "silu", "relu"]
    for k, name in enumerate(wanted):
        alpha[k, names.index(name)] = 1.0 + k
    alpha[4, names.index("silu")] = 0.5  # the weakest of node 3's
    params = derive(space, alpha)
    edges = ["edge_0_1", "edge_0_2", "edge_1_2", "edge_0_3", "edge_1_3", "edge_2_3"]
    assert [params[edge] for edge in edges] == ["relu", "tanh", "skip", "gelu", "none", "relu"]
    assert derive(space, alpha, edges_kept=3)["edge_1_3"] == "silu"
    collapse = skip_collapse(space.cell, alpha)
    assert collapse["skip_edges"] == 1
    assert 0.0 < collapse["share_entropy"] < np.log(6)


def test_rho_is_that_of_alphas_that_settle_geometrically() -> None:
    rng = np.random.default_rng(0)
    end, away = rng.normal(size=(2, 3, 4))
    settling = np.stack([end + 0.8**t * away for t in range(12)])
    fitted = fit_convergence(settling)
    assert fitted.rho == pytest.approx(0.8)
    assert fitted.lower == pytest.approx(0.8)
    assert fitted.below_one
    # The last alpha stands for the limit, which is a little nearer.
    assert fitted.bound_held == 1.0
    marching = fit_convergence(np.stack([end + t * away for t in range(12)]))
    assert marching.rho == pytest.approx(1.0)
    assert fit_convergence(np.stack([end + 1.1**t * away for t in range(12)])).rho > 1.05  # type: ignore[operator]
    # A constant on all of an edge's operations is no movement.
    shifted = settling + rng.normal(size=(12, 3, 1))
    assert fit_convergence(shifted).rho == pytest.approx(0.8)
    assert fit_convergence(settling[:3]).rho is None


def test_the_dominant_eigenvalue_is_the_largest_and_not_the_one_of_largest_magnitude() -> None:
    for values in ([3.0, 1.0, 0.5, -1.0], [2.0, 1.0, 0.0, -5.0], [-1.0, -2.0, -3.0, -4.0]):
        draw = torch.Generator().manual_seed(0)
        basis, _ = torch.linalg.qr(torch.randn(4, 4, generator=draw, dtype=torch.float64))
        hessian = basis @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ basis.T
        alpha = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)

        def loss(alpha: Tensor = alpha, hessian: Tensor = hessian) -> Tensor:
            return 0.5 * alpha.reshape(-1) @ hessian @ alpha.reshape(-1)

        start = torch.randn(2, 2, generator=draw, dtype=torch.float64)
        value, vector = dominant_eigenvalue(
            loss, alpha, start=start, iterations=1000, tolerance=1e-12
        )
        assert value == pytest.approx(max(values), abs=1e-4)
        assert abs(float(vector.reshape(-1) @ basis[:, 0])) == pytest.approx(1.0, abs=1e-3)


def test_the_dominant_eigenvalue_of_a_supernet_is_that_of_its_whole_hessian() -> None:
    task, space = load_task("sklearn/iris"), get_space("darts-mlp")
    supernet = search_darts(task, space, epochs=3, eigenvalues=False).supernet
    x, y = (torch.from_numpy(rows) for rows in task.split("validation"))
    alpha = supernet.alpha

    def loss(at: Tensor = alpha) -> Tensor:
        supernet.alpha = at
        return functional.cross_entropy(supernet(x), y)

    hessian = torch.autograd.functional.hessian(loss, alpha.detach()).reshape(36, 36)
    start = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    value, _ = dominant_eigenvalue(lambda: loss(alpha), alpha, start=start)
    assert value == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.1)


def test_a_search_stops_where_the_eigenvalue_grows_and_takes_the_alpha_before() -> None:
    assert stopping_epoch([1.0] * 30) is None
    assert stopping_epoch([1.0] * 5 + [1.3] * 5) is None
    assert stopping_epoch([1.0] * 5 + [1.4] * 5) == 5
    assert stopping_epoch([1.0] * 9) is None
    assert stopping_epoch([0.0] * 20) is None


def test_early_stopping_ends_the_search_and_a_stopped_search_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([*[1.0] * 6, *[3.0] * 99])
    monkeypatch.setattr(Learner, "eigenvalue", lambda self: next(values))
    options: dict[str, Any] = {"epochs": 20, "early_stopping": True, "out": tmp_path}
    stopped = search_darts(ball(0), known_space(), **options)
    # Epochs 6 to 10 average 2.6 and those before 1, for the first time below 0.75 of it.
    assert len(stopped.history) == 10
    assert stopped.epoch == 5
    assert stopped.alphas.shape[0] == 11
    assert stopped.params == derive(stopped.space, stopped.alphas[5])
    again = search_darts(ball(0), known_space(), **options)
    assert again.history.equals(stopped.history)
    assert again.epoch == 5


@pytest.fixture(scope="module")
def retrained() -> Any:
    space, task = get_space("darts-mlp"), load_task("sklearn/iris")
    assert isinstance(space, CellSpace)
    return retrain(task, space.design(1)[0], space=space, epochs=3), task


def test_a_cell_is_judged_under_five_settings_by_mean_and_best(retrained: Any) -> None:
    judged, task = retrained
    table = judged.table
    assert len(table) == len(TRAINING_SETTINGS) >= 5
    assert judged.mean == pytest.approx(table["test_accuracy"].mean())
    best = table["validation_accuracy"].to_numpy().argmax()
    assert judged.best == table["test_accuracy"][best]
    assert judged.params["learning_rate"] == table["learning_rate"][best]
    x, y = task.split("test")
    logits = judged.network(torch.from_numpy(x)).detach().numpy()
    assert (logits.argmax(1) == y).mean() == pytest.approx(judged.best)


def test_a_cell_is_not_judged_under_fewer() -> None:
    space = get_space("darts-mlp")
    assert isinstance(space, CellSpace)
    with pytest.raises(DartsError, match="at least 5"):
        retrain(load_task("sklearn/iris"), space.design(1)[0], space=space,
                settings=TRAINING_SETTINGS[:4])  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"task": 1}, DartsError, "task is 1"),
        ({"space": get_space("mlp")}, DartsError, "space is 'mlp', which has no cells"),
        ({"space": get_space("darts-cnn")}, SpaceError, "images"),
        ({"order": 3}, DartsError, "choose 1 or 2"),
        ({"epochs": 0}, DartsError, "epochs"),
        ({"seed": -1}, DartsError, "seed"),
        ({"settings": {}}, DartsError, "settings"),
        ({"eigenvalues": False, "early_stopping": True}, DartsError, "needs eigenvalues"),
        ({"report": 1}, DartsError, "report is 1"),
        ({"out": 1}, DartsError, "out is 1"),
    ],
)
def test_what_cannot_be_searched_is_said(
    options: dict[str, Any], error: type[ValueError], words: str
) -> None:
    given = {"task": load_task("sklearn/iris"), "space": get_space("darts-mlp"), **options}
    with pytest.raises(error, match=words):
        search_darts(**given)


def test_a_supernet_that_diverges_is_said() -> None:
    with pytest.raises(DartsError, match="not finite in epoch 1; lower"):
        search(settings=DartsSettings(learning_rate=1e30))


@pytest.mark.parametrize(
    "setting", [{"batch_size": 0}, {"momentum": 1.0}, {"clip": 0.0}, {"learning_rate": "fast"}]
)
def test_settings_that_no_search_can_have_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(DartsError, match=next(iter(setting))):
        DartsSettings(**setting)
