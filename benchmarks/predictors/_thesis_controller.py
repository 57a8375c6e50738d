"""The thesis's second experiment: a controller learns what a bracket of Hyperband is to sample.

REINFORCE (Williams, Machine Learning 8, 1992): the controller reads a random network and its
information, and answers with a distribution over the options of each layer. A bracket draws its
networks from it, and the reward is the summed score of the survivors on some data sets, less that
of the round before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from benchmarks.predictors._thesis_causes import AT_ONCE, THESIS, givers, splits
from benchmarks.predictors._thesis_data import Bench
from benchmarks.predictors._thesis_measure import OPTIONS
from benchmarks.predictors._thesis_network import (
    HIDDEN,
    first_weights,
    forward,
    standardised_inputs,
)
from benchmarks.predictors._thesis_targets import SIZES, gaussian, scores_of, survivors

ROUNDS, DATA_SETS, RATE = 300, 4, 1e-3
"""Of training, and data sets of a round; the thesis's own are not known."""
JUDGED = 50
"""Brackets by which a distribution is judged on a task."""
SEEDS = 2


@dataclass(frozen=True)
class _Controller:
    """One controller to be trained: what it reads, on what, how much of a bracket is uniform."""

    method: str
    variant: int
    train: np.ndarray
    held_out: np.ndarray
    uniform: float
    seed: int


def run(bench: Bench, shuffles: int) -> pd.DataFrame:
    """Mean score of survivors on every held-out task, by what the bracket samples from.

    The bracket draws 12 of the recorded trainings of a task (all architectures and draws), without
    replacement, with odds by the distribution.

    Returns:
        columns method, number (of the task), score, task, family.
    """
    own = bench.values(THESIS, "information")
    variants = [own, *(own[givers(bench.tasks, s)] for s in range(shuffles))]
    x = np.stack([bench.inputs(THESIS, v) for v in variants])
    controllers = []
    rows: list[dict] = []
    pool, options = _pool(bench)
    y = bench.target(THESIS)
    for fold, (train, held_out) in enumerate(splits(bench.tasks, "20")):
        for seed in range(SEEDS):
            for method, share in (("controller", 0.0), ("half uniform", 0.5)):
                about = train[0], held_out, share, 100 * fold + seed
                controllers.append(_Controller(method, 0, *about))
        for k in range(1, len(variants)):
            name = f"shuffled {k - 1}"
            controllers.append(_Controller(name, k, train[0], held_out, 0.5, 100 * fold + 10 + k))
        average = y[train[0]].mean(axis=0)
        fixed = {
            "uniform": np.zeros(len(options)),
            "gaussian": scores_of(gaussian(average), options, clean=False),
            "average": scores_of(average, options, clean=False),
        }
        for method, log_p in fixed.items():
            rows += _judged(method, pool, held_out, np.repeat(log_p[None], len(held_out), axis=0))
        # Far from what any sampler knows: the twelve that are best in the end.
        rows += _judged("best twelve", pool, held_out, 1e3 * pool[held_out, :, -1])
    for start in range(0, len(controllers), AT_ONCE):
        some = controllers[start : start + AT_ONCE]
        for controller, log_p in zip(some, _trained(x, pool, options, some), strict=True):
            # Means over a task's random networks.
            for each in log_p:
                rows += _judged(controller.method, pool, controller.held_out, each)
    mean = pd.DataFrame(rows).groupby(["method", "number"], sort=False)["score"].mean()
    return mean.reset_index().join(bench.tasks[["task", "family"]], on="number")


