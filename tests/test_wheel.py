"""The wheel, built and installed by itself: what it needs for its main job is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

TOP = Path(__file__).parents[1]
SHIPPED = TOP / "infoprior" / "shipped"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's packages in a folder of their own, without the clone."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TOP / "infoprior", source / "infoprior", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source / name)
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(place)]
    subprocess.run([*build, str(source)], check=True)
    (wheel,) = place.glob("*.whl")
    target = place / "site"
    subprocess.run(
        [*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
    )
    shutil.rmtree(source)
    return target


def run(installed: Path, place: Path, *arguments: str) -> str:
    """`python -m infoprior` from elsewhere, with the installed package alone."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", *arguments]
    environment = {**clean, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_package_suggests_architectures_for_a_table(
    installed: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(150, 3)), columns=["a", "b", "c"])
    frame["kind"] = np.where(frame["a"] * frame["b"] > 0, "yes", "no")
    frame.to_csv(tmp_path / "data.csv", index=False)
    call = ["infoprior", "suggest", "data.csv", "-y", "kind", "--n", "3", "-o", "prior.json"]
    printed = run(installed, tmp_path, *call)
    assert "Suggested architectures" in printed
    (tmp_path / "where.py").write_text(
        "import infoprior\nfrom infoprior import Prior\nprint(infoprior.__file__)\n"
        "print(Prior.load('prior.json').metadata['predictor'])\n"
    )
    where, predictor = run(installed, tmp_path, "where").split()
    assert Path(where).is_relative_to(installed)
    assert predictor != "static"


def test_the_installed_package_gives_the_static_prior_at_once(
    installed: Path, tmp_path: Path
) -> None:
    printed = run(installed, tmp_path, "infoprior", "suggest", "--static", "-o", "prior.json")
    assert "Suggested architectures" in printed
    assert (tmp_path / "prior.json").stat().st_size > 1000
    assert run(installed, tmp_path, "infoprior", "--version").startswith("infoprior 0.")


def test_the_wheel_holds_both_predictors_and_no_tests_or_stages(installed: Path) -> None:
    (wheel,) = installed.parent.glob("*.whl")
    names = ZipFile(wheel).namelist()
    shipped = {f"infoprior/shipped/{file.relative_to(SHIPPED)}" for file in SHIPPED.rglob("*.*")}
    assert {"infoprior/shipped/best.json", "infoprior/shipped/MODEL_CARD.md"} < shipped < set(names)
    for folder in ("chosen", "static"):
        files = [name for name in shipped if name.startswith(f"infoprior/shipped/{folder}/")]
        assert {name.rpartition(".")[2] for name in files} == {"json", "safetensors"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"infoprior"}
