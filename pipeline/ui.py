"""`make ui`: the MLflow UI on 127.0.0.1, with the address of the experiment's list of runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from infoprior.tracking import Tracker, runs_url, store_uri
from pipeline.common import read_params


def main() -> None:
    folder, port = Path("mlruns"), os.environ.get("PORT", "5000")
    if not (folder / "mlflow.db").exists():
        raise SystemExit("mlruns/ holds no runs yet: `make repro` writes them.")
    experiment = Tracker(folder, read_params("track")["experiment"]).experiment_id
    runs = runs_url(experiment, port, read_params("evaluation")["select"])
    print(f"Runs:   {runs}\nCharts: {runs}&compareRunsMode=CHART\n(Ctrl-C ends)")
    sys.stdout.flush()
    command = ["-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", port]
    command += ["--backend-store-uri", store_uri(folder)]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main()
