"""The data card of the published meta-dataset and its figure: from the published files alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from infoprior import load_metadataset
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset
from infoprior.metadataset._publication import INDEX, PUBLISHED, Publication, read_publication
from infoprior.report import metadataset_figure, save_figure

DOCS = Path("docs")
LARGE = 1500 * 0.6  # training rows of real data of 1,500 rows


def card(publication: Publication, meta: MetaDataset) -> str:
    """The card as Markdown; it depends on the published files alone."""
    tasks, jobs = meta.tasks, publication.tables["jobs"]
    settings = publication.about["settings"]
    digest = hashlib.sha256((PUBLISHED / INDEX).read_bytes()).hexdigest()
    size = sum(file.stat().st_size for file in PUBLISHED.iterdir()) / 1e6
    curves = {name: t for name, t in publication.tables.items() if name.endswith("/curves")}
    networks = {
        name.split("/")[0]: len(t.drop_duplicates(["task", "architecture", "seed"]))
        for name, t in curves.items()
    }
    own = {
        name.split("/")[0]: len(table)
        for name, table in publication.tables.items()
        if name.endswith("/layers")
    }
    real = tasks[tasks["kind"] == "real"]
    lines = [
        "# The published meta-dataset",
        "",
        "`python -m pipeline.published card` wrote this page from the published files.",
        "",
        "```python",
        "from infoprior import load_metadataset",
        "",
        'meta = load_metadataset("mlp")  # tasks, architectures, curves, profiles, probe_curves',
        "```",
        "",
        f"Architectures, learning curves and per-layer information profiles on {len(tasks)} "
        f"classification tasks. {len(real)} of them are real data sets of "
        f"{real['family'].nunique()} families.",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| networks of the space `{space}` | {n:,} |" for space, n in networks.items()),
        f"| layers of probes | {len(meta.profiles):,} |",
        *(
            f"| layers of the networks of `{space}` themselves | {n:,} |"
            for space, n in own.items()
        ),
        f"| architectures | {settings['shared']} of `mlp` on every task, {settings['own']} more of "
        f"each task alone; {settings['thesis']} of `thesis` on real tasks |",
        f"| curves | epochs {', '.join(map(str, sorted(set(meta.curves['epoch']))))}: loss and "
        "accuracy on training, validation and test rows |",
        f"| profiles | probes {', '.join(meta.probes)} at epochs "
        f"{', '.join(map(str, sorted(set(meta.profiles['epoch']))))}, recipe "
        f"{', '.join(sorted(set(meta.profiles['recipe'])))}, nats |",
        f"| size | {size:.1f} MB |",
        f"| SHA-256 of {INDEX} | `{digest}` |",
        "",
        "![The published meta-dataset](figures/metadataset.png)",
        "",
        "## Tasks",
        "",
        "| kind | tasks | families | training rows (median) | test rows (median) | "
        "noise ceiling (median) | one draw against another |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_kind(str(kind), group) for kind, group in tasks.groupby("kind", sort=True)),
        _kind("real, 1,500 rows and more", real[real["n_train"] >= LARGE]),
        "",
        "- **kind**: `real`; `enumerated` (every combination of a rule's inputs, every board of a "
        "game); `synthetic` (the generator's `synthetic/<i>`, and packaged sets that were sampled "
        "from a formula).",
        "- **A draw** of labels is one training of all architectures: with seed d and, for "
        "packaged data, the split of seed d; synthetic tasks keep their training rows and get "
        "5,000 new test rows. Small tasks have more draws (column `draws`). Draws of packaged data "
        "share most of their rows, so that ceilings are those of this data set, not of its "
        "population.",
        "- **Noise ceiling** (`noise_ceiling`): Spearman over a task's architectures between its "
        "labels, which are means over its draws, and the means over as many other draws, from the "
        "agreement of single draws (`draw_ceiling`) by the formula of Spearman and Brown. "
        "`validation_ceiling`: validation against test accuracy of the same networks.",
        "- **thesis**: `infoprior.metadataset.score(load_metadataset('thesis'))` is accuracy less "
        "a price per unit, the score that the thesis searched by.",
        "- **A cheaper probe** nearly does: what profiles after 3 epochs are worth against those "
        "after 27 is in `benchmarks/results/predictors/early_probe.md`.",
        "",
        *_own_profiles(publication),
        "## What it took",
        "",
        *_costs(jobs, curves, meta.profiles),
        "",
        "## Licence",
        "",
        "The tables of this meta-dataset are under this project's MIT licence. They hold numbers "
        "measured on data sets, not the data. The column `licence` says what the package that "
        "ships a data set states; `docs/tasks.md` lists every set with its source.",
        "",
        *_licences(tasks),
        "",
        "## Known weaknesses",
        "",
        "- Most tasks are synthetic; none is wider than 60 columns. They were chosen so that "
        "meta-features and the mean ranking of architectures resemble those of the families in "
        "`infoprior.metadataset.FITTED_FAMILIES` (`benchmarks/results/metadataset/generator.md`, "
        "`generator_check.md`): whoever judges something that learned from them should do so on "
        "other families.",
        "- Real sets come from packages, so they are the sets that teachers like: small, clean, "
        f"and {int((real['n_train'] < 300).sum())} of {len(real)} with fewer than 300 training "
        "rows.",
        "- Families are declared by hand and checked by a test; an undeclared near-duplicate would "
        "leak between splits.",
        "- One optimiser (AdamW without a schedule), 27 epochs: large learning rates are favoured "
        "over what longer training would.",
        "- I(X;T) is I(X; T + sigma Z): it depends on sigma and saturates at log n (the column "
        "`flags`); I(T;Y) falls short where layers are wide and rows few.",
        "- Rows were computed with one thread and AVX2, those of networks with normalization with "
        "a processor's own estimate of 1 / sqrt(x), which the trainer no longer asks for; they are "
        "made again up to rounding only, and a few networks with large learning rates then end "
        "elsewhere.",
        "",
        "## Build it again",
        "",
        "```bash",
        "make published FRACTION=0.01   # some of the tasks anew, into data/published",
        "make published                 # all of it: what is published is not run again",
        "```",
        "",
        "Settings: section `published` of params.yaml; `python -m pipeline.published build "
        "--afresh` uses nothing that is published. Killed at any moment, it resumes where it was. "
        "`docs/cluster.md` says how to spread it over machines. Made with "
        + ", ".join(f"{n} {v}" for n, v in sorted(publication.about["made_with"].items()))
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _own_profiles(publication: Publication) -> list[str]:
    """The section on the space whose networks have profiles of their own."""
    if "tabular/tasks" not in publication.tables:
        return []
    tasks = publication.tables["tabular/tasks"]
    real = tasks[tasks["kind"] == "real"]
    two = tasks["draws"] > 1
    return [
        "## Networks with profiles of their own",
        "",
        "```python",
        'meta = load_metadataset("tabular")',
        "meta.networks()  # (architecture, its MI profile, accuracy), a row a network",
        "meta.networks(epoch=3)  # the same, profiles read early",
        "meta.input_features()  # what a task's inputs say, 62 statistics",
        "```",
        "",
        f"{publication.about['settings']['tabular']} architectures of the space `tabular` "
        "(encodings of inputs equally often) on every task; the layers of each network of the "
        "first draw after 3 and 27 epochs by the recipe `fast`, I(T;Y) of training and of "
        f"validation rows apart. {int((~two).sum())} of the tasks have one draw so far, and no "
        "noise ceiling.",
        "",
        "| kind | tasks | families | training rows (median) | test rows (median) | "
        "noise ceiling (median) | one draw against another |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_kind(str(kind), group) for kind, group in tasks.groupby("kind", sort=True)),
        _kind("real, 1,500 rows and more", real[real["n_train"] >= LARGE]),
        "",
    ]


def _kind(name: str, group: pd.DataFrame) -> str:
    def median(column: str) -> str:
        values = group[column].dropna()
        if values.empty:
            return "–"
        return f"{values.median():.3f}" if column.endswith("ceiling") else f"{values.median():,.0f}"

    cells = [median(c) for c in ("n_train", "n_test", "noise_ceiling", "draw_ceiling")]
    return f"| {name} | {len(group)} | {group['family'].nunique()} | {' | '.join(cells)} |"


def _costs(jobs: pd.DataFrame, curves: dict[str, pd.DataFrame], layers: pd.DataFrame) -> list[str]:
    lines = [
        "CPU hours of one core of the machine that built it (AMD EPYC, two cores at once):",
        "",
        "| jobs of | jobs | CPU hours | made | made an hour on two cores |",
        "| --- | --- | --- | --- | --- |",
    ]
    total = 0.0
    for kind, group in jobs.groupby("kind", sort=True):
        hours = float(group["cpu"].sum()) / 3600.0
        total += hours
        if kind == "profiles":
            made, what = len(layers), "layers"
        elif kind == "inputs":
            made, what = len(group), "tasks"
        else:
            table = curves[f"{kind}/curves"]
            made, what = len(table.drop_duplicates(["task", "architecture", "seed"])), "networks"
        rate = 2.0 * made / hours
        lines.append(f"| {kind} | {len(group):,} | {hours:.1f} | {made:,} {what} | {rate:,.0f} |")
    where = "`benchmarks/results/metadataset/job_time.md` says where the time of a job goes."
    lines += ["", f"Together {total:.1f} CPU hours; {where}"]
    return lines


def _licences(tasks: pd.DataFrame) -> list[str]:
    counts = tasks.groupby(["licence", "source"], sort=True).size().reset_index(name="tasks")
    lines = ["| licence | source | tasks |", "| --- | --- | --- |"]
    return lines + [f"| {r.licence} | {r.source} | {r.tasks} |" for r in counts.itertuples()]


def write_card() -> None:
    """Write docs/metadataset.md and its figure."""
    publication, meta = read_publication(PUBLISHED), load_metadataset("mlp")
    save_figure(metadataset_figure(meta), DOCS / "figures" / "metadataset.png")
    write_atomically(DOCS / "metadataset.md", card(publication, meta))
    print(f"{DOCS / 'metadataset.md'} and its figure: {len(meta.tasks)} tasks")
