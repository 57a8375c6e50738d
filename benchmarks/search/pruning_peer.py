"""`infoprior.search.evolution.prune` against torch-pruning, plain magnitude and chance.

    make bench-peers                                   # torch-pruning, in its own environment
    python benchmarks/search/pruning_peer.py [--tasks 12] [--seeds 3] [--write-only]

On each of the first real tables with 300 to 1,000 training rows, by name, one a family: networks of
three hidden layers of 64 ReLU units, trained for 27 epochs (AdamW, learning rate 0.003, batches of
64). Each hidden layer loses the same share of its units, 25, 50 or 75 %, by

    least change       `prune`: the units whose loss changes least what the next layer computes,
                       which is refitted on the training rows; layer by layer
    magnitude, refit   the units of the smallest L1 norm of incoming weights (Li et al., "Pruning
                       filters for efficient ConvNets", ICLR 2017); refitted likewise
    random, refit      units drawn at random; refitted likewise
    magnitude          as above, without refit
    random             as above, without refit
    torch-pruning, ... three importances of it: see peer_torch_pruning.py

so that the second and the third tell what the choice is worth, the fourth and the fifth what the
refit is. Measured on test rows, before any further training and after three epochs of it (learning
rate 0.001): accuracy and log loss; and the change of the logits, root mean square relative to their
spread. Seconds are CPU seconds of the pruning, one thread, their median over tasks. Nothing was
tuned on these tasks. Intervals are 95 %, of a t distribution over tasks (means over seeds), of the
paired difference from `prune`. Rows go to benchmarks/results/search/pruning.csv as they are
measured; a run resumes.
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import (
    PEERS,
    RESULTS,
    append_row,
    machine,
    markdown,
    read_rows,
    threads,
    timed,
    write,
)
from benchmarks.search.darts_selection import task_names
from infoprior.search.evolution import output_change, prune
from infoprior.search.evolution.individual import Individual
from infoprior.search.evolution.learning import train_epochs
from infoprior.spaces._mlp import linear
from infoprior.tasks import load_task
from infoprior.training._data import TaskTensors
from infoprior.training._engines.settings import TrainingSettings

CSV = RESULTS / "search" / "pruning.csv"
WIDTH, DEPTH, EPOCHS, TUNING_EPOCHS = 64, 3, 27, 3
TRAINING, TUNING = TrainingSettings(3e-3, 1e-2, 64), TrainingSettings(1e-3, 1e-2, 64)
SHARES = (0.25, 0.5, 0.75)
OURS = "least change"
PEER_ARMS = ("magnitude", "Taylor", "Taylor, batches")
ARMS = (
    OURS, "magnitude, refit", "random, refit", "magnitude", "random",
    *(f"torch-pruning, {arm}" for arm in PEER_ARMS),
)  # fmt: skip


def sequential(weights: list[Tensor], biases: list[Tensor]) -> nn.Sequential:
    """Linear layers with these weights, a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trained(
    network: nn.Sequential, data: TaskTensors, seed: int, n: int, how: Any
) -> nn.Sequential:
    """A copy after n epochs, from fresh moments."""
    individual = Individual(copy.deepcopy(network))
    train_epochs(individual, data, how, seed=seed, first=1, n=n)
    return individual.network


def first_network(task: Any, seed: int) -> nn.Sequential:
    draw = torch.Generator().manual_seed(seed)
    widths = [task.n_features, *[WIDTH] * DEPTH, task.n_classes]
    layers = [linear(a, b, draw) for a, b in pairwise(widths)]
    return sequential([m.weight.detach() for m in layers], [m.bias.detach() for m in layers])


# The arms ---------------------------------------------------------------------------------------


def ours(network: nn.Module, width: int, x: Tensor) -> nn.Module:
    for i in range(DEPTH):
        network = prune(network, str(2 * i), width, x).network
    return network


