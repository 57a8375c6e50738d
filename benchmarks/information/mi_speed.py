"""Layers per second and their error: infoprior, torch-mist's MINE, and what the machine allows.

    make bench-peers && python benchmarks/information/mi_speed.py [--methods auto ...] [--no-peer]

Class-Gaussian layers (I(T; Y) by Monte Carlo on exact densities) with 2 to 20 classes and widths of
16 to 128, n = 2,000, one thread, CPU seconds. infoprior gets all the layers of a class count in one
call, as the layers of networks on one task come; torch-mist one after the other, on some of the
same layers and the same samples, in an environment of its own and with two settings
(peer_torch_mist.py says which; "default" reports the value of the rows it was trained on). Errors
"on shared layers" are those of the layers and seed that torch-mist was given.

The floor is what the matrix products of the critics' training take at the rate that this machine
reaches in float32 `bmm` of such shapes: FLOPs are counted while the estimator runs, the rate is
measured. Where CUDA is available, the same stack is timed on the GPU and on one CPU core.

A second table says what the default profile of an untrained network costs: I(X; T) and I(T; Y) of
every layer, 1,500 rows, one thread.

Writes benchmarks/results/information/mi_speed.csv and .md and prints the table.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import (
    PEERS,
    RESULTS,
    code_version,
    machine,
    markdown,
    matmul_rate,
    threads,
    timed,
    write,
    write_csv,
)

CLASSES = (2, 5, 10, 20)
WIDTHS = (16, 32, 64, 128)
NETWORKS = ((3, 32, 30, 3), (3, 48, 30, 6), (3, 48, 64, 10), (5, 256, 30, 6))
"""Layers, width, input columns and classes of the networks that are profiled."""
SHAPES = ((60, 256, 64, 64), (60, 256, 128, 64), (60, 1200, 64, 64), (12, 1200, 128, 128))
"""Stack, rows, inputs, outputs: products of critics of 64 to 128 units."""


def layers(per_class: int) -> dict[int, list[Any]]:
    """classes -> `per_class` layers of all widths and of separations between 2 and 4."""
    from infoprior.information.known import class_gaussians

    separations = np.linspace(3.0, 4.0, 1) if per_class <= 4 else np.linspace(2, 4, per_class // 4)
    return {
        c: [class_gaussians(c, w, float(s)) for s in separations for w in WIDTHS] for c in CLASSES
    }


def measure(
    method: str, stacks: dict[int, list[Any]], n: int, seed: int, device: str
) -> tuple[dict[str, float], float]:
    """Estimates by layer, and the seconds of all calls together."""
    import torch

    from infoprior.information import estimate

    nats, total = {}, 0.0
    for several in stacks.values():
        samples = [k.sample(n, seed) for k in several]
        t = [torch.from_numpy(x).to(device) for x, _ in samples]
        y = torch.from_numpy(samples[0][1]).to(device)
        options = {"method": method, "seed": seed, "threads": torch.get_num_threads()}
        result, seconds = timed(lambda t=t, y=y, options=options: estimate(t, y, **options), device)
        nats |= dict(zip((k.name for k in several), result.nats, strict=True))
        total += seconds
    return nats, total


def count_flops(method: str, stacks: dict[int, list[Any]], n: int) -> float:
    """GFLOP of the matrix products that one estimate of all layers runs."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        measure(method, stacks, n, 0, "cpu")
    return counter.get_total_flops() / 1e9


def peer(shared: list[Any], n: int, setting: str) -> list[dict[str, float]]:
    """torch-mist's answers for seed 0 of these layers, in order."""
    arrays = {}
    for i, k in enumerate(shared):
        arrays[f"x{i}"], arrays[f"y{i}"] = k.sample(n, 0)
    script = Path(__file__).with_name("peer_torch_mist.py")
    with tempfile.TemporaryDirectory() as folder:
        samples, answers = Path(folder, "samples.npz"), Path(folder, "answers.json")
        np.savez(samples, **arrays)
        command = [PEERS, script, samples, answers, "--setting", setting]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        return json.loads(answers.read_text())


def profiles(seeds: int) -> list[dict[str, Any]]:
    """Seconds of the default profile of untrained networks."""
    from infoprior.information.known import class_gaussians
    from infoprior.profiles import profile_network
    from infoprior.spaces import get_space
    from infoprior.tasks import Task

    space = get_space("mlp")
    point = space.design(1)[0] | {"shape": "constant", "activation": "relu"}
    rows = np.arange(1510)
    table = []
    for depth, width, d, k in NETWORKS:
        x, y = class_gaussians(k, d, 3.0).sample(1510, seed=0)
        task = Task(
            name=f"synthetic/{d}-{k}", family="benchmark", source="generator", kind="synthetic",
            X=(x / x.std(axis=0)).astype(np.float32), y=y, train=rows[:1200],
            validation=rows[1200:1500], test=rows[1500:],
            feature_names=tuple(f"x{i}" for i in range(d)),
            class_names=tuple(f"c{i}" for i in range(k)),
        )  # fmt: skip
        network = space.build(point | {"depth": depth, "width": width}, d, k)
        profile_network(network, task)  # warm-up
        seconds = [
            timed(lambda s=s, n=network, t=task: profile_network(n, t, seed=s))[1]
            for s in range(seeds)
        ]
        table.append({"layers": depth, "width": width, "input columns": d, "classes": k,
                      "s a network": float(np.median(seconds))})  # fmt: skip
    return table


