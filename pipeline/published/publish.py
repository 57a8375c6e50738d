"""From finished jobs, and what was published before, to the published tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from infoprior.metadataset import _assemble, _jobs
from infoprior.metadataset._publication import Publication, read_publication, write_publication
from infoprior.metadataset._tables import INPUT_FEATURE
from infoprior.spaces import get_space
from infoprior.tasks import GENERATORS, catalogue, image_catalogue
from pipeline.metadataset import versions
from pipeline.published.jobs import KINDS, SPACES, Job, sizes

OWN_LICENCE = "MIT"  # of synthetic tasks, which this project's code draws
TIMES = ["cpu", "seconds"]
PROBED = ("mlp", "cnn")
"""Spaces on whose tasks probes are read; each of these tasks has networks of one of them."""


def publish(
    directory: Path,
    params: dict[str, Any],
    first: dict[str, dict[str, Any]],
    jobs: list[Job],
    published: Publication | None,
    in_shards: set[str],
    shards: Path,
) -> Publication:
    """Publish every task whose networks and profile are finished.

    Where no task has networks of `PROBED` spaces there are no tables of such tasks and of probes.

    Raises:
        SystemExit: no task is finished, or published ones would be lost.
    """
    there = set(published.tables["jobs"]["key"]) if published else set()
    done = {job.key for job in jobs} & (there | in_shards)
    spaces = [s for s in SPACES if any(j.kind == s and j.key in done for j in jobs)]
    complete = _complete(jobs, done, PROBED, "profiles")
    of_tabular = _complete(jobs, done, ("tabular",), "inputs")
    wanted = {kind: of_tabular if kind in ("tabular", "inputs") else complete for kind in KINDS}
    jobs = [job for job in jobs if job.key in done and job.task in wanted[job.kind]]
    spaces = [space for space in spaces if any(job.kind == space for job in jobs)]
    missing = _lost(published, "tasks", complete, first)
    missing += _lost(published, "tabular/tasks", of_tabular, first)
    if missing:
        raise SystemExit(
            f"{len(missing)} published tasks ({missing[0]}, ...) would be lost: their packages are "
            "not installed, or give other rows than they did. Install infoprior[more-data] as it "
            "was, or publish elsewhere with --afresh --out."
        )
    if not jobs:
        raise SystemExit(
            "No task is finished: of each, the networks of its first draw and what is read of it "
            "are needed. Call build with the same --fraction first."
        )
    results = {
        job.key: json.loads((shards / job.kind / f"{job.key}.json").read_text("utf-8"))
        for job in jobs
        if job.key not in there
    }

    def old(name: str, kind: str) -> pd.DataFrame:
        """The published rows of the jobs of a kind that are still wanted."""
        if published is None or name not in published.tables:
            return pd.DataFrame()
        table = published.tables[name]
        wanted = {(j.task, j.draw) for j in jobs if j.kind == kind and j.key in there}
        keep = [pair in wanted for pair in zip(table["task"], table["seed"], strict=True)]
        return table[keep]

    def new(kind: str, part: str) -> Iterator[tuple[Job, dict[str, Any]]]:
        for job in jobs:
            if job.kind == kind and part in results.get(job.key, ()):
                yield job, results[job.key][part]

    tables: dict[str, pd.DataFrame] = {}
    for space in spaces:
        measured = _assemble.curve_table((j.task, j.draw, c) for j, c in new(space, "curves"))
        tables[f"{space}/curves"] = _joined(old(f"{space}/curves", space), measured)
        here = sorted(tables[f"{space}/curves"]["task"].unique())
        tables[f"{space}/architectures"] = _assemble.architecture_table(
            get_space(space), here, *sizes(params, space)
        )
        if space in _jobs.OWN_PROFILES:
            own = _assemble.layer_table(
                (j.task, {"seed": [j.draw] * len(c["layer"]), **c})
                for j, c in new(space, "layers")
            )  # fmt: skip
            tables[f"{space}/layers"] = _joined(old(f"{space}/layers", space), own)
            labels = tables[f"{space}/curves"]
            features = _features(new("inputs", "features"), published)
            tables[f"{space}/tasks"] = _tasks(sorted(of_tabular), first, labels, features)
    if complete:
        layers = _assemble.layer_table((j.task, c) for j, c in new("profiles", "layers"))
        tables["profiles"] = _joined(old("profiles", "profiles"), layers)
        probes = _assemble.curve_table((j.task, 0, c) for j, c in new("profiles", "curves"))
        tables["probe_curves"] = _joined(old("probe_curves", "profiles"), probes)
        trained = [tables[f"{s}/curves"] for s in PROBED if f"{s}/curves" in tables]
        tables["tasks"] = _tasks(sorted(complete), first, pd.concat(trained, ignore_index=True))
    tables["jobs"] = _jobs_table(jobs, results, published)
    about = {
        "settings": params,
        "caps": _jobs.CAPS,
        "build": _jobs.VERSION,
        "made_with": versions(),
    }
    write_publication(Publication(tables, {s: get_space(s) for s in spaces}, about), directory)
    written = read_publication(directory)
    size = sum(file.stat().st_size for file in directory.glob("*.parquet"))
    networks = {
        s: len(tables[f"{s}/curves"].drop_duplicates(["task", "architecture", "seed"]))
        for s in spaces
    }
    n_layers = sum(len(t) for n, t in tables.items() if n == "profiles" or n.endswith("/layers"))
    print(f"{len(complete | of_tabular)} tasks, networks {networks}, {n_layers} layers, "
          f"{size / 1e6:.1f} MB in {directory}")  # fmt: skip
    return written


def compare(new: Publication, old: Publication) -> str:
    """How far the networks that both hold agree, in a sentence."""
    key = ["task", "architecture", "seed", "epoch"]
    tables = [name for name in new.tables if name.endswith("/curves") and name in old.tables]
    parts = [new.tables[n].merge(old.tables[n], on=key, suffixes=("", "_old")) for n in tables]
    both = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if both.empty:
        return "No network of these is published."
    last = both[both["epoch"] == both["epoch"].max()]
    apart = (last["test_accuracy"] - last["test_accuracy_old"]).abs()
    return (
        f"{len(last)} of these networks are published, too: test accuracies are equal in "
        f"{(apart == 0).mean():.1%}, within 0.01 in {(apart <= 0.01).mean():.1%}, and at most "
        f"{apart.max():.3f} apart."
    )


def _joined(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    parts = [part for part in (before, after) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else after


def _complete(jobs: list[Job], done: set[str], spaces: tuple[str, ...], beside: str) -> set[str]:
    """Tasks whose networks of one of the spaces are trained on the first draw, and read."""
    trained = {j.task for j in jobs if j.kind in spaces and j.draw == 0 and j.key in done}
    return trained & {j.task for j in jobs if j.kind == beside and j.key in done}


def _lost(
    published: Publication | None, table: str, complete: set[str], first: dict[str, dict[str, Any]]
) -> list[str]:
    """Published tasks that would not be any more."""
    if published is None or table not in published.tables:
        return []
    before = set(published.tables[table]["task"])
    # Of generators' tasks others can be asked for, or fewer; none of these disappears.
    left_out = {n for n in before - set(first) if n.partition("/")[0] in GENERATORS}
    return sorted(before - complete - left_out)


def _features(
    measured: Iterator[tuple[Job, dict[str, Any]]], published: Publication | None
) -> pd.DataFrame:
    """What inputs say, one row a task (the index): as published, and as measured since."""
    rows = pd.DataFrame()
    if published is not None and "tabular/tasks" in published.tables:
        tasks = published.tables["tabular/tasks"].set_index("task")
        rows = tasks[[c for c in tasks if str(c).startswith(INPUT_FEATURE)]]
    new = {job.task: features for job, features in measured}
    fresh = pd.DataFrame.from_dict(new, orient="index").add_prefix(INPUT_FEATURE)
    return pd.concat([rows[~rows.index.isin(fresh.index)], fresh])


def _tasks(
    names: list[str],
    first: dict[str, dict[str, Any]],
    curves: pd.DataFrame,
    features: pd.DataFrame | None = None,
) -> pd.DataFrame:
    licences = {info.name: info.licence for info in catalogue()}
    licences |= {info.name: info.licence for info in image_catalogue()}
    rows = pd.DataFrame([first[name]["columns"] for name in names])
    rows.insert(3, "licence", [licences.get(name, OWN_LICENCE) for name in names])
    quality = _assemble.ceilings(curves).loc[names].reset_index(drop=True)
    at = list(rows.columns).index("n_classes") + 1
    for offset, (name, values) in enumerate(quality.items()):
        rows.insert(at + offset, str(name), values)
    if features is not None:
        rows = pd.concat([rows, features.loc[names].reset_index(drop=True)], axis=1)
    return _assemble.compact(rows)


def _jobs_table(
    jobs: list[Job], results: dict[str, dict[str, Any]], published: Publication | None
) -> pd.DataFrame:
    """What was run, and what it cost (CPU seconds and seconds, of the run that did it)."""
    before = published.tables["jobs"].set_index("key").to_dict("index") if published else {}
    rows = []
    for job in jobs:
        times = results[job.key] if job.key in results else before[job.key]
        cost = {name: round(float(times[name]), 2) for name in TIMES}
        about = {"key": job.key, "kind": job.kind, "task": job.task, "draw": job.draw}
        rows.append({**about, "code": str(times.get("code", "")), **cost})
    return _assemble.compact(pd.DataFrame(rows))
