"""How far every estimator is from the truth, and what it costs.

    python benchmarks/information/mi_accuracy.py [--methods hybrid ksg ...] [--n 500 2000]
        [--seeds 3]
    python benchmarks/information/mi_accuracy.py --samples samples.npz  # and the tasks of a file
    python benchmarks/information/mi_accuracy.py --torch-mist           # needs `make bench-peers`

Every method of `infoprior.information.METHODS` on every distribution of
`infoprior.information.known` it applies to. Methods are designed on the group "development" and
confirmed on "confirmation". A task's samples differ from seed to seed; a file's tasks have one
sample, of which every seed draws its own rows (all of them, in another order, where n is the
file's size). scikit-learn's nearest-neighbour estimators stand beside them where they apply (one
column), torch-mist's MINE where its environment exists and it is asked for.

Writes benchmarks/results/information/mi_accuracy.csv (one row per task, n, seed and method; rows
measured with the same code are not measured again, so an interrupted run resumes), and from all its
current rows mi_accuracy.md and mi_accuracy.png. Seconds are CPU seconds of one call for one pair,
one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import (
    PEERS,
    RESULTS,
    ROOM,
    append_row,
    code_version,
    read_rows,
    threads,
    timed,
    write,
)
from benchmarks.information._accuracy_report import figure, report
from infoprior.parallel._processes import end_with_parent, parent_address

KEYS = ("task", "n", "seed", "method", "device", "version")
NOISE = "noisy"
"""The method that adds the noise itself: it gets the deterministic layers, and only those."""
AUTO = ("hybrid", "ksg", "hybrid-labels")
"""What "auto" chooses among."""
SKLEARN, TORCH_MIST = "sklearn", "torch-mist MINE"


@dataclass(frozen=True)
class Task:
    """What is estimated: a name, a kind ("pairs", "layers" or "noisy"), and how to sample it."""

    name: str
    group: str
    kind: str
    truth: Callable[[], float]
    sample: Callable[[int, int], tuple[np.ndarray, np.ndarray]]
    most: int
    sigma: float | None = None


def tasks(samples: Path | None) -> list[Task]:
    """The distributions of the package, then the tasks of a file."""
    from infoprior.information.known import known_layers, known_noisy_layers, known_pairs

    every = [
        Task(k.name, k.group, kind, lambda k=k: k.nats, k.sample, 10**9, k.sigma)
        for kind, several in (
            ("pairs", known_pairs()),
            ("layers", known_layers()),
            ("noisy", known_noisy_layers()),
        )
        for k in several
    ]
    if samples is not None:
        data = np.load(samples)
        for i, (name, truth) in enumerate(zip(data["n"], data["t"], strict=True)):
            x, y = data[f"x{i}"], data[f"y{i}"]

            def rows(
                n: int, seed: int, x: np.ndarray = x, y: np.ndarray = y
            ) -> tuple[np.ndarray, np.ndarray]:
                order = np.random.default_rng(seed).permutation(len(x))[:n]
                return x[order].astype(np.float64), y[order].astype(np.float64)

            every.append(Task(str(name), "file", "pairs", lambda t=truth: float(t), rows, len(x)))
    return every


def applies(method: str, task: Task) -> bool:
    """Whether a method is for this kind of task."""
    from infoprior.information import METHODS

    if task.kind == "noisy" or method == NOISE:
        return task.kind == "noisy" and method == NOISE
    if method not in METHODS:  # "auto" and the peers
        return True
    fits = {"any": ("pairs", "layers"), "continuous": ("pairs",), "labels": ("layers",)}
    return task.kind in fits[METHODS[method].y]


def measure(job: tuple[Any, ...]) -> dict[str, Any] | None:
    """One row of the table; None where a peer does not apply."""
    task_name, samples, n, seed, method, device, version = job
    task = _tasks(samples)[task_name]
    x, y = task.sample(n, seed)
    n = len(x)
    if method == SKLEARN:
        if x.shape[1] > 1 or (y.ndim == 2 and y.shape[1] > 1):
            return None
        import sklearn.feature_selection  # noqa: F401 - not part of the time

        nats, seconds, flags = *timed(lambda: _sklearn(x, y, seed)), ""
    elif method == TORCH_MIST:
        nats, seconds = _torch_mist(x, y, seed)
        flags = ""
    else:
        nats, seconds, flags = _estimate(task, x, y, method, seed, device)
    truth = task.truth()
    return {
        "task": task.name, "kind": task.kind, "group": task.group, "n": n, "seed": seed,
        "method": method, "truth": round(truth, 5), "nats": round(nats, 5),
        "error": round(nats - truth, 5), "seconds": round(seconds, 4), "flags": flags,
        "device": device, "version": version,
    }  # fmt: skip


_CACHE: dict[str, dict[str, Task]] = {}
_WARM: set[tuple[str, str]] = set()


def _tasks(samples: Path | None) -> dict[str, Task]:
    if str(samples) not in _CACHE:
        _CACHE[str(samples)] = {t.name: t for t in tasks(samples)}
    return _CACHE[str(samples)]


def _estimate(
    task: Task, x: np.ndarray, y: np.ndarray, method: str, seed: int, device: str
) -> tuple[float, float, str]:
    import torch

    from infoprior.information import estimate

    options: dict[str, Any] = {"threads": torch.get_num_threads()}
    if task.sigma is not None:
        options["sigma"] = task.sigma
    sides = [torch.from_numpy(side).to(device) for side in (x, y)]
    if (method, task.kind) not in _WARM:  # imports, and whatever a device compiles
        _WARM.add((method, task.kind))
        estimate(*(side[:200] for side in sides), method=method, seed=seed, **options)
    result, seconds = timed(lambda: estimate(*sides, method=method, seed=seed, **options), device)
    return float(result.nats), seconds, " ".join(result.flags)


def _sklearn(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    if y.ndim == 1:
        return float(mutual_info_classif(x, y, random_state=seed)[0])
    return float(mutual_info_regression(x, y[:, 0], random_state=seed)[0])


def _torch_mist(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    script = Path(__file__).with_name("peer_torch_mist.py")
    with tempfile.TemporaryDirectory() as folder:
        samples, answers = Path(folder, "samples.npz"), Path(folder, "answers.json")
        np.savez(samples, x0=x, y0=y)
        command = [PEERS, script, samples, answers, "--seed", str(seed)]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        [answer] = json.loads(answers.read_text())
    return answer["nats"], answer["seconds"]


def method_versions() -> dict[str, str]:
    """A hash of the source that each method rests on."""
    from infoprior.information import METHODS

    versions = {name: code_version(m.function.__module__) for name, m in METHODS.items()}
    chosen = "".join([code_version(f"{ROOM}._api"), *(versions[name] for name in AUTO)])
    auto = hashlib.sha256(chosen.encode()).hexdigest()[:12]
    return {"auto": auto, SKLEARN: "peer", TORCH_MIST: "peer"} | versions


def fingerprint(task: Task) -> str:
    """Changes with a task's samples and with the code of the truths."""
    x, y = task.sample(8, 0)
    return hashlib.sha256(x.tobytes() + y.tobytes() + _truth_code().encode()).hexdigest()[:6]


