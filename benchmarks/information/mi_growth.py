"""Seconds and memory of an estimate against rows, width and number of layers.

    python benchmarks/information/mi_growth.py [--methods auto hybrid ksg ...]

Every point is one call in a process of its own, one thread: CPU seconds of the call (after a small
call as warm-up), and by how much it raised the process's peak resident memory (`ru_maxrss`) above
what imports, data and warm-up had reached. Label methods see class-Gaussian layers of ten classes,
the others a 10-column input and linear layers of it with noise. While one size grows the others
stay at n = 2,000, width 64 and 8 layers. Exponents are slopes of a straight line through the last
three points in log-log scale: 1 is linear.

Writes benchmarks/results/information/mi_growth.csv, .md and .png and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import (
    RESULTS,
    code_version,
    machine,
    markdown,
    threads,
    timed,
    write,
    write_csv,
)
from benchmarks.information.mi_accuracy import NOISE

BASE = {"n": 2000, "width": 64, "layers": 8}
GRID = {"n": (500, 1000, 2000, 4000, 8000), "width": (8, 32, 128, 512), "layers": (1, 4, 16, 64)}
SMALL = {"n": 400, "width": 8, "layers": 2}
QUICK = {"n": (200, 400, 800), "width": (4, 8, 16), "layers": (1, 2, 4)}

MEASURED = ["auto", "enumerated", "hybrid", "mine", "ksg", "ross", "noisy"]


def point(method: str, n: int, width: int, layers: int) -> dict[str, float]:
    """Seconds and megabytes of one call."""
    import torch

    from infoprior.information import METHODS, estimate

    rng = np.random.default_rng(0)

    def data(n: int, width: int, layers: int) -> tuple[Any, Any]:
        if method == "auto" or METHODS[method].y != "continuous":
            y = rng.integers(0, 10, n)
            centres = [rng.normal(size=(10, width)) * 3 / width**0.5 for _ in range(layers)]
            return [c[y] + rng.normal(size=(n, width)) for c in centres], y
        x = rng.normal(size=(n, 10))
        weights = [rng.normal(size=(10, width)) / 10**0.5 for _ in range(layers)]
        noise = 0.0 if method == NOISE else 1.0
        layers_of_x = [x @ w + noise * rng.normal(size=(n, width)) for w in weights]
        return [x] * layers, layers_of_x

    options: dict[str, Any] = {"threads": torch.get_num_threads()}
    if method == NOISE:
        options["sigma"] = 1.0
    estimate(*data(100, 4, 2), method=method, seed=0, **options)
    x, y = data(n, width, layers)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, seconds = timed(lambda: estimate(x, y, method=method, seed=0, **options))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "megabytes": (after - before) / 1024}  # KiB on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", default=MEASURED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds a point")
    parser.add_argument("--out", type=Path, default=RESULTS / "information" / "mi_growth.csv")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        threads(options.threads)
        print(json.dumps(point(**json.loads(options.point))))
        return
    grid = QUICK if options.quick else GRID
    todo = [(m, axis, v) for m in options.methods for axis, values in grid.items() for v in values]
    rows = []
    for method, axis, value in (bar := tqdm(todo)):
        bar.set_postfix_str(f"{method} {axis}={value}")
        sizes = (SMALL if options.quick else BASE) | {axis: value}
        command = [sys.executable, __file__, "--threads", str(options.threads), "--point",
                   json.dumps({"method": method, **sizes})]  # fmt: skip
        try:
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=options.timeout
            )
        except subprocess.TimeoutExpired:
            print(f"{method} {axis}={value}: more than {options.timeout:.0f} s, left out")
            continue
        except subprocess.CalledProcessError as error:
            print(f"{method} {axis}={value}: {error.stderr.strip().splitlines()[-1]}")
            continue
        measured = json.loads(done.stdout.strip().splitlines()[-1])
        rows.append({"method": method, "axis": axis, **sizes, **measured})
    write_csv(options.out, rows)
    figure(rows, options.out.with_suffix(".png"))
    text = report(rows, SMALL if options.quick else BASE)
    write(options.out.with_suffix(".md"), text)
    print(text)


def slope(rows: list[dict[str, Any]], axis: str, of: str) -> float:
    """Exponent through the last three points; NaN where nothing was measurable."""
    x, y = (np.array([float(r[key]) for r in rows])[-3:] for key in (axis, of))
    if len(x) < 2 or (y <= (0.0 if of == "seconds" else 1.0)).any():
        return float("nan")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def curves(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(axis, method) -> its points in order."""
    by_axis: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_axis[row["axis"], row["method"]].append(row)
    return by_axis


def report(rows: list[dict[str, Any]], base: dict[str, int]) -> str:
    parts = [
        "# Growth of estimates\n",
        f"`python benchmarks/information/mi_growth.py`; "
        f"one thread, {machine()}, code {code_version()}; "
        f"sizes that stay fixed: {base}. CPU seconds of one call for all layers (megabytes above "
        "the memory before it); exponents: slopes over the last three points in log-log scale "
        "(– where the memory is too small to be seen).",
    ]
    for axis in GRID:
        table = []
        for (of, method), points in curves(rows).items():
            if of == axis:
                row: dict[str, Any] = {"method": method}
                row |= {
                    f"{axis} = {p[axis]}": f"{p['seconds']:.2f} s ({p['megabytes']:.0f} MB)"
                    for p in points
                }
                row["exponent of seconds"] = slope(points, axis, "seconds")
                row["of memory"] = slope(points, axis, "megabytes")
                table.append(row)
        complete = max((set(row) for row in table), key=len, default=set())
        first = next((list(row) for row in table if set(row) == complete), [])
        table = [{key: row.get(key, float("nan")) for key in first} for row in table]
        parts += [f"\n## {axis}\n", markdown(table)]
    return "\n".join(parts) + "\n"


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(2, len(GRID), figsize=(4.5 * len(GRID), 7), squeeze=False)
    for column, axis in enumerate(GRID):
        for (of, method), points in curves(rows).items():
            if of != axis:
                continue
            x = [p[axis] for p in points]
            for row, key in enumerate(("seconds", "megabytes")):
                axes[row][column].plot(x, [max(p[key], 1e-3) for p in points], "o-", label=method)
                axes[row][column].set(xscale="log", yscale="log", xlabel=axis, ylabel=key)
                axes[row][column].set_xticks(x, labels=[f"{value:,}" for value in x])
                axes[row][column].xaxis.minorticks_off()
    axes[0][0].legend(fontsize=7)
    drawn.tight_layout()
    drawn.savefig(path, dpi=150)
    plt.close(drawn)


if __name__ == "__main__":
    main()
