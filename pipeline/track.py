"""Stage `track`: MLflow shows what the workspace holds, whatever DVC had cached.

DVC runs it every time, since the store is no output that DVC could bring back: after results were
discarded or brought back, it marks the runs that show them, or logs them. Where nothing changed it
is done in a second.

In an experiment (`dvc exp run`) the runs carry its name. The registry's alias moves to its model
only where the workspace holds it and it is no worse than the one before; `dvc repro` moves the
alias to whatever the workspace holds then. Experiments in copies of the project (`--temp`,
`--queue`) log to the project's store, and leave the rest as it is.
"""

from __future__ import annotations

from pipeline.common import DATA, MODELS, REPORTS, read_params  # isort: skip

import json
from typing import Any

from infoprior.files import write_atomically
from pipeline.choice import Choice
from pipeline.project import MLRUNS, Project, hash_of, settings

STAMP = ".tracked.json"
"""In mlruns/: which results the store was left with, and the database's size and time then."""
RESULTS = (
    DATA / "evaluation" / "tasks.parquet",
    DATA / "evaluation" / "comparisons.parquet",
    DATA / "hyperband" / "replay.parquet",
    DATA / "hyperband" / "live.parquet",
    MODELS / "best.json",
    REPORTS / "predictors.csv",
    REPORTS / "hyperband.csv",
    REPORTS / "strategies.csv",
)


def stamp(store: Any, experiment: str, results: str) -> str | None:
    """What says that nothing changed since; None for stores that are not one file here."""
    if store.server or len(store.databases) != 1 or not store.databases[0].exists():
        return None
    state = store.databases[0].stat()
    return json.dumps(
        [results, experiment, store.tracking_uri, state.st_ino, state.st_size, state.st_mtime_ns]
    )


def main() -> None:
    from infoprior.tracking import Store

    project, params = Project.here(), read_params("track")
    digest = hash_of(*RESULTS, json.dumps(settings(), sort_keys=True, default=str))
    folder = project.root / MLRUNS
    names = json.dumps(params, sort_keys=True)
    store, mark = Store.of(folder), folder / STAMP
    # In an experiment, who has the alias depends on more than the results.
    known = None if project.experiment else stamp(store, names, digest)
    if known is None or not mark.exists() or mark.read_text("utf-8") != known:
        from pipeline.comparison.mlflow_log import log_stage
        from pipeline.mlflow_log import log_and_follow  # takes seconds to load

        log_and_follow(project, params, digest)
        log_stage()
        after = None if project.experiment else stamp(store, names, digest)
        if after is not None:
            write_atomically(mark, after)
    schema = json.loads((DATA / "metadataset" / "schema.json").read_text("utf-8"))
    summary = {
        "experiment": params["experiment"],
        "metadataset": schema["digest"][:16],
        "results": digest,
        "model": f"{params['model']}@{params['alias']}",
        "best": Choice.load().best.name,
    }
    write_atomically(REPORTS / "tracked.json", json.dumps(summary, indent=1) + "\n")
    print(f"{summary['model']} and the runs of {digest} are in MLflow; `make ui` shows them")


if __name__ == "__main__":
    main()
