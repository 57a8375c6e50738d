"""Classification tasks: packaged real data, the user's tables, OpenML, images, a generator.

>>> from infoprior.tasks import load_task
>>> load_task("sklearn/wine")
Task('sklearn/wine', real, rows 109/35/34, 13 features, 3 classes)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.tasks._images import ImageInfo, image_catalogue
    from infoprior.tasks._load import load_task
    from infoprior.tasks._metafeatures import METAFEATURES, metafeatures, task_columns
    from infoprior.tasks._packaged.catalogue import TaskInfo, catalogue
    from infoprior.tasks._synthetic import GENERATORS
    from infoprior.tasks._synthetic.generator import synthetic_task
    from infoprior.tasks._tables.read import read_table
    from infoprior.tasks._task import Task, TaskError, TaskWarning

__all__ = [
    "GENERATORS",
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

__getattr__, __dir__ = lazy(__name__)
