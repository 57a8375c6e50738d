"""What a search costs, in full trainings of a cell of its space: counted, never timed.

A supernet computes all the operations of its space where a cell computes one an edge, and a step of
a search does more than a step of a training. In multiply-adds of one row, forward, let S be those
of the supernet, stem those of what is in front of its first cell, F those of the operations on the
edges from the first cell's input, and

    C = stem + output + (S - stem - output) / n_operations

those of a cell, averaged over the space, in which each edge carries each operation equally often.
Backward, the gradient of what a layer is given takes as many again, and so does that of its
weights. The rows themselves need no gradient, nor, in a gradient in alpha alone, does what stands
before the first edges. So a step of the weights, a gradient in alpha, and a step of alpha take

    W = 3 S - stem,    G = 2 S - stem - F,    A = G in first order, A = 2 W + 2 G in second order

(there: the training loss's gradient in the weights, the validation loss's in weights and alpha, and
two of the training loss in alpha). A training step of a cell is charged the share of W that its
forward pass has of the supernet's, W C / S. An epoch of a search has as many rows as one of a
training, of which a full one has 27; so a search costs

    epochs / 27 * S / C * (1 + A / W)    full trainings.

S, stem and F are counted by PyTorch in a forward pass (`FlopCounterMode`), so that this holds for
cells of any operations that are made of layers. Matrix products and convolutions are counted; what
is done element by element (activations, skips, pooling, normalization) is not, in supernet and cell
alike. Evaluations that only report, here as in a training, are not charged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from infoprior._ambient import default_settings
from infoprior._arguments import instance_of, whole_number, whole_within
from infoprior.search._counting import ROWS, multiply_adds
from infoprior.search.darts.eigenvalue import Hessian
from infoprior.search.darts.errors import DartsError
from infoprior.search.darts.learner import Learner
from infoprior.search.darts.settings import DartsSettings
from infoprior.search.darts.supernet import Supernet
from infoprior.spaces._cells import CellSpace, edge_name
from infoprior.tasks import Task
from infoprior.training import RUNGS


@dataclass(frozen=True)
class MultiplyAdds:
    """Of one row, in a supernet and in the cells that it holds; letters as above.

    Attributes:
        supernet: forward; S.
        stem: forward.
        first_edges: forward, of the operations on the edges from the first cell's input; F.
        cell: forward, averaged over the space; C.
    """

    supernet: float
    stem: float
    first_edges: float
    cell: float

    @property
    def weight_step(self) -> float:
        """A step of the supernet's weights; W."""
        return 3.0 * self.supernet - self.stem

    @property
    def alpha_gradient(self) -> float:
        """The gradient of a loss in alpha; G."""
        return 2.0 * self.supernet - self.stem - self.first_edges

    @property
    def full_training(self) -> float:
        """Of a cell, for each training row: 27 epochs."""
        return RUNGS[-1] * self.weight_step * self.cell / self.supernet

    def alpha_step(self, order: int) -> float:
        """A step of alpha in first or second order; A."""
        looked_ahead = 2.0 * (self.weight_step + self.alpha_gradient)
        return self.alpha_gradient if order == 1 else looked_ahead

    def epoch(self, order: int) -> float:
        """An epoch of a search, in full trainings."""
        return (self.weight_step + self.alpha_step(order)) / self.full_training


@default_settings()
def search_cost(task: Task, space: CellSpace, *, order: int = 1, epochs: int = RUNGS[-1]) -> float:
    """What `search_darts` costs without early stopping, in full trainings of a cell of the space.

    It is epochs / 27 * S / C * (1 + A / W): see the first lines of this module.

    Args:
        task: whose rows' shape and classes the networks have.
        space: to be searched.
        order: 1 or 2.
        epochs: of the search.

    Raises:
        SpaceError: the space's networks do not read the task's rows.
        DartsError: (a ValueError) an argument of another type or range.
    """
    instance_of(task, Task, "task", "give a Task, as load_task returns it", DartsError)
    instance_of(space, CellSpace, "space", "give get_space('darts-mlp') or 'darts-cnn'", DartsError)
    order = whole_within(order, "order", 1, 2, DartsError)
    epochs = whole_number(epochs, "epochs", 1, DartsError)
    return epochs * count_multiply_adds(task, space).epoch(order)


def eigenvalue_cost(task: Task, space: CellSpace, epochs: int, products: int) -> float:
    """What eigenvalues of the Hessian in alpha cost, in full trainings.

    Args:
        task: whose validation rows they are of.
        space: that is searched.
        epochs: after each of which one was computed: a gradient in alpha.
        products: of the Hessian with a vector, of all of them.
    """
    learner = _learner(task, space)
    x, y = learner.train
    hessian = Hessian(lambda: learner.loss((x[:ROWS], y[:ROWS])), learner.supernet.alpha)
    product, _ = multiply_adds(lambda: hessian.times(torch.ones_like(learner.supernet.alpha)))
    counts = count_multiply_adds(task, space)
    counted = learner.hessian_rows * (epochs * counts.alpha_gradient + products * product)
    return counted / (len(task.train) * counts.full_training)


def selection_cost(task: Task, space: CellSpace, epochs: int, evaluations: int) -> float:
    """What a selection by perturbation costs, in full trainings.

    Args:
        task: that was searched on.
        space: that was searched.
        epochs: that the supernet's weights have learned.
        evaluations: of the supernet on all validation rows.
    """
    counts = count_multiply_adds(task, space)
    evaluated = len(task.validation) / len(task.train) * evaluations * counts.supernet
    return (epochs * counts.weight_step + evaluated) / counts.full_training


def count_multiply_adds(task: Task, space: CellSpace) -> MultiplyAdds:
    """Count those of a supernet's forward pass.

    Args:
        task: its rows' shape and its classes are used.
        space: whose supernet it is.
    """
    learner, cell = _learner(task, space), space.cell
    supernet: Supernet = learner.supernet
    with torch.no_grad():
        whole, modules = multiply_adds(lambda: supernet(learner.train[0][:ROWS]))
    stem, output = modules.get("stem", 0.0), modules.get("output", 0.0)
    first = [f"edges.1_{edge_name(edge)}" for edge in cell.edges if edge[0] == 0]
    return MultiplyAdds(
        supernet=whole,
        stem=stem,
        first_edges=sum(modules.get(name, 0.0) for name in first),
        cell=stem + output + (whole - stem - output) / len(cell.operations),
    )


def _learner(task: Task, space: CellSpace) -> Learner:
    return Learner(task, space.cell, order=1, epochs=1, seed=0, settings=DartsSettings())
