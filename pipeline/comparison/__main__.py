"""`make strategies`: the comparison on more tasks and seeds than the stage takes.

Killed, it resumes. It uses what `make repro` left: the tasks, the priors of held-out tasks, the
choice of a predictor. Tables go to a folder, a figure to docs/figures, runs to MLflow.
"""

from __future__ import annotations

from pipeline.comparison.publish import publish  # isort: skip

import argparse
from pathlib import Path

from pipeline.comparison.compare import compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=12, help="held-out ones")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0, 16.0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search"))
    options = parser.parse_args()
    publish(compared(options.tasks, options.seeds, options.budgets), options.out)


if __name__ == "__main__":
    main()
