"""Experiments of DVC on a tiny pipeline, in copies of the project too: what MLflow then shows."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SETTING = "predictors.settings.temperature"
MEGABYTE = 2**20

pytestmark = pytest.mark.slow  # the pipeline and experiments on it: some minutes


class Project:
    """A copy of this project, with a history of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hidden = {name for name in os.environ if name.startswith(("DVC_", "MLFLOW_", "GIT_"))}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in hidden},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "DVC_NO_ANALYTICS": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        files = self._git("ls-files", "-co", "--exclude-standard", at=TOP).splitlines()
        for name in files:
            if (TOP / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / name, folder / name, follow_symlinks=False)
        self._git("init", "-q")
        self._git("config", "user.name", "nobody")
        self._git("config", "user.email", "nobody@localhost")
        # Its commands run what lies there, not what is installed: also in copies of it, where the
        # stages of `--temp` and `--queue` run.
        self.run(sys.executable, ".ci/tiny.py", "params")
        self._git("add", "-A")
        self._git("commit", "-qm", "tiny")

    def _git(self, *arguments: str, at: Path | None = None) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=at or self.folder, check=True, capture_output=True, text=True
        ).stdout

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def discard(self) -> None:
        """An experiment's results, as DVC's documentation says."""
        self._git("checkout", "-q", ".")
        self.run("dvc", "checkout", "-q")

    def ask(self, query: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.folder / "mlruns" / "mlflow.db", timeout=60) as store:
            return [tuple(map(str, row)) for row in store.execute(query)]

    def alias(self) -> tuple[str, ...]:
        """Version and run of the model that has it."""
        ((version, run),) = self.ask(
            "select v.version, v.run_id from registered_model_aliases a join model_versions v"
            " on v.name = a.name and v.version = a.version where a.alias = 'best'"
        )
        return version, run

    def current(self) -> set[str]:
        rows = self.ask("select run_uuid from tags where key='infoprior.current' and value='true'")
        return {run for (run,) in rows}

    def tagged(self, experiment: str) -> set[str]:
        """Names of the runs that carry an experiment's name."""
        rows = self.ask(
            "select r.name from runs r join tags t on t.run_uuid = r.run_uuid"
            f" where t.key = 'dvc_experiment' and t.value = '{experiment}'"
        )
        return {name for (name,) in rows}

    def size(self) -> int:
        return sum(p.stat().st_size for p in (self.folder / "mlruns").rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project") / "tiny")
    made.run("dvc", "repro")
    made._git("add", "-A")
    made._git("commit", "-qm", "results")
    return made


def test_a_run_of_the_pipeline_leaves_ten_megabytes_at_most(project: Project) -> None:
    assert 0 < project.size() <= 10 * MEGABYTE


def test_a_logged_model_predicts_where_the_project_is_not(project: Project, tmp_path: Path) -> None:
    """The model's own copy of the package is what answers."""
    (model,) = project.ask(
        "select v.storage_location from registered_model_aliases a join model_versions v"
        " on v.name = a.name and v.version = a.version where a.alias = 'best'"
    )[0]
    moved = shutil.copytree(model.removeprefix("file://"), tmp_path / "model")
    assert sum(p.stat().st_size for p in moved.rglob("*") if p.is_file()) <= 3 * MEGABYTE
    code = (
        "import sys, mlflow.pyfunc\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "answer = model.predict(model.input_example)\n"
        "import infoprior\n"
        "assert infoprior.__file__.startswith(sys.argv[1]), infoprior.__file__\n"
        "print(len(answer))\n"
    )
    # Without the project's folder on the path, and without this package installed.
    environment = {**project.environment, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(moved)], cwd=tmp_path, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0


@pytest.mark.parametrize("mode", ["--temp", "--queue"])
def test_an_experiment_in_a_copy_is_logged_to_the_project_and_moves_nothing(
    project: Project, mode: str
) -> None:
    before, shown, size = project.alias(), project.current(), project.size()
    name = f"copied{mode}"
    value = {"--temp": "0.05", "--queue": "0.9"}[mode]
    try:
        project.run("dvc", "exp", "run", mode, "-n", name, "-S", f"{SETTING}={value}")
        if mode == "--queue":
            project.run("dvc", "queue", "start")
            deadline = time.monotonic() + 900
            while "Success" not in (status := project.run("dvc", "queue", "status")):
                assert "Failed" not in status, project.run("dvc", "queue", "logs", name)
                assert time.monotonic() < deadline, status
                time.sleep(2)
    finally:
        subprocess.run(
            ["dvc", "queue", "stop", "--kill"], cwd=project.folder, env=project.environment,
            capture_output=True,
        )  # fmt: skip
    tagged = project.tagged(name)
    assert f"overview @ {name}" in tagged
    assert all(run.endswith(f" @ {name}") for run in tagged)
    assert project.alias() == before
    assert project.current() == shown
    assert project.size() - size <= 10 * MEGABYTE
    assert not list((project.folder / ".dvc" / "tmp").rglob("mlflow.db"))


def test_discarding_an_experiment_brings_back_what_mlflow_showed(project: Project) -> None:
    before, shown = project.alias(), project.current()
    project.run("dvc", "exp", "run", "-n", "here", "-S", f"{SETTING}=5.0")
    assert "overview @ here" in project.tagged("here")
    assert project.current() != shown
    project.discard()
    project.run("dvc", "repro")
    assert project.current() == shown
    assert project.alias()[1] == before[1]
    # As does whoever keeps it: then the alias is the experiment's, better or worse.
    project.run("dvc", "exp", "apply", "here")
    project.run("dvc", "repro")
    assert project.current() != shown
    assert project.alias()[1] in project.current()
    project.discard()
    project.run("dvc", "repro")
    assert project.current() == shown
    assert project.alias()[1] == before[1]
