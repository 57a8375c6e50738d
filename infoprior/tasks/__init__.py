"""Classification tasks: packaged real data, the user's tables, OpenML, images, a generator.

>>> from infoprior.tasks import load_task
>>> load_task("sklearn/wine")
Task('sklearn/wine', real, rows 109/35/34, 13 features, 3 classes)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.tasks._images import ImageInfo, image_catalogue
    from infoprior.tasks._load import load_task
    from infoprior.tasks._metafeatures import METAFEATURES, metafeatures, task_columns
    from infoprior.tasks._packaged.catalogue import TaskInfo, catalogue
    from infoprior.tasks._synthetic.concept import synthetic_task
    from infoprior.tasks._tables.read import read_table
    from infoprior.tasks._task import Task, TaskError, TaskWarning

__all__ = [
    "METAFEATURES",
    "ImageInfo",
    "Task",
    "TaskError",
    "TaskInfo",
    "TaskWarning",
    "catalogue",
    "image_catalogue",
    "load_task",
    "metafeatures",
    "read_table",
    "synthetic_task",
    "task_columns",
]

_HOMES = {
    "METAFEATURES": "_metafeatures",
    "ImageInfo": "_images",
    "Task": "_task",
    "TaskError": "_task",
    "TaskInfo": "_packaged.catalogue",
    "TaskWarning": "_task",
    "catalogue": "_packaged.catalogue",
    "image_catalogue": "_images",
    "load_task": "_load",
    "metafeatures": "_metafeatures",
    "read_table": "_tables.read",
    "synthetic_task": "_synthetic.concept",
    "task_columns": "_metafeatures",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