def errors(nats: dict[str, float], truth: dict[str, float]) -> np.ndarray:
    return np.array([nats[name] - truth[name] for name in truth if name in nats])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", default=["auto", "enumerated", "hybrid-labels"])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=12, help="layers a call; multiples of 4")
    parser.add_argument("--gpu-per-class", type=int, default=64, help="the same, on the GPU")
    parser.add_argument("--peer-layers", type=int, default=8)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--no-default", action="store_true", help="skip torch-mist's own default")
    parser.add_argument("--no-profiles", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "information" / "mi_speed.csv")
    options = parser.parse_args()
    threads(options.threads)
    import torch

    stacks = layers(options.per_class)
    every = [k for several in stacks.values() for k in several]
    truth = {k.name: k.nats for k in tqdm(every, desc="truths")}
    # A step without a common divisor walks through widths and separations as through classes.
    step = next(s for s in range(len(every) // options.peer_layers + 1, 10**9)
                if math.gcd(s, len(every)) == 1)  # fmt: skip
    shared = [every[i * step % len(every)] for i in range(options.peer_layers)]
    of_shared = {k.name: truth[k.name] for k in shared}

    with_peer = not options.no_peer and PEERS.exists()
    if not options.no_peer and not PEERS.exists():
        print("There is no environment of the peers (make bench-peers): infoprior alone.")
    rows: list[dict[str, Any]] = []
    rates = {shape: matmul_rate(*shape) for shape in SHAPES}
    rate = max(rates.values())
    for method in options.methods:
        measure(method, {2: stacks[2][:2]}, 200, 0, "cpu")  # warm-up
        gflop = count_flops(method, stacks, options.n) / len(every)
        seconds, error, on_shared = [], [], []
        for seed in tqdm(range(options.seeds), desc=method):
            nats, total = measure(method, stacks, options.n, seed, "cpu")
            seconds.append(total / len(every))
            error.append(errors(nats, truth))
            if seed == 0:
                on_shared = errors(nats, of_shared)
        rows.append(_row(f"infoprior {method}", "cpu", len(every), float(np.median(seconds)))
                    | _errors(np.array(error), np.array(on_shared))
                    | {"floor s a layer": gflop / rate})  # fmt: skip
    for setting in ("held-out", "default")[: 2 - options.no_default] if with_peer else ():
        answers = peer(shared, options.n, setting)
        seconds_each = float(np.mean([a["seconds"] for a in answers]))
        off = errors({k.name: a["nats"] for k, a in zip(shared, answers, strict=True)}, of_shared)
        rows.append(_row(f"torch-mist MINE, {setting}", "cpu", len(shared), seconds_each)
                    | _errors(off[None], off) | {"floor s a layer": float("nan")})  # fmt: skip
    if torch.cuda.is_available():
        rows += on_gpu(options)
    reference = {r["what"]: r["s a layer"] for r in rows if r["what"].endswith("held-out")}
    for row in rows:
        base = next(iter(reference.values()), float("nan"))
        row["times torch-mist held-out"] = base / row["s a layer"]
    write_csv(options.out, rows)
    text = "\n".join([
        "# Speed and error of I(T; Y), class-Gaussian layers\n",
        f"`python benchmarks/information/mi_speed.py`; n = {options.n:,}, {len(every)} layers of "
        f"{list(CLASSES)} classes and widths {list(WIDTHS)}, {options.seeds} seeds (errors: median "
        f"over seeds of the absolute error, mean over layers), {options.threads} thread, "
        f"{machine()}. torch-mist 0.2.17 on {len(shared)} of the layers, seed 0. "
        f"Code {code_version()}.\n",
        markdown(rows),
        "\nMeasured float32 `bmm`, GFLOP/s: "
        + ", ".join(f"{'×'.join(map(str, s))}: {r:.0f}" for s, r in rates.items()) + ".",
    ])  # fmt: skip
    if not options.no_profiles:
        text += "\n\n## The default profile of a network, 1,500 rows\n\n"
        text += markdown(profiles(options.seeds))
    write(options.out.with_suffix(".md"), text + "\n")
    print(text)


def on_gpu(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One stack of many layers on one CPU core and on the GPU."""
    stacks = layers(options.gpu_per_class)
    every = [k for several in stacks.values() for k in several]
    truth = {k.name: k.nats for k in tqdm(every, desc="truths")}
    rows = []
    for method in options.methods:
        for device in ("cpu", "cuda"):
            warm_up = stacks if device == "cuda" else {2: stacks[2][:2]}
            measure(method, warm_up, options.n, 0, device)
            nats, total = measure(method, stacks, options.n, 0, device)
            name = "one core" if device == "cpu" else machine(device)
            what = f"infoprior {method}, one stack, {name}"
            rows.append(
                _row(what, device, len(every), total / len(every))
                | _errors(errors(nats, truth)[None], np.array([]))
                | {"floor s a layer": float("nan")}
            )
    return rows


def _row(what: str, device: str, count: int, seconds: float) -> dict[str, Any]:
    return {"what": what, "device": device, "layers": count, "layers a second": 1 / seconds,
            "s a layer": seconds}  # fmt: skip


def _errors(error: np.ndarray, on_shared: np.ndarray) -> dict[str, float]:
    """error: (seeds, layers)."""
    return {
        "mean abs. error": float(np.median(np.abs(error), axis=0).mean()),
        "bias": float(error.mean()),
        "on shared layers": float(np.abs(on_shared).mean()) if len(on_shared) else float("nan"),
    }


if __name__ == "__main__":
    main()
