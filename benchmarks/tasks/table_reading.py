"""What reading a table costs: seconds and the greatest memory of a process that does nothing else.

Two million rows of 20 columns as CSV (12 of decimals, 4 of whole numbers, 3 of words, the label),
and 200 rows of 5,000 columns; the peer, pandas.read_csv with its defaults, only parses: it checks
no quotes, and neither splits nor encodes.

    python benchmarks/tasks/table_reading.py [--rows 2000000]

Written: benchmarks/results/tasks/table_reading.md. The files (300 MB) lie in a temporary folder
that is removed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS, ROOT, machine, markdown, write

_CALLS = {
    "read_table": "from infoprior.tasks import read_table; read_table(path, 'y')",
    "read_table, max_train=2000": (
        "from infoprior.tasks import read_table; read_table(path, 'y', max_train=2000, "
        "max_validation=1000, max_test=1000)"
    ),
    "pandas.read_csv": "import pandas; pandas.read_csv(path)",
}
_CHILD = """
import json, resource, sys, time
sys.path.insert(0, {root!r})
path = {path!r}
wall, cpu = time.perf_counter(), time.process_time()
{call}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, peak]))
"""


def write_long(path: Path, rows: int, block: int = 100_000) -> None:
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for begin in range(0, rows, block):
            n = min(block, rows - begin)
            columns = {f"x{j}": rng.normal(size=n).round(5) for j in range(12)}
            columns |= {f"i{j}": rng.integers(0, 10**6, n) for j in range(4)}
            words = ["red", "green", "blue", "violet", "yellow"]
            columns |= {f"c{j}": rng.choice(words, n) for j in range(3)}
            columns["y"] = rng.choice(["no", "yes"], n)
            pd.DataFrame(columns).to_csv(file, index=False, header=begin == 0)


def write_wide(path: Path, columns: int = 5000, rows: int = 200) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, columns)).round(4)).add_prefix("x")
    frame.assign(y=rng.choice(["no", "yes"], rows)).to_csv(path, index=False)


def measure(path: Path, call: str) -> tuple[float, float, float]:
    """(seconds, CPU seconds, greatest memory in GiB) of a process of its own, imports included."""
    code = _CHILD.format(root=str(ROOT), path=str(path), call=call)
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    wall, cpu, peak = json.loads(out.stdout.splitlines()[-1])
    return wall, cpu, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {
            f"{arguments.rows:,} x 20": Path(folder, "long.csv"),
            "200 x 5,001": Path(folder, "wide.csv"),
        }
        for write_file, path in zip(
            (lambda p: write_long(p, arguments.rows), write_wide), files.values(), strict=True
        ):
            write_file(path)
        for size, path in files.items():
            for name, call in _CALLS.items():
                if size.startswith("200 ") and "max_train" in name:
                    continue
                wall, cpu, peak = measure(path, call)
                rows.append(
                    {
                        "table": size,
                        "MB": round(path.stat().st_size / 1e6),
                        "call": name,
                        "seconds": f"{wall:.1f}",
                        "CPU seconds": f"{cpu:.1f}",
                        "peak GiB": f"{peak:.2f}",
                    }
                )
                print(rows[-1])
    head = (
        f"`python benchmarks/tasks/table_reading.py`, {machine()}; "
        "a process each, imports included.\n"
    )
    write(RESULTS / "tasks" / "table_reading.md", head + "\n" + markdown(rows))


if __name__ == "__main__":
    main()
