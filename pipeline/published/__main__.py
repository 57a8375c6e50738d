"""Builds and publishes the meta-dataset that comes with the package, and writes its data card.

    python -m pipeline.published build [--fraction 0.02] [--only tabular --only inputs ...]
    python -m pipeline.published publish
    python -m pipeline.published card

`build` runs the jobs that are neither published nor in data/shards/published; kill it and call it
again. `publish` writes what is finished into the package. Settings: `published` in params.yaml.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from infoprior.metadataset._publication import INDEX, PUBLISHED, read_publication
from pipeline.common import read_params
from pipeline.published.build import build
from pipeline.published.card import write_card
from pipeline.published.jobs import FOLDER, KINDS, finished, plan, task_names
from pipeline.published.publish import compare, publish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("build", "publish", "card"))
    parser.add_argument("--fraction", type=float, default=1.0, help="of the tasks")
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument(
        "--known", type=Path, default=PUBLISHED,
        help="where the rows are that are not made again, e.g. another machine's (the package's)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="publish into this folder, not the package")
    parser.add_argument(
        "--afresh",
        action="store_true",
        help="use neither what is published nor the shards of other builds",
    )
    options = parser.parse_args()
    if not 0.0 < options.fraction <= 1.0:
        parser.error("--fraction: needs a number above 0, at most 1")
    if options.what == "publish" and options.fraction < 1.0 and options.out is None:
        parser.error("--fraction: a part of the tasks goes elsewhere; give --out")
    if options.what == "card":
        write_card()
        return
    params = read_params("published")
    names = task_names(params, options.fraction)
    if not names:
        parser.error(f"--fraction {options.fraction}: no task is in so small a part")
    folder = FOLDER.with_name("published-afresh") if options.afresh else FOLDER
    published = None
    if not options.afresh and (options.known / INDEX).exists():
        published = read_publication(options.known)
    first, jobs = plan(params, names)
    in_package, in_shards = finished(jobs, published, folder)
    print(f"{len(jobs)} jobs of {len(first)} tasks: {len(in_package)} published, "
          f"{len(in_shards)} in shards", flush=True)  # fmt: skip
    if options.what == "build":
        build(jobs, options.only or list(KINDS), in_package, folder)
        return
    new = publish(options.out or PUBLISHED, params, first, jobs, published, in_shards, folder)
    if options.out and (PUBLISHED / INDEX).exists():
        print(compare(new, read_publication(PUBLISHED)))


if __name__ == "__main__":
    main()
