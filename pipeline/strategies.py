"""Stage `strategies`: every system of the source documents beside Hyperband, at equal cost.

On the few tasks of params.yaml; `make strategies` (`pipeline.comparison`) takes more of them.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    REPORTS, read_params, write_csv, write_parquet,
)  # fmt: skip

from infoprior.report import save_figure, strategies_figure
from pipeline.comparison import summary
from pipeline.comparison.compare import compared
from pipeline.comparison.summary import FIGURE, SEARCHES


def main() -> None:
    params = read_params("strategies", whole=True)
    rows = compared(params["tasks"], params["seeds"], params["budgets"])
    # Seconds and memory differ from run to run: no output of a stage.
    kept = rows.drop(columns=["seconds", "cpu_seconds", "peak_mb", "params"])
    write_parquet(kept, SEARCHES)
    report = summary.summarize(rows)
    write_csv(report, REPORTS / "strategies.csv")
    figure = strategies_figure(report, summary.ranks(rows))
    save_figure(figure, FIGURE)
    print(f"{rows['strategy'].nunique()} strategies on {sorted(set(rows['task']))}")


if __name__ == "__main__":
    main()
