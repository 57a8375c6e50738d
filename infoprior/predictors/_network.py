"""Network: a small ensemble of perceptrons that rank the architectures of a task.

The loss is listwise (Cao et al., "Learning to rank: from pairwise approach to listwise approach",
ICML 2007, section 4.2, top-one probabilities): the cross-entropy, over the architectures of a task,
between softmax(normal scores / t) and softmax(outputs). Each member stops where the tasks of the
families that it was not shown are ranked best, and each holds out other families.

The members are trained side by side as one stack of matrices; answering is numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from infoprior._arguments import real_number, whole_number
from infoprior._progress import Stage, progress_line
from infoprior._threads import use_threads
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._feature_predictor import FeaturePredictor
from infoprior.predictors._fitted import TrainingSet
from infoprior.predictors._settings import positive

if TYPE_CHECKING:
    import torch

_CHECK_EVERY = 5  # steps between looks at the held-out families


@dataclass(frozen=True)
class NetworkSettings:
    """Of the ensemble and its training.

    Attributes:
        members: how many networks; each holds out 1 / members of the families (a fifth at most).
        hidden: units of each of the two hidden layers.
        batch: tasks of a step, drawn anew for each; all of them where there are no more.
        steps: of AdamW, at most.
        patience: checks (every 5 steps) without a better held-out loss before it ends.
        learning_rate, weight_decay: of AdamW.
        dropout: of the task's features and of the second hidden layer.
        target_temperature: t of the targets; outputs times t are scores.
    """

    members: int = 4
    hidden: int = 32
    batch: int = 64
    steps: int = 150
    patience: int = 8
    learning_rate: float = 0.02
    weight_decay: float = 0.1
    dropout: float = 0.1
    target_temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("members", "hidden", "batch", "steps", "patience"):
            object.__setattr__(
                self, name, whole_number(getattr(self, name), name, 1, PredictorError)
            )
        for name in ("learning_rate", "target_temperature"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        decay = real_number(self.weight_decay, "weight_decay", 0.0, error=PredictorError)
        object.__setattr__(self, "weight_decay", decay)
        dropout = real_number(self.dropout, "dropout", 0.0, 1.0, below=True, error=PredictorError)
        object.__setattr__(self, "dropout", dropout)


class NetworkPredictor(FeaturePredictor):
    """A perceptron on (task features, architecture), fitted to rank."""

    name = "network"
    extrapolates = True
    Settings: ClassVar[type] = NetworkSettings

    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        s: NetworkSettings = self.settings
        held_out = holdouts(training.targets.families, s.members, self.seed)
        return train_stack(training, held_out, s, self.seed)

    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        a = {name: array.astype(np.float64) for name, array in arrays.items()}
        first = (x @ a["task"])[:, None] + (encoded - 0.5) @ a["architecture"] + a["bias_1"]
        second = np.maximum(np.maximum(first, 0.0) @ a["weight_2"] + a["bias_2"], 0.0)
        outputs = (second @ a["weight_3"])[..., 0]
        # Only differences between architectures have a meaning, in each member on its own.
        outputs = outputs - outputs.mean(axis=1, keepdims=True)
        return outputs.mean(axis=0) * self.settings.target_temperature


def holdouts(families: Sequence[str], members: int, seed: int) -> np.ndarray:
    """Which tasks each member does not see: whole families, shape (members, n_tasks), bool.

    Nothing is held out where there are fewer than five families.

    Args:
        families: of each of n_tasks tasks.
        members: how many networks.
        seed: deals the families out.
    """
    names, codes = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    held = np.zeros((members, len(families)), dtype=bool)
    if len(names) < 5:
        return held
    fold = np.random.default_rng([seed, 5]).permutation(len(names)) % max(5, members)
    for m in range(members):
        held[m] = fold[codes] == m
    return held


def train_stack(
    training: TrainingSet, held_out: np.ndarray, s: NetworkSettings, seed: int
) -> dict[str, np.ndarray]:
    """Train all members at once, and keep each one's best weights.

    Args:
        training: features, encoded architectures and targets.
        held_out: which tasks a member does not see, shape (members, n_tasks), bool.
        s: settings of the ensemble.
        seed: of initial weights, dropout and batches.

    Returns:
        name -> float32 array, members first: `task` (members, p, hidden), `architecture`
        (members, q, hidden), biases (members, 1, hidden), `weight_2`, `weight_3`.
    """
    import torch  # noqa: F401  (there before its threads are limited)

    with use_threads(1), progress_line("fitting the network", s.steps) as stage:
        return _train_stack(training, held_out, s, seed, stage)


def _train_stack(
    training: TrainingSet, held_out: np.ndarray, s: NetworkSettings, seed: int, stage: Stage
) -> dict[str, np.ndarray]:
    import torch

    scores = training.targets.scores
    known = ~np.isnan(scores)
    x = torch.from_numpy(training.x.astype(np.float32))
    # Centred, so that the first layer starts balanced.
    encoded = torch.from_numpy((training.encoded - 0.5).astype(np.float32))
    mask = torch.from_numpy(known)
    goal = torch.from_numpy(np.where(known, scores, -np.inf).astype(np.float32))
    goal = torch.nan_to_num(torch.softmax(goal / s.target_temperature, dim=1))
    weight = torch.from_numpy(training.targets.weights.astype(np.float32))
    weight = weight * mask.any(dim=1)
    out = torch.from_numpy(held_out)
    train_weight = weight * ~out
    # Each member is checked on what it holds out, laid side by side: (members, most held out).
    seen = torch.argsort((~out).to(torch.int8), dim=1, stable=True)[:, : int(out.sum(1).max())]
    check_weight = _shares((weight * out).gather(1, seen)) if held_out.any() else None

    generator = torch.Generator().manual_seed(seed)
    parameters = _initial(len(held_out), x.shape[1], encoded.shape[1], s.hidden, generator)
    optimizer = torch.optim.AdamW(
        list(parameters.values()), lr=s.learning_rate, weight_decay=s.weight_decay, fused=True
    )
    best = {name: p.detach().clone() for name, p in parameters.items()}
    best_loss = torch.full((len(held_out),), torch.inf)
    since = 0
    for step in range(1, s.steps + 1):
        optimizer.zero_grad()
        of = torch.randperm(len(x), generator=generator)[: s.batch]
        losses = _losses(parameters, x[of], encoded, goal[of], mask[of], s.dropout, generator)
        (losses * _shares(train_weight[:, of])).sum().backward()
        optimizer.step()
        stage.advance()
        if check_weight is None or step % _CHECK_EVERY:
            continue
        with torch.no_grad():
            losses = _losses(parameters, x[seen], encoded, goal[seen], mask[seen], 0.0, generator)
        loss = (losses * check_weight).sum(dim=1)
        better = loss < best_loss - 1e-4
        best_loss = torch.where(better, loss, best_loss)
        for name, p in parameters.items():
            best[name][better] = p.detach()[better]
        since = 0 if better.any() else since + 1
        if since >= s.patience:
            break
    if check_weight is not None:
        unchecked = check_weight.sum(1) == 0  # they hold out nothing, so that the last step stands
        for name, p in parameters.items():
            best[name][unchecked] = p.detach()[unchecked]
    chosen = parameters if check_weight is None else best
    return {name: p.detach().numpy().copy() for name, p in chosen.items()}


def _shares(weight: torch.Tensor) -> torch.Tensor:
    return weight / weight.sum(dim=1, keepdim=True).clamp_min(1e-12)


def _initial(
    members: int, p: int, q: int, hidden: int, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    import torch

    def normal(n_in: int, n_out: int, gain: float) -> torch.Tensor:
        drawn = torch.randn(members, n_in, n_out, generator=generator)
        return (drawn * (gain / max(1, n_in) ** 0.5)).requires_grad_()

    return {
        # Each group of features has unit variance in sum already, so no fan-in for the task.
        "task": (torch.randn(members, p, hidden, generator=generator) * 0.5).requires_grad_(),
        "architecture": normal(q, hidden, 2.0),
        "bias_1": torch.zeros(members, 1, hidden, requires_grad=True),
        "weight_2": normal(hidden, hidden, 1.4),
        "bias_2": torch.zeros(members, 1, hidden, requires_grad=True),
        "weight_3": normal(hidden, 1, 0.5),
    }


def _losses(
    parameters: Mapping[str, torch.Tensor], x: torch.Tensor, encoded: torch.Tensor,
    goal: torch.Tensor, mask: torch.Tensor, dropout: float, generator: torch.Generator,
) -> torch.Tensor:  # fmt: skip
    """Cross-entropies, shape (members, n_tasks); the tasks may be each member's own."""
    import torch

    members, hidden = parameters["bias_1"].shape[0], parameters["bias_1"].shape[2]
    if x.ndim == 2:  # the same tasks for all members
        x = x.expand(members, *x.shape)
    if dropout:
        keep = torch.rand(x.shape, generator=generator) >= dropout
        x = x * keep / (1.0 - dropout)
    # The first layer is a sum over tasks and architectures: no need to lay out all pairs before it.
    first = (x @ parameters["task"])[:, :, None] + (
        encoded @ parameters["architecture"] + parameters["bias_1"]
    )[:, None]
    pairs = torch.relu(first).reshape(members, -1, hidden)
    second = torch.relu(torch.baddbmm(parameters["bias_2"], pairs, parameters["weight_2"]))
    if dropout:
        # One mask per member and unit and step, the same for all rows: cheap.
        keep = torch.rand((members, 1, hidden), generator=generator) >= dropout
        second = second * keep / (1.0 - dropout)
    outputs = (second @ parameters["weight_3"]).reshape(members, *goal.shape[-2:])
    outputs = outputs.masked_fill(~mask, -1e9)
    return -(goal * torch.log_softmax(outputs, dim=2)).sum(dim=2)
