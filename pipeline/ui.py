"""`make ui`: the MLflow UI on 127.0.0.1, with the addresses of what to look at first."""

from __future__ import annotations

import os
import sys

from infoprior.tracking import Store, Tracker, model_url, runs_url
from pipeline.common import read_params
from pipeline.project import MLRUNS, VIEW, Project


def addresses(server: str, experiment_id: str, model: str) -> str:
    """What to open, one address a line."""
    return "\n".join(
        (
            f"Runs:   {runs_url(server, experiment_id, VIEW)}",
            f"Charts: {runs_url(server, experiment_id, VIEW, charts=True)}",
            f"Model:  {model_url(server, model)}",
        )
    )


def main() -> None:
    folder, port = Project.here().root / MLRUNS, os.environ.get("PORT", "5000")
    store, params = Store.of(folder), read_params("track")
    if any(not path.exists() for path in store.databases):
        raise SystemExit(f"{store.databases[0]} holds no runs yet: `make repro` writes them.")
    experiment = Tracker(folder, params["experiment"]).experiment_id
    print(addresses(store.server or f"http://127.0.0.1:{port}", experiment, params["model"]))
    if store.server:  # it has a UI of its own
        return
    print("(Ctrl-C ends)")
    sys.stdout.flush()
    # By variables, since a command's arguments are for all users of a machine to see.
    environment = {key: os.environ[key] for key in os.environ if key != "MLFLOW_TRACKING_URI"}
    environment["MLFLOW_BACKEND_STORE_URI"] = store.tracking_uri
    environment["MLFLOW_REGISTRY_STORE_URI"] = store.registry_uri
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", port]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main()
