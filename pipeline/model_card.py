"""The model card of the predictor in the package: from reports, benchmarks and the predictor."""

from __future__ import annotations

from pipeline.common import REPORTS  # isort: skip

from pathlib import Path
from typing import Any

import pandas as pd

from infoprior import __version__
from infoprior.metadataset import MetaDataset
from infoprior.predictors import INPUTS, PerformancePredictor, Predictor

ACCURACIES = Path("benchmarks/results/predictors/novelty.csv")
"""Of a performance predictor that reads `data`: error and coverage on left-out tasks."""
READS = {
    "accuracy": "the learning curves of two small networks (probes)",
    "metafeatures": "counts and statistics of the table (rows, inputs, classes, ...)",
    "mi": "the mutual information of the probes' layers with the labels and the inputs",
    "inputs": "the mutual information of the inputs with the labels, alone, together and under "
    "several encodings",
}
LIMITS = [
    "- **Tables unlike those that it learned from**: a kind of evidence that lies farther from all "
    "training tasks than any real one lies from those of other families is left unread, with a "
    "warning that says how far (`predictor.novelty(profile)`).",
    "- Few rows: on 500 test rows an accuracy is known to two points (a standard error), whatever "
    "predicts it.",
    "- After some 8 trained networks their own results say more than what it knows before.",
]


def model_card(predictor: Predictor, meta: MetaDataset) -> str:
    """The card as Markdown.

    Args:
        predictor: that is shipped, fitted on `meta`.
        meta: the published rows.
    """
    tasks = meta.tasks
    counts = tasks["kind"].value_counts()
    real = tasks[tasks["kind"] == "real"]
    networks = len(meta.curves.drop_duplicates(["task", "architecture", "seed"]))
    read = [f"- {READS[group]}" for group in predictor.inputs] or ["- nothing"]
    lines = [
        "# The predictor that comes with infoprior",
        "",
        f"`load_predictor()` of infoprior {__version__}; `make ship` wrote this card.",
        "",
        f"- **What**: `{predictor.name}`, a predictor of how well architectures of the space "
        f"`{predictor.space.name}` will do on a classification task. It answers with a prior over "
        "good architectures"
        + (
            ", and with the test accuracy to expect of any of them, its interval, and what they "
            "become as results of a search come in (docs/posterior.md)."
            if isinstance(predictor, PerformancePredictor)
            else "."
        ),
        f"- **Learned from**: {networks:,} networks of {len(predictor.points)} architectures on "
        f"{counts.get('real', 0)} real tasks of {real['family'].nunique()} families, "
        f"{counts.get('enumerated', 0)} enumerated and {counts.get('synthetic', 0)} synthetic "
        f"ones; a real task weighs {predictor.prior_settings.real_weight:g} times as much. "
        "Licences and sources: docs/metadataset.md.",
        f"- **Tables like these**: up to {predictor.profiled.train:,} training rows (more are "
        f"sampled down), {_range(tasks, 'n_features')} inputs, {_range(tasks, 'n_classes')} "
        "classes; numbers and categories.",
        "- **Format**: JSON and safetensors, no pickle.",
        "",
        "## It reads of a table",
        "",
        *read,
        "",
        *_shown(predictor),
        "## Where it does not help",
        "",
        "- Images, text, regression, and networks outside of the space: it knows none of them.",
        "- **Grouped rows** (several of one person, teacher, device): what inputs say of labels "
        "then tells groups apart, and does not carry to new groups.",
        *(LIMITS if isinstance(predictor, PerformancePredictor) else []),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _range(tasks: pd.DataFrame, column: str) -> str:
    low, high = tasks[column].min(), tasks[column].max()
    return f"{low:,} to {high:,}"


def _shown(predictor: Predictor) -> list[str]:
    """What it is worth on families that it has not seen."""
    inputs = name_of(predictor)
    table = pd.read_csv(REPORTS / "predictors.csv").set_index(["predictor", "inputs"])
    values_of: dict[Any, dict[Any, Any]] = table.to_dict("index")
    rows = {"static prior": ("static", "nothing"), "this predictor": (predictor.name, inputs)}
    lines = [
        "## Shown on families that it had not seen",
        "",
        f"{table['n_tasks'].iloc[0]} development tasks in folds of whole families (it was chosen "
        f"on these), {table['test_n_tasks'].iloc[0]} test tasks once (`make repro`; "
        "docs/results.md). Regret: test accuracy below the best architecture, in units of best "
        "minus median. In brackets 95 % intervals over families.",
        "",
        "| | Kendall's tau | regret of the first draw | of the best of four | test tasks: tau | "
        "first draw | best of four |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    metrics = {"kendall_tau": "tau", "regret_at_1": "first draw", "regret_at_4": "best of four"}

    def number(key: tuple[str, str], column: str) -> float:
        return float(values_of[key][column])

    def interval(key: tuple[str, str], metric: str) -> str:
        low, high = (number(key, f"{metric}_{end}") for end in ("low", "high"))
        return f"{number(key, metric):.2f} [{low:.2f}, {high:.2f}]"

    for title, key in rows.items():
        cells = [interval(key, f"{split}{metric}") for split in ("", "test_") for metric in metrics]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    chosen = rows["this predictor"]
    values = [
        f"{name} p {number(chosen, f'{metric}_p_holm'):.2g} "
        f"(test {number(chosen, f'test_{metric}_p_holm'):.2g})"
        for metric, name in metrics.items()
    ]
    lines += [
        "",
        f"Against the static prior, Holm's correction over all variants: {'; '.join(values)}.",
        "",
    ]
    return lines + _accuracies(predictor, inputs)


def name_of(predictor: Predictor) -> str:
    """The input set that a fitted predictor reads; "all" may lack what inputs say."""
    names = {groups: name for name, groups in INPUTS.items()}
    return names.get(tuple(predictor.inputs), "all")


def _accuracies(predictor: Predictor, inputs: str) -> list[str]:
    if not isinstance(predictor, PerformancePredictor) or inputs != "data":
        return []
    table = pd.read_csv(ACCURACIES)
    test = table["split"] == "test"
    said = [
        f"{rows['error'].mean():.1f} points of mean absolute error on the {name} tasks, where 80 % "
        f"intervals cover {rows['covered'].mean():.0f} %"
        for name, rows in (("development", table[~test]), ("test", table[test]))
    ]
    return [
        "The accuracy of a named architecture, before anything is trained: "
        + ", and ".join(said)
        + " (`python benchmarks/predictors/novelty.py`).",
        "",
    ]
