"""How much noise makes I(X; T + sigma Z) of the probes' layers say most, and trustworthy.

    python benchmarks/information/noise.py [--tasks 12] [--seeds 3]

The three probes are trained on real tasks of 800 training and validation rows, with several seeds,
and every hidden layer is measured with each amount of noise (`relative`: sigma as a share of the
root mean square of the layer's units). Needs data/tasks (`dvc repro tasks`). Feature maps are those
of a small convolutional network trained on 800 of scikit-learn's digits, 8 x 8 pixels.

Writes benchmarks/results/information/noise.csv, noise_maps.csv and noise.md, one row per amount:

- disagree, saturated: share of layers with these flags; gap: median of upper - lower, nats.
- nats: median estimate; over tasks, over seeds: standard deviation of a layer's value between tasks
  (of means over seeds) and between seeds (root mean square over tasks), means over the six layers.
- agreement: Spearman's correlation of the tasks' values between two seeds, mean over layers and
  pairs of seeds: whether tasks keep their order.
- rank: Spearman's correlation with the effective rank over tasks, mean over layers and seeds.
- width: Spearman's correlation with the layer's width over the layers of a task: what is left of
  the mere number of units, mean over tasks and seeds.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks._common import RESULTS, ROOT, markdown, threads, write, write_csv

ROWS = 800
RELATIVE = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def measure(path: str, seed: int) -> list[dict[str, object]]:
    """A row per layer and amount of noise."""
    from infoprior.information import effective_rank, estimate
    from infoprior.profiles import PROBES
    from infoprior.profiles._reading import read_activations
    from infoprior.spaces import get_space
    from infoprior.tasks import Task
    from infoprior.training import train

    task = Task.load(path)
    x = task.X[np.concatenate([task.train, task.validation])]
    layers = {}
    for probe, point in PROBES.items():
        network = train(task, point, space=get_space("mlp"), seed=seed).network
        layers |= {f"{probe}/{name}": t for name, t in read_activations(network, x).items()}
    rank = {name: effective_rank(t) for name, t in layers.items()}
    rows: list[dict[str, object]] = []
    for relative in RELATIVE:
        estimates = estimate(x, list(layers.values()), method="noisy", seed=seed, relative=relative)
        rows += [
            {"relative": relative, "task": task.name, "seed": seed, "layer": name,
             "width": layers[name].shape[1], "nats": e.nats, "gap": e.upper - e.lower,
             "effective_rank": rank[name], "disagree": "bounds_disagree" in e.flags,
             "saturated": "saturated" in e.flags}
            for name, e in zip(layers, estimates, strict=True)
        ]  # fmt: skip
    return rows


def measure_maps(seed: int) -> list[dict[str, object]]:
    """The same of the maps of a convolutional network."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    from infoprior.information import estimate

    digits = load_digits()
    rows = np.random.default_rng(seed).permutation(len(digits.data))[:ROWS]
    x = torch.tensor(digits.data[rows] / 16 - 0.5, dtype=torch.float32).view(-1, 1, 8, 8)
    y = torch.tensor(digits.target[rows])
    torch.manual_seed(seed)
    body = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU()]  # fmt: skip
    network = nn.Sequential(*body, nn.Flatten(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(15):
        for batch in torch.randperm(ROWS).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    layers, t = [], x
    with torch.no_grad():
        for module in body:
            t = module(t)
            layers += [t] if isinstance(module, nn.ReLU) else []
    return [
        {"relative": relative, "width": t[0].numel(), "seed": seed, "nats": e.nats,
         "gap": e.upper - e.lower, "disagree": "bounds_disagree" in e.flags,
         "saturated": "saturated" in e.flags}
        for relative in RELATIVE
        for t, e in zip(layers, estimate(x, layers, method="noisy", seed=seed, relative=relative),
                        strict=True)
    ]  # fmt: skip


def summary_maps(rows: pd.DataFrame) -> list[dict[str, float]]:
    table = []
    for relative, part in rows.groupby("relative"):
        widths = part.groupby("width")["nats"]
        table.append({
            "relative": relative,
            "disagree": part["disagree"].mean(), "saturated": part["saturated"].mean(),
            "gap": part["gap"].median(), "nats": part["nats"].median(),
            "over seeds": widths.std().mean(),
        } | {f"width {w}": v for w, v in widths.mean().items()})  # fmt: skip
    return table


def summary(rows: pd.DataFrame) -> list[dict[str, float]]:
    table = []
    for relative, part in rows.groupby("relative"):
        values = part.pivot_table(index=["layer", "task"], columns="seed", values="nats")
        tasks = values.mean(axis=1).groupby("layer").std()
        seeds = values.var(axis=1).groupby("layer").mean() ** 0.5
        agree = [
            layer[a].corr(layer[b], method="spearman")
            for _, layer in values.groupby("layer")
            for a, b in combinations(values.columns, 2)
        ]
        table.append({
            "relative": relative,
            "disagree": part["disagree"].mean(), "saturated": part["saturated"].mean(),
            "gap": part["gap"].median(), "nats": part["nats"].median(),
            "over tasks": tasks.mean(), "over seeds": seeds.mean(), "agreement": np.mean(agree),
            "rank": correlation(part, ["layer", "seed"], "effective_rank"),
            "width": correlation(part, ["task", "seed"], "width"),
        })  # fmt: skip
    return table


def correlation(part: pd.DataFrame, by: list[str], column: str) -> float:
    return float(
        np.nanmean([g["nats"].corr(g[column], method="spearman") for _, g in part.groupby(by)])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=int, default=12, help="evenly spaced over the list")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    threads(1)
    folder = ROOT / "data" / "tasks"
    if not (folder / "tasks.parquet").exists():
        raise SystemExit("No tasks in data/tasks: run `dvc repro tasks` first.")
    tasks = pd.read_parquet(folder / "tasks.parquet")
    tasks = tasks[(tasks["n_train"] + tasks["n_validation"] == ROWS) & (tasks["kind"] == "real")]
    places = np.linspace(0, len(tasks) - 1, min(options.tasks, len(tasks))).round().astype(int)
    rows = []
    for name in tqdm(tasks["task"].iloc[places], desc="tasks"):
        path = folder / f"{name.replace('/', '--')}.safetensors"
        for seed in range(options.seeds):
            rows += measure(str(path), seed)
    maps = [row for seed in range(options.seeds) for row in measure_maps(seed)]
    tables = {"noise": summary(pd.DataFrame(rows)), "noise_maps": summary_maps(pd.DataFrame(maps))}
    for name, table in tables.items():
        rounded = [{k: round(float(v), 4) for k, v in row.items()} for row in table]
        write_csv(RESULTS / "information" / f"{name}.csv", rounded)
    text = (
        f"{len(places)} tasks of {ROWS} rows, {options.seeds} seeds, six layers each\n\n"
        f"{markdown(tables['noise'])}\n\n"
        f"Feature maps of a network on {ROWS} digits, {options.seeds} seeds, three layers each; "
        f"nats of each layer by its width\n\n{markdown(tables['noise_maps'])}\n"
    )
    write(RESULTS / "information" / "noise.md", text)
    print(text)


if __name__ == "__main__":
    main()