def refitted(network: nn.Module, width: int, x: Tensor, seed: list[int] | None) -> Any:
    rng = None if seed is None else np.random.default_rng(seed)
    for i in range(DEPTH):
        keep = chosen(network.get_submodule(str(2 * i)), width, rng)
        network = prune(network, str(2 * i), width, x, keep=keep).network
    return network


def sliced(network: nn.Sequential, width: int, seed: list[int] | None) -> nn.Sequential:
    rng = None if seed is None else np.random.default_rng(seed)
    layers = network[::2]
    weights = [layer.weight.detach() for layer in layers]
    biases = [layer.bias.detach() for layer in layers]
    for i in range(DEPTH):
        keep = chosen(layers[i], width, rng)
        weights[i], biases[i] = weights[i][keep], biases[i][keep]
        weights[i + 1] = weights[i + 1][:, keep]
    return sequential(weights, biases)


def chosen(layer: Any, width: int, rng: np.random.Generator | None) -> Tensor:
    """The units that stay: at random, or those of the largest norms."""
    if rng is not None:
        return torch.from_numpy(np.sort(rng.permutation(layer.out_features)[:width]))
    return layer.weight.detach().abs().sum(1).argsort(descending=True)[:width].sort().values


def pruned(network: Any, x: Tensor, seed: int) -> Iterator[tuple[str, float, nn.Module, float]]:
    """(arm, share, network, CPU seconds) of what this process prunes."""
    for k, share in enumerate(SHARES):
        width = WIDTH - int(share * WIDTH)
        calls = {
            OURS: partial(ours, network, width, x),
            "magnitude, refit": partial(refitted, network, width, x, None),
            "random, refit": partial(refitted, network, width, x, [seed, 8, k]),
            "magnitude": partial(sliced, network, width, None),
            "random": partial(sliced, network, width, [seed, 8, k]),
        }
        for arm, call in calls.items():
            yield arm, share, *timed(call)


def peers(jobs: dict[str, Any], x: Tensor, y: Tensor) -> dict[str, list[Any]]:
    """Name of a network -> as `pruned`, of what torch-pruning prunes in a process of its own."""
    answers: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        asked, given = Path(folder, "jobs"), Path(folder, "answers")
        asked.mkdir()
        given.mkdir()
        for name, network in jobs.items():
            arrays = {
                f"{kind}{i}": getattr(layer, kind).detach().numpy()
                for i, layer in enumerate(network[::2])
                for kind in ("weight", "bias")
            }
            np.savez(asked / f"{name}.npz", x=x.numpy(), y=y.numpy(), shares=SHARES, **arrays)
        script = Path(__file__).with_name("peer_torch_pruning.py")
        subprocess.run([str(PEERS), str(script), str(asked), str(given)], check=True)
        for name in jobs:
            with np.load(given / f"{name}.npz") as data:
                answers[name] = [
                    (f"torch-pruning, {arm}", share, *answered(data, f"{arm}/{share}"))
                    for arm in PEER_ARMS
                    for share in SHARES
                ]
    return answers


def answered(data: Any, key: str) -> tuple[nn.Sequential, float]:
    """A network of the peer's, and its CPU seconds."""
    weights, biases = (
        [torch.from_numpy(data[f"{key}/{kind}{i}"]) for i in range(DEPTH + 1)]
        for kind in ("weight", "bias")
    )
    return sequential(weights, biases), float(data[f"{key}/seconds"])


