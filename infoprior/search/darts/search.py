"""`search_darts`: weights and alpha learn in turn, epoch by epoch; then alpha is read."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior._ambient import default_settings
from infoprior._arguments import (
    check_seed,
    file_path,
    instance_of,
    real_number,
    whole_number,
)
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.search.darts.convergence import Convergence, alpha_steps, fit_convergence
from infoprior.search.darts.cost import count_multiply_adds, eigenvalue_cost
from infoprior.search.darts.derivation import derive, skip_collapse
from infoprior.search.darts.eigenvalue import stopping_epoch
from infoprior.search.darts.errors import DartsError
from infoprior.search.darts.learner import Learner
from infoprior.search.darts.settings import DartsSettings
from infoprior.search.darts.state import read_state, write_state
from infoprior.search.darts.supernet import Supernet
from infoprior.spaces import SearchSpace
from infoprior.spaces._cells import CellSpace
from infoprior.tasks import Task
from infoprior.training import RUNGS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DartsSearch:
    """What a search has come to.

    Attributes:
        params: the architecture, a point of `space`.
        space: that was searched.
        alphas: shape (epochs + 1, n_edges, n_operations), float32; the initial one first.
        history: one row an epoch: epoch; train_loss, the mean over its batches; validation_loss and
            validation_accuracy of the supernet after it, losses in nats a row; alpha_step,
            ||alpha_t - alpha_{t-1}||; skip_share, skip_edges and share_entropy (`skip_collapse`);
            eigenvalue (`dominant_eigenvalue`) and the hessian_products that it took, where it was
            asked for.
        convergence: how fast alpha's steps shrank.
        epoch: whose alpha `params` was read from: the last one, unless the search was stopped.
        supernet: as it is after the last epoch, alpha included; it is not that of `epoch`.
        settings: that it was searched with.
        seed: likewise.
        cost: of the search in full trainings of a cell of the space, counted in multiply-adds (the
            formula stands in `infoprior.search.darts.cost`): the steps that were taken and, if they
            were to stop it, the eigenvalues. Training the cell that was chosen comes on top.
    """

    params: dict[str, Any]
    space: CellSpace
    alphas: np.ndarray
    history: pd.DataFrame
    convergence: Convergence
    epoch: int
    supernet: Supernet
    settings: DartsSettings
    seed: int
    cost: float


@default_settings()
def search_darts(
    task: Task,
    space: SearchSpace,
    *,
    order: int = 1,
    epochs: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    settings: DartsSettings | None = None,
    eigenvalues: bool = True,
    early_stopping: bool = False,
    report: Callable[[int, dict[str, float]], None] | None = None,
    threads: int = 1,
    progress: bool = True,
) -> DartsSearch:
    """Search the cells of a space by gradient descent on validation rows.

    The weights learn from the training rows, alpha from the validation rows, one step each in turn;
    test rows are not read. `DartsSearch.cost` says what that costs, and `search_cost` before.

    Args:
        task: what to learn.
        space: a `CellSpace`, whose cells to search, such as `get_space("darts-mlp")`.
        order: 1 takes the weights as given for alpha's gradient, 2 looks one step of theirs ahead.
        epochs: passes over the training rows; None: 27, or what the budget says.
        budget: in full trainings of a cell of the space (`DartsSearch.cost`): as many epochs as fit
            in it. Not together with `epochs`, nor with early stopping.
        seed: draws the weights, the initial alpha and the order of rows.
        out: a folder for a checkpoint after every epoch, from which the same call resumes, whatever
            has ended it; None: there is none.
        settings: None: `DartsSettings()`.
        eigenvalues: compute the Hessian's dominant eigenvalue after every epoch.
        early_stopping: stop where it grows (`stopping_epoch`), and derive from the alpha before.
        report: called after each epoch, its checkpoint written, with its number and row; what it
            raises ends the search.
        threads: of PyTorch and of matrix products during the call; results are the same only for
            the same number.
        progress: show the epochs on the terminal if the search takes more than two seconds.

    Returns:
        the architecture, and how it came about.

    Raises:
        SpaceError: the space's networks do not read the task's rows.
        DartsError: (a ValueError) an argument of another type or range, a checkpoint in `out` that
            is another search's or unreadable, or a supernet that diverged.
    """
    instance_of(task, Task, "task", "give a Task, as load_task returns it", DartsError)
    if not isinstance(space, CellSpace):
        named = repr(space.name) if isinstance(space, SearchSpace) else type(space).__name__
        raise DartsError(
            f"space is {named}, which has no cells; give get_space('darts-mlp'), "
            "get_space('darts-cnn') or a CellSpace."
        )
    order = whole_number(order, "order", 1, DartsError)
    if order > 2:
        raise DartsError(f"order = {order}; choose 1 or 2.")
    seed = check_seed(seed, DartsError)
    threads = whole_number(threads, "threads", 1, DartsError)
    settings = DartsSettings() if settings is None else settings
    instance_of(settings, DartsSettings, "settings", "give DartsSettings(...)", DartsError)
    if early_stopping and not eigenvalues:
        raise DartsError("early_stopping needs eigenvalues; leave eigenvalues = True.")
    if report is not None and not callable(report):
        raise DartsError(f"report is {report!r}; give a function of an epoch and its row.")
    folder = None if out is None else file_path(out, "out", DartsError)
    counts = count_multiply_adds(task, space)
    epochs = _epochs(epochs, budget, counts.epoch(order), early_stopping)
    cell = space.cell
    key = {
        "task": task.digest, "space": space.name, "order": order, "epochs": epochs, "seed": seed,
        "settings": asdict(settings), "eigenvalues": eigenvalues, "threads": threads,
        "early_stopping": early_stopping,
        "cell": [list(cell.operations), cell.width, cell.nodes, cell.repeats],
    }  # fmt: skip
    saved = None if folder is None else read_state(folder, key)
    with use_threads(threads), progress_line("searching", epochs, show=progress) as stage:
        learner = Learner(task, cell, order=order, epochs=epochs, seed=seed, settings=settings)
        alphas = [learner.alpha()]
        history: list[dict[str, Any]] = []
        if saved is not None:
            tensors, history = saved
            alphas = list(tensors.pop("alphas").numpy())
            learner.load(tensors)
            stage.advance(len(history))
        taken = _taken(history, early_stopping)
        while len(history) < epochs and taken == len(history):
            row = _epoch(learner, len(history) + 1, alphas, eigenvalues)
            history.append(row)
            taken = _taken(history, early_stopping)
            if folder is not None:
                write_state(folder, learner.state(alphas), key, history)
            if report is not None:
                report(row["epoch"], dict(row))
            stage.advance()
    import pandas as pd

    stacked = np.stack(alphas)
    cost = len(history) * counts.epoch(order)
    if early_stopping:
        products = sum(row["hessian_products"] for row in history)
        cost += eigenvalue_cost(task, space, len(history), products)
    return DartsSearch(
        derive(space, stacked[taken], settings.edges_kept), space, stacked, pd.DataFrame(history),
        fit_convergence(stacked), taken, learner.supernet.eval(), settings, seed, cost,
    )  # fmt: skip


def _epochs(epochs: int | None, budget: float | None, cost: float, early_stopping: bool) -> int:
    """How many epochs to search.

    Args:
        epochs: as given.
        budget: as given.
        cost: of an epoch, in full trainings.
        early_stopping: as given.
    """
    if budget is None:
        return whole_number(RUNGS[-1] if epochs is None else epochs, "epochs", 1, DartsError)
    if epochs is not None:
        raise DartsError("epochs and budget are both given; give one of them.")
    if early_stopping:
        raise DartsError(
            "budget does not go with early_stopping, whose eigenvalues cost what only the search "
            "shows; give epochs, and read the cost of what it returns."
        )
    budget = real_number(budget, "budget", 0.0, above=True, error=DartsError)
    fit = math.floor(budget / cost + 1e-9)
    if fit < 1:
        raise DartsError(
            f"budget = {budget} full trainings; one epoch of this search costs {cost:.3g}: give at "
            "least that."
        )
    return fit


def _epoch(
    learner: Learner, epoch: int, alphas: list[np.ndarray], eigenvalues: bool
) -> dict[str, Any]:
    """One epoch: the row of its history; alpha as it is after it is put behind `alphas`."""
    train_loss = learner.epoch(epoch)
    loss, accuracy = learner.evaluate()
    if not (math.isfinite(train_loss) and math.isfinite(loss)):
        raise DartsError(
            f"The supernet's loss is not finite in epoch {epoch}; lower the settings' "
            "learning_rate."
        )
    alphas.append(learner.alpha())
    row = {
        "epoch": epoch,
        "train_loss": train_loss,
        "validation_loss": loss,
        "validation_accuracy": accuracy,
        "alpha_step": float(alpha_steps(np.stack(alphas[-2:]))[0]),
        **skip_collapse(learner.supernet.cell, alphas[-1]),
    }
    if not eigenvalues:
        return row
    value = learner.eigenvalue()
    return {**row, "eigenvalue": value, "hessian_products": learner.hessian_products}


def _taken(history: list[dict[str, Any]], early_stopping: bool) -> int:
    """The epoch whose alpha would be taken now; an earlier one than the last says: stop."""
    earlier = None
    if early_stopping and history:
        earlier = stopping_epoch([row["eigenvalue"] for row in history])
    return len(history) if earlier is None else earlier
