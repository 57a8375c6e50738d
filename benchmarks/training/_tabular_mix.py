"""The trainer's speed on the space `tabular`: a part of trainer_speed.py.

The mix: of each encoding of inputs some points a task, none of them twice, from a Sobol design of
the whole space (widths to 512, layers behind the first to 192), on six tasks as the published
meta-dataset has them: four real ones and two of synthetic2. Compiled trainer and plain PyTorch loop
alternate, and of each the quickest of several tries counts.

One network: the point that is nearest to RealMLP's defaults (three layers of 256, here 256, 192 and
192; periodic features, a learned scale in front, smoothed labels, batches of 256), by every peer,
beside RealMLP itself, which standardises and encodes for itself, learns its periodic features and
evaluates the validation rows after every epoch: with as many epochs, and with its own 256.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import RESULTS, ROOT, append_row, machine, markdown, read_rows, timed
from benchmarks.training._loops import EPOCHS, Loop, Params, floor, ours, plain, sklearn

TASKS = (
    "keel/german", "synthetic2/0", "keel/phoneme", "keel/satimage", "keel/letter", "synthetic2/2",
)  # fmt: skip
MOST = 5
"""Points of an encoding and a task, at most."""
LOOPS: dict[str, Loop] = {"train_many": ours, "plain PyTorch": plain, "scikit-learn": sklearn}
MIX_CSV = RESULTS / "training" / "trainer_speed_tabular.csv"
ONE_CSV = RESULTS / "training" / "trainer_speed_realmlp.csv"
PEER = ROOT / ".venv-peers" / "pytabkit" / "bin" / "python"
REALMLP_EPOCHS = 256
"""Its default."""

NEAREST: Params = {
    "inputs": "periodic-low", "feature_scale": True, "depth": 3, "width": 256, "shape": "constant",
    "activation": "silu", "normalization": "none", "dropout": 0.15, "residual": False,
    "label_smoothing": 0.1, "schedule": "cosine", "learning_rate": 2e-3, "weight_decay": 2e-2,
    "batch_size": 256,
}  # fmt: skip


@cache
def points() -> dict[tuple[str, str], list[Params]]:
    """(task, encoding) -> its points."""
    from infoprior.spaces import get_space

    space = get_space("tabular")
    design = space.design(256)
    chosen = {}
    for encoding in space["inputs"].choices:  # type: ignore[attr-defined]
        own = [point for point in design if point["inputs"] == encoding]
        for number, task in enumerate(TASKS):
            chosen[task, encoding] = own[number : MOST * len(TASKS) : len(TASKS)]
    return chosen


def _cells() -> list[tuple[str, str]]:
    """(task, encoding), so that the first few already hold every encoding and every task."""
    encodings = list(dict.fromkeys(encoding for _, encoding in points()))
    return [
        (TASKS[(place + shift) % len(TASKS)], encoding)
        for shift in range(len(TASKS))
        for place, encoding in enumerate(encodings)
    ]


def _warm_up() -> None:
    """Caches and lazy imports."""
    from infoprior.metadataset import published_task

    for loop in LOOPS.values():
        loop(published_task(TASKS[0]), [NEAREST], 1)


def measure(each: int, repeats: int) -> None:
    """What is not yet in the files, of so many points a task and encoding."""
    from infoprior.metadataset import published_task

    _warm_up()
    columns = ("task", "inputs", "point", "method", "repeat")
    done = {tuple(r[c] for c in columns) for r in read_rows(MIX_CSV)}
    for number, repeat in product(range(each), range(repeats)):
        for name, encoding in _cells():
            task, point = published_task(name), points()[name, encoding][number]
            for method, loop in LOOPS.items():
                if (name, encoding, str(number), method, str(repeat)) in done:
                    continue
                (accuracy,), seconds = timed(lambda f=loop, t=task, p=point: f(t, [p], EPOCHS))
                append_row(MIX_CSV, {
                    "task": name, "inputs": encoding, "point": number, "method": method,
                    "repeat": repeat, "n_train": len(task.train), "cpu_s": round(seconds, 4),
                    "accuracy": round(accuracy, 4), "floor_s": round(floor(task, [point]), 4),
                    "machine": machine(),
                })  # fmt: skip
                print(f"{name:14} {encoding:14} {method:14} {seconds:7.3f} s", flush=True)


def measure_one(repeats: int) -> None:
    """One network, beside RealMLP: what is not yet in the file."""
    from infoprior.metadataset import published_task

    _warm_up()
    done = {(r["task"], r["method"], r["epochs"], r["repeat"]) for r in read_rows(ONE_CSV)}
    for repeat, epochs in product(range(repeats), (EPOCHS, REALMLP_EPOCHS)):
        for name, (method, loop) in product(TASKS, LOOPS.items()):
            if (name, method, str(epochs), str(repeat)) in done or (
                epochs != EPOCHS and method != "train_many"
            ):
                continue
            task = published_task(name)
            (accuracy,), seconds = timed(lambda f=loop, t=task, e=epochs: f(t, [NEAREST], e))
            _one_row(name, method, epochs, repeat, seconds, accuracy)
        todo = [n for n in TASKS if (n, "RealMLP", str(epochs), str(repeat)) not in done]
        if todo and PEER.exists():
            options = {} if epochs == REALMLP_EPOCHS else {"n_epochs": epochs}
            for name, one in zip(todo, _realmlp(todo, options), strict=True):
                _one_row(name, "RealMLP", epochs, repeat, one["seconds"], one["accuracy"])
    if not PEER.exists():
        print("There is no environment of pytabkit (make bench-peers): RealMLP is left out.")


def _one_row(
    name: str, method: str, epochs: int, repeat: int, seconds: float, accuracy: float
) -> None:
    append_row(ONE_CSV, {
        "task": name, "method": method, "epochs": epochs, "repeat": repeat,
        "cpu_s": round(seconds, 4), "accuracy": round(accuracy, 4), "machine": machine(),
    })  # fmt: skip
    print(f"{name:14} {method:14} {epochs:3} epochs {seconds:7.3f} s", flush=True)


def _realmlp(tasks: list[str], options: dict[str, Any]) -> list[dict[str, Any]]:
    """RealMLP on each of the tasks."""
    from infoprior.metadataset import published_task

    with tempfile.TemporaryDirectory() as name:
        folder, jobs = Path(name), []
        for number, task in enumerate(map(published_task, tasks)):
            arrays = {}
            for part in ("train", "validation", "test"):
                arrays[f"X_{part}"], arrays[f"y_{part}"] = task.split(part)
            np.savez(folder / f"{number}.npz", **arrays)
            jobs.append({"task": str(folder / f"{number}.npz"), "options": options})
        (folder / "jobs.json").write_text(json.dumps(jobs))
        script = Path(__file__).with_name("peer_realmlp.py")
        subprocess.run([PEER, script, "jobs.json", "answers.json"], check=True, cwd=folder)
        return list(json.loads((folder / "answers.json").read_text()))


# The tables ----------------------------------------------------------------------------------


def report() -> list[str]:
    """Paragraphs and tables of what was measured."""
    rows = read_rows(MIX_CSV)
    if not rows:
        return []
    n = len(_least(rows))
    text = [
        f"\n## The space `tabular`\n\n{n} networks, points of a design of the whole space, by "
        f"encoding and task ({', '.join(TASKS)}); {EPOCHS} epochs. Lines hold different points, "
        "and where not all is measured different tasks: their ratios compare, their seconds do "
        "not. CPU seconds a fit, encoding included, the quickest of the tries; accuracy is of the "
        "test rows, the mean over networks, drawn at random as they are. "
        "scikit-learn can express none of them (every point "
        "has dropout): it trains networks of the same widths, batches and encoded inputs without "
        "normalization, dropout, residual sums, learned scale, smoothed labels and schedules.\n",
        markdown([*_by(rows, "inputs"), *_by(rows, "")]),
        "\nTask by task:\n",
        markdown(_by(rows, "task")),
    ]
    one = read_rows(ONE_CSV)
    if one:
        text += [
            "\n## One network, beside RealMLP\n\nThe point nearest to the defaults of pytabkit "
            "1.8's `RealMLP_TD_Classifier` (see `_tabular_mix.py`), which was not tuned; "
            "RealMLP as it comes with one fold, its validation rows those of the task, which "
            f"choose its epoch; with {EPOCHS} epochs and with its own {REALMLP_EPOCHS}. Means "
            "over tasks.\n",
            markdown(_beside(one)),
        ]
    return text


def _least(rows: list[dict[str, str]]) -> dict[tuple[str, ...], dict[str, dict[str, str]]]:
    """(task, encoding, point) -> method -> the quickest try, where all methods have one."""
    best: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    for row in rows:
        own = best.setdefault((row["task"], row["inputs"], row["point"]), {})
        if row["method"] not in own or float(row["cpu_s"]) < float(own[row["method"]]["cpu_s"]):
            own[row["method"]] = row
    return {key: own for key, own in best.items() if set(own) == set(LOOPS)}


def _by(rows: list[dict[str, str]], column: str) -> list[dict[str, Any]]:
    """A line for each value of a column; "": one for all rows."""
    groups: dict[str, list[dict[str, dict[str, str]]]] = {}
    for own in _least(rows).values():
        groups.setdefault(own["train_many"].get(column, "all"), []).append(own)
    table = []
    for name, cells in groups.items():
        seconds = {m: sum(float(c[m]["cpu_s"]) for c in cells) for m in LOOPS}
        line: dict[str, Any] = {column or "inputs": name, "networks": len(cells)}
        if column == "task":
            line["training rows"] = int(cells[0]["train_many"]["n_train"])
        line |= {f"{m}, s": seconds[m] / len(cells) for m in LOOPS}
        line |= {f"× {m}": seconds[m] / seconds["train_many"] for m in list(LOOPS)[1:]}
        floors = sum(float(c["train_many"]["floor_s"]) for c in cells)
        line["of the floor"] = floors / seconds["train_many"]
        for m in LOOPS:
            line[f"{m}, accuracy"] = float(np.mean([float(c[m]["accuracy"]) for c in cells]))
        table.append(line)
    return table


def _beside(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A line for each trainer and number of epochs: means over the tasks that all of them have."""
    groups: dict[tuple[int, str], dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        tasks = groups.setdefault((int(row["epochs"]), row["method"]), {})
        value = (float(row["cpu_s"]), float(row["accuracy"]))
        tasks.setdefault(row["task"], []).append(value)
    table = []
    for epochs in sorted({epochs for epochs, _ in groups}):
        own = {method: tasks for (of, method), tasks in groups.items() if of == epochs}
        shared = sorted(set.intersection(*(set(tasks) for tasks in own.values())))
        if not shared or "train_many" not in own:
            continue
        means = {
            method: np.mean([(min(s for s, _ in tasks[t]), tasks[t][0][1]) for t in shared], axis=0)
            for method, tasks in own.items()
        }
        table += [
            {
                "trainer": method, "epochs": epochs, "tasks": len(shared),
                "s a fit": float(seconds),
                "× train_many": float(seconds / means["train_many"][0]),
                "test accuracy": float(accuracy),
            }
            for method, (seconds, accuracy) in sorted(means.items(), key=lambda item: item[1][0])
        ]  # fmt: skip
    return table
