"""Operations chosen by what their removal costs, not by alpha.

Wang et al., "Rethinking Architecture Selection in Differentiable NAS", ICLR 2021: the size of alpha
does not say how much an operation matters. In a supernet whose edges all estimate the same features
a skip connection gets the largest share while what it brings could be done without.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.fingerprints import fingerprint
from infoprior.search.darts.cost import selection_cost
from infoprior.search.darts.derivation import TRAINING
from infoprior.search.darts.errors import DartsError
from infoprior.search.darts.learner import Learner
from infoprior.search.darts.search import DartsSearch
from infoprior.search.darts.state import read_state, write_state
from infoprior.spaces._cells import NONE, edge_name
from infoprior.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

TUNING_EPOCHS = 2
"""Of the weights, after each decision. Wang et al. take 5, on larger tasks, after 50 of search."""


@dataclass(frozen=True)
class PerturbationSelection:
    """What was chosen, and why.

    Attributes:
        params: the architecture, a point of the searched space.
        table: one row a removal that was tried: step, from 1; edge; operation; the supernet's
            validation_accuracy and validation_loss (nats a row) without it; kept, whether it is in
            the architecture as far as that step says.
        cost: of the selection in full trainings of a cell of the space, counted in multiply-adds
            (`infoprior.search.darts.cost`): evaluations and epochs of the weights. The search's
            own comes on top.
    """

    params: dict[str, Any]
    table: pd.DataFrame
    cost: float


@default_settings()
def select_by_perturbation(
    search: DartsSearch,
    task: Task,
    *,
    tuning_epochs: int = TUNING_EPOCHS,
    out: str | os.PathLike[str] | None = None,
    threads: int = 1,
    progress: bool = True,
) -> PerturbationSelection:
    """Read an architecture from a searched supernet by removals (Wang et al., algorithm 1).

    Edge by edge, in random order: every operation is removed in turn, and the one without which
    validation accuracy is lowest is decided on, the first of equals by the highest loss; then the
    weights learn on for a few epochs, alpha standing still. In the end every node keeps the edges
    without which it is lowest, as many as the search's settings say. The operation "none" is no
    candidate: its removal costs nothing.

    Args:
        search: its supernet is read, and left as it was.
        task: that was searched on; test rows are not read.
        tuning_epochs: after each decision; the learning rate falls by a cosine anew each time.
        out: a folder for a checkpoint after every decision, from which the same call resumes,
            whatever has ended it; it may be the search's own. None: there is none.
        threads: of PyTorch and of matrix products during the call.
        progress: show on the terminal how far it is, if it takes more than two seconds.

    Raises:
        DartsError: (a ValueError) an argument of another type or range, a task whose rows or
            classes the supernet is not of, or a checkpoint in `out` that is another selection's or
            unreadable.
    """
    import pandas as pd

    instance_of(search, DartsSearch, "search", "give what search_darts returns", DartsError)
    instance_of(task, Task, "task", "give a Task, as load_task returns it", DartsError)
    tuning_epochs = whole_number(tuning_epochs, "tuning_epochs", 0, DartsError)
    threads = whole_number(threads, "threads", 1, DartsError)
    folder = None if out is None else file_path(out, "out", DartsError)
    selector = _Selector(search, task, tuning_epochs)
    steps = selector.steps()
    supernet = search.supernet
    key = {
        "task": task.digest,
        "search": fingerprint(search.alphas, supernet.alpha.detach(), supernet.state_dict()),
        "space": search.space.name, "seed": search.seed, "settings": asdict(search.settings),
        "tuning_epochs": tuning_epochs, "threads": threads,
    }  # fmt: skip
    saved = None if folder is None else read_state(folder, key, "selection")
    with (
        use_threads(threads),
        progress_line("selecting operations", len(steps), show=progress) as stage,
    ):
        if saved is not None:
            selector.load(*saved)
            stage.advance(selector.done)
        for step in steps[selector.done :]:
            step()
            selector.done += 1
            if folder is not None:
                write_state(folder, selector.state(), key, selector.rows, "selection")
            stage.advance()
    epochs = selector.tuned - selector.searched
    cost = selection_cost(task, search.space, epochs, len(selector.rows))
    return PerturbationSelection(selector.params(), pd.DataFrame(selector.rows), cost)


class _Selector:
    """A copy of a searched supernet, decided edge by edge.

    Attributes:
        rows: of the table.
        searched: epochs of the search.
        tuned: epochs of the weights so far, those of the search among them.
        done: how many of the steps are.
    """

    def __init__(self, search: DartsSearch, task: Task, tuning_epochs: int) -> None:
        self.space, self.settings = search.space, search.settings
        self.cell = search.space.cell
        self.names = list(self.cell.operations)
        self.learner = Learner(
            task, self.cell, order=1, epochs=tuning_epochs, seed=search.seed,
            settings=search.settings,
        )  # fmt: skip
        self.supernet = self.learner.supernet
        try:
            self.supernet.load_state_dict(copy.deepcopy(search.supernet.state_dict()))
        except RuntimeError as error:
            raise DartsError(
                f"task {task.name!r}: its rows or classes are not those of the search; give the "
                "task that was searched on."
            ) from error
        with torch.no_grad():
            self.supernet.alpha.copy_(search.supernet.alpha)
        self.tuning_epochs = tuning_epochs
        self.searched = search.alphas.shape[0] - 1
        self.tuned = self.searched  # later epochs have other orders of rows
        self.rows: list[dict[str, Any]] = []
        self.done = 0

    def steps(self) -> list[Callable[[], None]]:
        """What decides the edges, then the nodes, in an order drawn by the search's seed."""
        rng = np.random.default_rng([self.learner.seed, 5])
        edges = rng.permutation(len(self.cell.edges))
        nodes = 1 + rng.permutation(self.cell.nodes - 1)
        return [
            *(partial(self.decide_operation, int(edge)) for edge in edges),
            *(partial(self.keep_edges, int(node)) for node in nodes),
        ]

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, as tensors by name."""
        counters = torch.tensor([self.done, self.tuned])
        return {
            **self.learner.state([self.learner.alpha()]), "counters": counters,
            "allowed": self.supernet.allowed, "decided": self.supernet.decided,
        }  # fmt: skip

    def load(self, tensors: Mapping[str, Tensor], rows: list[dict[str, Any]]) -> None:
        """Continue from a state, and the rows of the table until then."""
        self.learner.load(tensors)
        self.done, self.tuned = tensors["counters"].tolist()
        self.supernet.allowed.copy_(tensors["allowed"])
        self.supernet.decided.copy_(tensors["decided"])
        self.rows = rows

    def decide_operation(self, edge: int) -> None:
        """Choose the operation of an edge."""
        kept = self._hardest_to_miss(
            (edge, k) for k, name in enumerate(self.names) if name != NONE or len(self.names) == 1
        )[:1]
        self.supernet.decided[edge] = True
        self.supernet.allowed[edge] = 0.0
        for place in kept:
            self.supernet.allowed[place] = 1.0
        self._tune()

    def keep_edges(self, node: int) -> None:
        """Remove all but the strongest edges of a node, if there are more than it may keep."""
        incoming = [k for k, (_, target) in enumerate(self.cell.edges) if target == node]
        if len(incoming) <= self.settings.edges_kept or NONE not in self.names:
            return
        chosen = self.supernet.allowed.argmax(dim=1).tolist()
        places = self._hardest_to_miss(
            ((edge, chosen[edge]) for edge in incoming), self.settings.edges_kept
        )
        for place in places[self.settings.edges_kept :]:
            self.supernet.allowed[place] = 0.0
        self._tune()

    def params(self) -> dict[str, Any]:
        """The architecture, once every edge is decided."""
        operations = {
            edge_name(edge): self.names[int(row.argmax())] if bool(row.any()) else NONE
            for edge, row in zip(self.cell.edges, self.supernet.allowed, strict=True)
        }
        return self.space.validate({**operations, **TRAINING})

    def _hardest_to_miss(
        self, places: Iterable[tuple[int, int]], kept: int = 1
    ) -> list[tuple[int, int]]:
        """(edge, operation) in the order of what their removal costs, the dearest first."""
        step = self.rows[-1]["step"] + 1 if self.rows else 1
        tried = []
        for place in places:
            self.supernet.allowed[place] = 0.0
            loss, accuracy = self.learner.evaluate()
            self.supernet.allowed[place] = 1.0
            tried.append((accuracy, -loss, place))
        tried.sort()
        self.rows += [
            {
                "step": step,
                "edge": edge_name(self.cell.edges[edge]),
                "operation": self.names[k],
                "validation_accuracy": accuracy,
                "validation_loss": -negative,
                "kept": rank < kept,
            }
            for rank, (accuracy, negative, (edge, k)) in enumerate(tried)
        ]
        return [place for _, _, place in tried]

    def _tune(self) -> None:
        for epoch in range(1, self.tuning_epochs + 1):
            self.tuned += 1
            rate = self.learner.learning_rate(epoch)
            self.learner.epoch(self.tuned, rate=rate, moves_alpha=False)