def _pool(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """Validation scores of a task's trainings at the rungs, (T, N, 3), and their options."""
    assert bench.options is not None
    scores = np.concatenate(list(bench.rungs), axis=1)
    return scores, np.concatenate([bench.options] * len(bench.rungs))


def draw(log_p: np.ndarray, uniform: float, rng: np.random.Generator) -> np.ndarray:
    """Twelve of N by their odds, without replacement (Gumbel's trick), the last ones uniformly.

    Args:
        log_p: (..., N).
        uniform: the share that is drawn uniformly from what is left.
        rng: draws.

    Returns:
        numbers, (..., 12).
    """
    n = SIZES[0] - round(uniform * SIZES[0])
    gumbel = rng.gumbel(size=log_p.shape)
    chosen = np.argsort(-(log_p + gumbel), axis=-1)[..., :n]
    rest = rng.random(log_p.shape)
    np.put_along_axis(rest, chosen, np.inf, axis=-1)
    return np.concatenate([chosen, np.argsort(rest, axis=-1)[..., : SIZES[0] - n]], axis=-1)


def mean_score(pool: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Of survivors: pool (..., N, 3), drawn (..., 12) -> (...)."""
    scores = np.take_along_axis(pool, drawn[..., None], axis=-2)
    return np.asarray(survivors(scores).sum(axis=-1) / SIZES[-1])


def _judged(method: str, pool: np.ndarray, of: np.ndarray, log_p: np.ndarray) -> list[dict]:
    """A row a task: the mean over brackets; the same random numbers for every method."""
    rng = np.random.default_rng(0)
    values = np.mean([mean_score(pool[of], draw(log_p, 0.0, rng)) for _ in range(JUDGED)], axis=0)
    return [
        {"method": method, "number": int(n), "score": float(v)}
        for n, v in zip(of, values, strict=True)
    ]


def _trained(
    x: np.ndarray, pool: np.ndarray, options: np.ndarray, controllers: Sequence[_Controller]
) -> list[np.ndarray]:
    """Of each controller, log-odds of the pool for its held-out tasks, (examples, tasks, N)."""
    n_tasks, examples = x.shape[1:3]
    inputs = torch.stack([
        standardised_inputs(
            x[c.variant].reshape(n_tasks * examples, -1), 4,
            (c.train[:, None] * examples + np.arange(examples)).ravel(),
        )
        for c in controllers
    ]).view(len(controllers), n_tasks, examples, -1)  # fmt: skip
    sizes = (x.shape[-1], *HIDDEN, 4 * OPTIONS)
    weights, biases = first_weights(sizes, [c.seed for c in controllers])
    optimiser = torch.optim.Adam([*weights, *biases], lr=RATE)
    rng = np.random.default_rng(len(controllers))
    place = torch.from_numpy(options.astype(np.int64))
    who = torch.arange(len(controllers))[:, None]
    before = np.zeros(len(controllers))

    def log_odds(batch: torch.Tensor) -> torch.Tensor:
        """(B, m, d) -> log p of every training in the pool, (B, m, N)."""
        answers = forward(batch, weights, biases)
        table = answers.view(*answers.shape[:2], 4, OPTIONS).log_softmax(dim=-1)
        return torch.stack([table[:, :, k, place[:, k]] for k in range(4)]).sum(dim=0)

    for turn in range(ROUNDS):
        sets = np.stack([rng.choice(c.train, DATA_SETS) for c in controllers])
        which = torch.from_numpy(rng.integers(examples, size=sets.shape))
        log_p = log_odds(inputs[who, torch.from_numpy(sets), which])
        odds = log_p.detach().numpy()
        drawn = np.stack([draw(o, c.uniform, rng) for o, c in zip(odds, controllers, strict=True)])
        earned = np.stack([mean_score(pool[s], d) for s, d in zip(sets, drawn, strict=True)])
        total = earned.sum(axis=1)
        reward = torch.from_numpy(total - before if turn else np.zeros(len(total)))
        before = total
        said = log_p.gather(2, torch.from_numpy(drawn)).sum(dim=(1, 2))
        loss = -(reward * said).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    results = []
    with torch.no_grad():
        for k, c in enumerate(controllers):
            batch = inputs[k, torch.from_numpy(c.held_out)].reshape(1, -1, inputs.shape[-1])
            answers = forward(
                batch, [w[k : k + 1] for w in weights], [b[k : k + 1] for b in biases]
            )
            table = answers.view(-1, 4, OPTIONS).log_softmax(dim=-1)
            log_p = sum(table[:, layer, place[:, layer]] for layer in range(4))
            each = log_p.view(len(c.held_out), examples, -1).transpose(0, 1).numpy()
            results.append(each)
    return results
