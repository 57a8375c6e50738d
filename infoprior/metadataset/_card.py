"""The data card: what is in a meta-dataset, in words and counts, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from infoprior._arguments import check_seed, instance_of
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._schema import MetaDatasetError
from infoprior.profiles import data_processing

SMALL_TEST = 300  # below so many test rows an accuracy's standard error is near 0.03


def data_card(meta: MetaDataset, seed: int, versions: Mapping[str, str]) -> str:
    """Counts, origins, versions and known weaknesses of a meta-dataset.

    Args:
        meta: the meta-dataset.
        seed: the seed that it was built with.
        versions: package -> version that it was built with.

    Returns:
        Markdown that depends on the arguments alone (no date, no machine).

    Raises:
        MetaDatasetError: an argument is something else.
    """
    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, MetaDatasetError)
    instance_of(versions, Mapping, "versions", "give them by package", MetaDatasetError)
    seed = check_seed(seed, MetaDatasetError)
    tasks, final = meta.tasks, meta.final()
    cells = len(tasks) * len(meta.architectures)
    epochs = int(meta.curves["epoch"].max()) if len(meta.curves) else 0
    seeds = meta.curves["seed"].nunique() if len(meta.curves) else 0
    lines = [
        "# Data card of the meta-dataset",
        "",
        "One row of `rows.parquet` is one architecture on one task: its parameters, the mutual "
        "information of each layer of the task's probes, and the accuracy it reached. Information "
        "is in nats: I(T;Y), and I(X; T + sigma Z) with Gaussian noise of stated sigma.",
        "",
        "| | |",
        "| --- | --- |",
        f"| search space | `{meta.space.name}`: {', '.join(meta.space)} |",
        f"| tasks | {len(tasks)} in {tasks['family'].nunique()} families |",
        f"| architectures | {len(meta.architectures)}, the same on every task |",
        f"| networks trained | {len(final)} of {cells} (task, architecture) pairs, "
        f"{seeds} seed(s), up to {epochs} epochs |",
        f"| diverged | {int(final['diverged'].sum())} |",
        f"| probes | {', '.join(meta.probes) or 'none'} |",
        f"| layers profiled | {len(meta.profiles)}, {_flagged(meta.profiles)} of them flagged |",
        f"| recipes | {', '.join(sorted(set(meta.profiles['recipe']))) or 'none'} |",
        f"| seed | {seed} |",
        f"| SHA-256 of the contents | `{meta.digest}` |",
        "",
        "## Tasks by kind",
        "",
        *_counts(tasks, "kind"),
        "",
        "## Tasks by source",
        "",
        *_counts(tasks, "source"),
        "",
        "## Families of more than one task",
        "",
        *_families(tasks),
        "",
        "## Sizes",
        "",
        *_sizes(tasks),
        "",
        "## Flags of the MI estimates",
        "",
        *_flags(meta.profiles),
        "",
        "## Information that rises with depth",
        "",
        *_rises(meta.profiles),
        "",
        "## Package versions",
        "",
        "| package | version |",
        "| --- | --- |",
        *(f"| {name} | {versions[name]} |" for name in sorted(versions)),
        "",
        "## Known weaknesses",
        "",
        *_weaknesses(meta, final, cells),
    ]
    return "\n".join(lines) + "\n"


def _counts(tasks: pd.DataFrame, column: str) -> list[str]:
    lines = [f"| {column} | tasks | families |", "| --- | --- | --- |"]
    for value, group in tasks.groupby(column, sort=True):
        lines.append(f"| {value} | {len(group)} | {group['family'].nunique()} |")
    return lines


def _families(tasks: pd.DataFrame) -> list[str]:
    groups = [(str(f), sorted(g["task"])) for f, g in tasks.groupby("family") if len(g) > 1]
    if not groups:
        return ["None: every task is a family of its own."]
    return [f"- {family}: {', '.join(names)}" for family, names in sorted(groups)]


def _sizes(tasks: pd.DataFrame) -> list[str]:
    lines = ["| | smallest | median | largest |", "| --- | --- | --- | --- |"]
    for column in ("n_train", "n_validation", "n_test", "n_features", "n_classes"):
        v = tasks[column]
        if len(v):
            lines.append(f"| {column} | {v.min()} | {v.median():g} | {v.max()} |")
    return lines


def _flagged(profiles: pd.DataFrame) -> int:
    return int((profiles["flags"] != "").sum())


def _flags(profiles: pd.DataFrame) -> list[str]:
    counts = Counter(flag.strip() for row in profiles["flags"] for flag in row.split(","))
    counts.pop("", None)
    if not counts:
        return ["No estimate is flagged."]
    return [f"- {flag}: {counts[flag]} of {len(profiles)} layers" for flag in sorted(counts)]


def _rises(profiles: pd.DataFrame) -> list[str]:
    chains = data_processing(profiles)
    chains = chains[chains["layers"] > 1]
    if chains.empty:
        return ["No probe has two layers to compare."]
    lines = [
        "Layers form a chain, along which the data-processing inequality lets neither I(X;T) nor "
        "I(T;Y) rise. I(X; T + sigma Z), with noise added to each layer apart, may rise all the "
        "same; a rise of I(T;Y) beyond the error (0.05 nat, or the spread over folds) is "
        "information that the estimate missed in the earlier layer.",
        "",
        "| probe | networks | I(T;Y) rises beyond the error | by at most (nats) | "
        "I(X; T + sigma Z) rises beyond the error | by at most (nats) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for probe, group in chains.groupby("architecture", sort=True):
        cells = []
        for quantity in ("ty", "xt"):
            beyond = group[group[f"{quantity}_beyond"]]
            cells.append(str(len(beyond)))
            cells.append(f"{beyond[f'{quantity}_rise'].max():.2f}" if len(beyond) else "")
        lines.append(f"| {probe} | {len(group)} | {' | '.join(cells)} |")
    return lines


def _weaknesses(meta: MetaDataset, final: pd.DataFrame, cells: int) -> list[str]:
    tasks = meta.tasks
    small = int((tasks["n_test"] < SMALL_TEST).sum())
    made = int((tasks["kind"] != "real").sum())
    lines = [
        f"- {small} of {len(tasks)} tasks have fewer than {SMALL_TEST} test rows; their rankings "
        f"are noisy.",
        f"- {made} of {len(tasks)} tasks are synthetic or enumerated: no substitute for real ones.",
        "- I(X;T) of a deterministic network is infinite or constant, whatever it learned; here it "
        "is I(X; T + sigma Z), which depends on sigma, compares only between profiles of one "
        "recipe, and cannot be told beyond log n (flag xt:saturated).",
        "- An estimate of I(T;Y) falls short on few rows and wide layers; the spread over folds is "
        "no confidence interval.",
        "- Families are declared by hand: an undeclared near-duplicate would leak between splits.",
    ]
    if len(final) < cells:
        lines.append(f"- {cells - len(final)} (task, architecture) pairs were not run.")
    if missing := len(set(tasks["task"]) - set(meta.profiles["task"])):
        lines.append(f"- {missing} task(s) have no profile and cannot be predicted for.")
    if meta.curves["test_accuracy"].isna().any():
        lines.append("- Some runs have no test accuracy; their labels are validation accuracies.")
    return lines
