"""Operations chosen by what their removal costs, not by alpha.

Wang et al., "Rethinking Architecture Selection in Differentiable NAS", ICLR 2021: the size of alpha
does not say how much an operation matters. In a supernet whose edges all estimate the same features
a skip connection gets the largest share while what it brings could be done without.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from infoprior._ambient import default_settings
from infoprior._arguments import instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.search.darts.derivation import TRAINING
from infoprior.search.darts.errors import DartsError
from infoprior.search.darts.learner import Learner
from infoprior.search.darts.search import DartsSearch
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
    """

    params: dict[str, Any]
    table: pd.DataFrame


@default_settings()
def select_by_perturbation(
    search: DartsSearch,
    task: Task,
    *,
    tuning_epochs: int = TUNING_EPOCHS,
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
        threads: of PyTorch and of matrix products during the call.
        progress: show on the terminal how far it is, if it takes more than two seconds.

    Raises:
        DartsError: (a ValueError) an argument of another type or range, or a task whose rows or
            classes the supernet is not of.
    """
    import pandas as pd

    instance_of(search, DartsSearch, "search", "give what search_darts returns", DartsError)
    instance_of(task, Task, "task", "give a Task, as load_task returns it", DartsError)
    tuning_epochs = whole_number(tuning_epochs, "tuning_epochs", 0, DartsError)
    threads = whole_number(threads, "threads", 1, DartsError)
    cell = search.space.cell
    with (
        use_threads(threads),
        progress_line("selecting operations", len(cell.edges) + 1, show=progress) as stage,
    ):
        selector = _Selector(search, task, tuning_epochs)
        rng = np.random.default_rng([search.seed, 5])
        for edge in rng.permutation(len(cell.edges)):
            selector.decide_operation(int(edge))
            stage.advance()
        for node in 1 + rng.permutation(cell.nodes - 1):
            selector.keep_edges(int(node))
        stage.advance()
    return PerturbationSelection(selector.params(), pd.DataFrame(selector.rows))


class _Selector:
    """A copy of a searched supernet, decided edge by edge.

    Attributes:
        rows: of the table.
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
        self.tuned = search.alphas.shape[0] - 1  # epochs so far: the next ones have other orders
        self.rows: list[dict[str, Any]] = []
        self.step = 0

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
        self.step += 1
        tried = []
        for place in places:
            self.supernet.allowed[place] = 0.0
            loss, accuracy = self.learner.evaluate()
            self.supernet.allowed[place] = 1.0
            tried.append((accuracy, -loss, place))
        tried.sort()
        self.rows += [
            {
                "step": self.step,
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
