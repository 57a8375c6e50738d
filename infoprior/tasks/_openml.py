"""Data sets of openml.org by their id, through the optional package `openml`."""

from __future__ import annotations

import re
from typing import Any

from infoprior.tasks._encode import make_task
from infoprior.tasks._packaged.catalogue import PACKAGES
from infoprior.tasks._split import Caps
from infoprior.tasks._task import Task, TaskError
from infoprior.tasks._words import first_line


def load_openml(data_id: int, *, seed: int, caps: Caps) -> Task:
    """A data set of openml.org with its default target, as task "openml/<id>".

    Args:
        data_id: of the data set.
        seed: of the split.
        caps: most rows of each part.

    Raises:
        TaskError: the package is not installed, there is no network, the id is unknown, or the data
            set has no single default target.
    """
    from infoprior.tasks._tables.columns import columns_of_frame
    from infoprior.tasks._tables.labels import labelled
    from infoprior.tasks._tables.options import Options

    where = f"openml/{data_id}"
    try:
        import openml
    except ImportError:
        raise TaskError(
            f"{where} needs the package openml; install it with: pip install 'infoprior[openml]'"
        ) from None
    try:
        dataset = openml.datasets.get_dataset(
            data_id, download_data=True, download_qualities=False, download_features_meta_data=True
        )
        target = dataset.default_target_attribute
        if not target or "," in target:
            raise TaskError(
                f"{where} has no single default target; "
                "download its table and use read_table(path, target)"
            )
        frame, _, indicator, names = dataset.get_data(dataset_format="dataframe")
    except OSError as error:  # what requests and urllib3 raise derives from it
        raise TaskError(
            f"{where} cannot be downloaded, is there a network? Without one, use a packaged task "
            f"or read_table ({first_line(error)})"
        ) from None
    except TaskError:
        raise
    except Exception as error:  # the package has no one base class for its errors
        raise TaskError(f"{where}: openml.org refused it: {first_line(error)}") from None
    nominal = [n for n, is_nominal in zip(names, indicator, strict=True) if is_nominal]
    ignored = _ignored(dataset)
    options = Options(
        where=where,
        target=target,
        categorical=tuple(n for n in nominal if n != target and n not in ignored),
        drop=tuple(n for n in names if n in ignored and n != target),
        max_categories=100,
        strict=False,
    )
    frame, labels = labelled(frame, options)
    return make_task(
        name=where,
        family=_family(str(dataset.name)),
        source="openml",
        kind="real",
        columns=columns_of_frame(frame, options),
        labels=labels,
        seed=seed,
        caps=caps,
    )


def _ignored(dataset: Any) -> set[str]:
    """Row ids and columns its owner asks to ignore."""
    ignored = dataset.ignore_attribute or []
    ignored = [ignored] if isinstance(ignored, str) else list(ignored)
    return {*ignored, dataset.row_id_attribute or ""} - {""}


def _family(name: str) -> str:
    """The family of the packaged task of that name, so that copies are held out together."""
    plain = _plain(name)
    for package in PACKAGES.values():
        for entry in package.entries:
            # The names of UCI's sets are the same everywhere; R's are short and mean many things.
            own = _plain(entry.name.partition("/")[2]) if package.extra == "data" else ""
            if plain in (own, _plain(entry.family)):
                return entry.family
    return {"creditg": "credit-german", "diabetes": "pima", "wdbc": "breast-cancer-wisconsin"}.get(
        plain, f"openml-{name}"
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