def measure(n_tasks: int, n_seeds: int) -> None:
    done = {(row["task"], row["seed"]) for row in read_rows(CSV) if row["last"] == "yes"}
    for name in task_names(n_tasks):
        seeds = [seed for seed in range(n_seeds) if (name, str(seed)) not in done]
        if not seeds:
            continue
        task = load_task(name)
        data = TaskTensors(task)
        test_x = data.x[-data.sizes[2] :]
        networks = {
            str(seed): trained(first_network(task, seed), data, seed, EPOCHS, TRAINING)
            for seed in seeds
        }
        answers = peers(networks, data.train_x, data.train_y)
        for seed in seeds:
            network = networks[str(seed)]
            whole = data.evaluate(network)
            all_of_it = [*pruned(network, data.train_x, seed), *answers[str(seed)]]
            for k, (arm, share, one, seconds) in enumerate(all_of_it):
                row = data.evaluate(one.eval())
                later = data.evaluate(trained(one, data, seed, TUNING_EPOCHS, TUNING))
                append_row(
                    CSV,
                    {
                        "task": name, "seed": seed, "arm": arm, "share": share,
                        "units": sum(layer.out_features for layer in one[:-1:2]),
                        "accuracy": row["test_accuracy"], "loss": row["test_loss"],
                        "change": output_change(network, one, test_x),
                        "tuned_accuracy": later["test_accuracy"], "tuned_loss": later["test_loss"],
                        "whole_accuracy": whole["test_accuracy"], "whole_loss": whole["test_loss"],
                        "seconds": seconds, "last": "yes" if k == len(all_of_it) - 1 else "no",
                    },
                )  # fmt: skip


# The tables -------------------------------------------------------------------------------------


def difference(ours: pd.Series, theirs: pd.Series, scale: float) -> str:
    """Mean over tasks of theirs less ours, with its interval."""
    gaps = scale * (theirs - ours).to_numpy()
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return f"{gaps.mean():+.2f} [{gaps.mean() - half:+.2f}, {gaps.mean() + half:+.2f}]"


def table(frame: pd.DataFrame, share: float) -> list[dict[str, Any]]:
    """One row an arm: means over tasks, and differences from `prune`."""
    means = frame[frame["share"] == share].groupby(["arm", "task"]).mean(numeric_only=True)
    own, rows = means.loc[OURS], []
    for arm in ARMS:
        its = means.loc[arm]
        row: dict[str, Any] = {"arm": arm}
        for tuned, words in (("", ""), ("tuned_", "after 3 epochs: ")):
            for column, name, scale in (("accuracy", "accuracy, %", 100.0), ("loss", "loss", 1.0)):
                mean = f"{scale * its[tuned + column].mean():.2f}"
                gap = difference(own[tuned + column], its[tuned + column], scale)
                row[f"{words}{name}"] = mean if arm == OURS else f"{mean} ({gap})"
        row["change of logits"] = f"{its['change'].mean():.2f}"
        row["ms"] = f"{1e3 * its['seconds'].median():.1f}"
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write-only", action="store_true")
    options = parser.parse_args()
    threads(1)
    if not options.write_only:
        if not PEERS.exists():
            sys.exit("There is no environment of the peers: run `make bench-peers` first.")
        measure(options.tasks, options.seeds)
    frame = pd.DataFrame(read_rows(CSV))
    numbers = [c for c in frame if c not in ("task", "arm", "last")]
    frame = frame.astype(dict.fromkeys(numbers, float))
    frame = frame.drop_duplicates(["task", "seed", "arm", "share"], keep="last")
    whole = frame.groupby("task")[["whole_accuracy", "whole_loss"]].mean().mean()
    text = (
        "# Pruning trained networks\n\n"
        f"{frame['task'].nunique()} real tasks, {frame['seed'].nunique():.0f} seeds, three hidden "
        f"layers of {WIDTH} units; {machine()}, one thread. Unpruned: accuracy "
        f"{100 * whole['whole_accuracy']:.2f} %, log loss {whole['whole_loss']:.2f} nats. "
        "Losses are log losses on test rows, in nats. In parentheses: differences from the first "
        "row, with 95 % intervals over tasks.\n\n"
        + "".join(
            f"## {100 * share:.0f} % of the units removed\n\n{markdown(table(frame, share))}\n\n"
            for share in SHARES
        )
        + "Made by `python benchmarks/search/pruning_peer.py`, whose first lines say how.\n"
    )
    write(RESULTS / "search" / "pruning.md", text)
    print(text)


if __name__ == "__main__":
    main()