@cache
def _truth_code() -> str:
    return "".join(code_version(f"{ROOM}.known.{part}") for part in ("_networks", "_layers"))


def current(
    rows: list[dict[str, str]], versions: dict[str, str], samples: Path | None
) -> list[dict[str, str]]:
    """Rows of the code as it is now; a file's rows stay when the file is not given again."""
    prints = {name: fingerprint(task) for name, task in _tasks(samples).items()}

    def holds(row: dict[str, str]) -> bool:
        code, _, task = row["version"].partition("-")
        return versions.get(row["method"]) == code and (
            prints.get(row["task"]) == task or (samples is None and row["group"] == "file")
        )

    return [row for row in rows if holds(row)]


def _begin(n_threads: int, parent: int, lifeline: int) -> None:
    """In a worker: how many threads it has; and it ends with the process that started it."""
    threads(n_threads)
    end_with_parent(parent, lifeline)


def jobs(options: argparse.Namespace, versions: dict[str, str]) -> Iterator[tuple[Any, ...]]:
    done = {tuple(row[key] for key in KEYS) for row in read_rows(options.out)}
    prints = {name: fingerprint(task) for name, task in _tasks(options.samples).items()}
    for n in options.n:
        for seed in range(options.seeds):
            for task in _tasks(options.samples).values():
                if options.groups and task.group not in options.groups:
                    continue
                if options.tasks and not any(part in task.name for part in options.tasks):
                    continue
                rows = min(n, task.most)
                for method in options.methods:
                    device = "cpu" if method in (SKLEARN, TORCH_MIST) else options.device
                    version = f"{versions[method]}-{prints[task.name]}"
                    key = (task.name, str(rows), str(seed), method, device, version)
                    if applies(method, task) and key not in done:
                        yield (task.name, options.samples, rows, seed, method, device, version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", help="default: auto, every method, and sklearn")
    parser.add_argument("--n", nargs="+", type=int, default=[500, 2000, 5000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--groups", nargs="+", choices=("development", "confirmation", "file"))
    parser.add_argument("--tasks", nargs="+", help="only tasks with one of these in their name")
    parser.add_argument("--samples", type=Path, help="npz with x{i}, y{i}, n (names), t (truths)")
    parser.add_argument("--torch-mist", action="store_true", help="with torch-mist's MINE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes; timings suffer")
    parser.add_argument("--report", action="store_true", help="tables from the rows there are")
    parser.add_argument("--out", type=Path, default=RESULTS / "information" / "mi_accuracy.csv")
    options = parser.parse_args()
    threads(options.threads)
    from infoprior.information import METHODS

    versions = method_versions()
    options.methods = options.methods or ["auto", *METHODS, SKLEARN]
    if options.torch_mist:
        if not PEERS.exists():
            sys.exit("There is no environment of the peers: run `make bench-peers` first.")
        options.methods.append(TORCH_MIST)
    unknown = [m for m in options.methods if m not in versions]
    if unknown:
        sys.exit(f"Unknown methods {unknown}; known are {sorted(versions)}.")
    todo = [] if options.report else list(jobs(options, versions))
    if options.workers > 1:
        begin = (options.threads, *parent_address())
        with get_context("spawn").Pool(options.workers, _begin, begin) as pool:
            for row in tqdm(pool.imap_unordered(measure, todo), total=len(todo)):
                if row:
                    append_row(options.out, row)
    else:
        for job in (bar := tqdm(todo)):
            bar.set_postfix_str(f"{job[4]} {job[0]} n={job[2]}")
            row = measure(job)
            if row:
                append_row(options.out, row)
    rows = current(read_rows(options.out), versions, options.samples)
    text = report(rows)
    write(options.out.with_suffix(".md"), text)
    figure(rows, options.out.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
