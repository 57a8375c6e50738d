"""`python -m infoprior.tasks docs/tasks.md`: write the table of all packaged data sets into a page.

The table stands between two marks and is replaced; the rest of the page is left as it is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from infoprior.files import write_atomically
from infoprior.tasks import TaskInfo, catalogue, load_task

OPEN, CLOSE = "<!-- tasks -->", "<!-- /tasks -->"
_HEAD = (
    "| name | family | rows | features | classes | kind | source | licence | note |",
    "| --- | --- | ---: | ---: | ---: | --- | --- | --- | --- |",
)


def table() -> str:
    """Markdown, one line per data set; features are counted as encoded, before a cap on rows."""
    lines = list(_HEAD)
    for info in catalogue():
        task = load_task(info.name)
        sizes = f"{len(task.y):,} | {task.n_features} | {task.n_classes}"
        lines.append(f"| {info.name} | {info.family} | {sizes} | {tail(info)} |")
    return "\n".join(lines)


def tail(info: TaskInfo) -> str:
    """The last columns of a data set's line: kind, source without its version, licence, note."""
    return f"{info.kind} | {info.source.split()[0]} | {info.licence} | {info.note}"


def replace(page: str, inner: str) -> str:
    """The page with `inner` between the two marks.

    Raises:
        ValueError: it has no marks.
    """
    if page.find(OPEN) < 0 or page.find(CLOSE) < page.find(OPEN):
        raise ValueError(f"the page has no {OPEN} followed by {CLOSE}; add them")
    pattern = re.compile(f"{re.escape(OPEN)}.*?{re.escape(CLOSE)}", re.DOTALL)
    return pattern.sub(lambda _: f"{OPEN}\n{inner}\n{CLOSE}", page, count=1)


def main(path: str) -> None:
    write_atomically(path, replace(Path(path).read_text(encoding="utf-8"), table()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infoprior.tasks docs/tasks.md")
    main(sys.argv[1])
