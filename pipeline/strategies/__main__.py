"""`python -m pipeline.strategies`: the stage; with --tasks and --seeds the whole comparison.

The stage compares on the few tasks of params.yaml and writes reports/strategies.csv and a figure.
`make strategies` names more tasks; killed, it resumes. Both use what the stages before left: the
tasks, the priors of held-out tasks, the choice of a predictor.
"""

from __future__ import annotations

from pipeline.strategies.stage import compared, run_stage  # isort: skip

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, help="held-out tasks; without it: the stage")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0, 16.0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search"))
    options = parser.parse_args()
    if options.tasks is None:
        run_stage()
        return
    from pipeline.strategies.publish import publish

    publish(compared(options.tasks, options.seeds, options.budgets), options.out)


if __name__ == "__main__":
    main()
