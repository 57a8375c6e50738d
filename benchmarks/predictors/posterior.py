"""What does one posterior know from nothing, from a profile, from half-done searches?

    python benchmarks/predictors/posterior.py [--space mlp|tabular] [--part folds|test|own]
    python benchmarks/predictors/posterior.py [--space mlp|tabular] --part kinds|kinds-test
    python benchmarks/predictors/posterior.py --measure fold-0 ...    # in several processes

The performance predictor learns from the published real tasks and synthetic ones, and answers for
other real families (the splits of the stage `predictors`: folds to choose on, the test families
once at the end).

Information: mean absolute error and CRPS in points of accuracy, coverage of 50, 80 and 95 %
intervals, over the shared architectures of a task; Kendall's tau, and the first choice's regret
and accuracy. Each kind of evidence also with the profiles of other tasks of the kind (10 shuffles),
for training and held-out tasks alike; of "all" only what is information is taken from other tasks.
Recorded accuracies are means over few draws and rows: intervals are of what is recorded, so the
noise that the predictor states for such a mean is part of them.

Search: over recorded curves of the first draw, each step advances one architecture by one rung (1,
3, 9, 27 epochs) and pays for its epochs; the choice is of the highest posterior mean of scores,
whether it has been trained or not. "After reading": meta-features and, where there is one, the
input profile are read first, and charged. Beside it Hyperband replayed under the static prior, the
static prior's first choice, and all architectures trained. Regret: 0 best, 1 median. Means over
tasks, intervals over families, p by Wilcoxon's test over families, Holm's within a column of a
table.

Own (only `tabular`, on the folds): what training losses and the layers of the trained networks tell
beside their validation curves, all networks of one draw known up to an epoch; also with the layers
of other networks of the same task, in training as in held-out tasks.

Kinds (kinds-test: of the test families): other kinds of performance predictor than the
linear-Gaussian that is shipped, on the same states of evidence: parts of a profile, and curves of
successive halving in three random orders, the best by validation accuracy continued, within 2 to
32 full trainings. Recorded is what the other draws of a task showed. Differences from the
linear-Gaussian, Holm's p within a metric.

Writes benchmarks/results/predictors/posterior.md or posterior_<space>.md (part test: appended to
what the folds gave; parts own and kinds: posterior_own.md, posterior_kinds.md), means by task
beside it, and docs/figures/posterior_<space>.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, ROOT, threads, write

threads(1)

import pandas as pd  # noqa: E402

from benchmarks.predictors import _posterior_figure as figure  # noqa: E402
from benchmarks.predictors import _posterior_kinds as kinds  # noqa: E402
from benchmarks.predictors import _posterior_report as tables  # noqa: E402
from benchmarks.predictors._posterior_data import SETTINGS, Bench  # noqa: E402
from benchmarks.predictors._posterior_information import information  # noqa: E402
from benchmarks.predictors._posterior_own import own  # noqa: E402
from benchmarks.predictors._posterior_search import searches  # noqa: E402
from infoprior.fingerprints import fingerprint, source_fingerprint  # noqa: E402
from infoprior.predictors import PerformancePredictor  # noqa: E402

CACHE = ROOT / "benchmarks" / "cache" / "posterior"
SHUFFLES = 10
PARTS, OWN = ("information", "search"), ("own",)
CHOICES = ("folds", "test", "own", "kinds", "kinds-test")
NOTES = {
    "mlp": "The test families of `mlp` were looked at twice before: with accuracies on the logit "
    "scale (upper bound .458 .378 .420 .382 .325 .373 .408), and on the probit scale, which the "
    "folds' CRPS had then chosen.\n\n",
    "tabular": "",
}  # fmt: skip


def result(space: str) -> Path:
    return RESULTS / "predictors" / ("posterior.md" if space == "mlp" else f"posterior_{space}.md")


def measure(bench: Bench, split: str, parts: tuple[str, ...] = PARTS) -> list[pd.DataFrame]:
    """The tables of one split, kept in the cache."""
    here = Path(__file__).parent
    read = ["data", *parts] if parts == OWN else ["data", *PARTS]
    code = fingerprint(
        source_fingerprint("infoprior.predictors"),
        *((here / f"_posterior_{name}.py").read_text() for name in read),
        bench.meta.digest,
        split,
    )
    files = {part: CACHE / f"{bench.space}-{split}-{code}-{part}.parquet" for part in parts}
    if missing := [part for part, file in files.items() if not file.exists()]:
        CACHE.mkdir(parents=True, exist_ok=True)
        predictor = PerformancePredictor(**SETTINGS[bench.space])
        if missing != ["own"]:
            predictor.fit(bench.split(split)[0], progress=False)
        calls = {
            "information": lambda: information(bench, split, predictor, SHUFFLES),
            "search": lambda: searches(bench, split, predictor),
            "own": lambda: own(bench, split, SHUFFLES),
        }
        for part in missing:
            pd.DataFrame(calls[part]()).assign(split=split).to_parquet(files[part])
            print(files[part].name, flush=True)
    return [pd.read_parquet(file) for file in files.values()]


def report(bench: Bench, part: str, info: pd.DataFrame, search: pd.DataFrame) -> str:
    """The tables of the folds, or of the test families."""
    n = info["task"].nunique()
    families = bench.about["family"].loc[info["task"].unique()].nunique()
    large = tables.large(bench, info)
    where = "Folds (to choose on)" if part == "folds" else "Test families"
    big = f"Tasks with 1,500 training and 500 test rows and more ({large['task'].nunique()}):"
    return "\n\n".join([
        f"## {where}: {n} tasks of {families} families",
        "### Information",
        tables.information_table(bench, info),
        tables.pairs_table(bench, info),
        big,
        tables.information_table(bench, large),
        "### Search: regret by budget in full trainings",
        tables.search_table(bench, search),
        big,
        tables.search_table(bench, tables.large(bench, search)),
        tables.against_hyperband(bench, search),
    ])  # fmt: skip


def write_own(bench: Bench) -> None:
    """The tables of part own, of the folds."""
    splits = [split for split in bench.splits if split != "test"]
    rows = pd.concat([measure(bench, split, OWN)[0] for split in splits], ignore_index=True)
    text = f"{tables.own_table(bench, rows)}\n\n{tables.own_tests(bench, rows)}\n"
    out = result(bench.space).with_name("posterior_own.md")
    write(out, f"# What a network's own layers tell beside its curve: `{bench.space}`\n\n{text}")
    print(text)
    rows = rows.assign(shuffled=rows.pop("shuffle") >= 0)
    means = rows.groupby(["split", "task", "epoch", "evidence", "shuffled"], sort=False)
    means.mean(numeric_only=True).round(4).to_csv(out.with_name("posterior_own.csv"))


def write_kinds(bench: Bench, splits: list[str], cached: bool) -> None:
    """The tables of part kinds: a section for each space, and for folds and test families."""
    test = splits == ["test"]
    rows = pd.concat([kinds.measure(bench, s, list(kinds.KINDS), cached=cached) for s in splits])
    out = RESULTS / "predictors" / "posterior_kinds.md"
    where = f"{'Test families' if test else 'Folds'} of `{bench.space}`"
    title = f"{where}: {rows['task'].nunique()} tasks of {', '.join(splits)}"
    write_section(out, title, kinds.report(bench, rows))
    means = rows.groupby(["split", "kind", "level", "task"], sort=False).mean(numeric_only=True)
    name = f"posterior_kinds_{bench.space}_{'test' if test else 'folds'}.csv"
    means.round(4).to_csv(out.with_name(name))


def write_section(out: Path, title: str, text: str) -> None:
    """A section of a file, instead of the one whose title begins likewise; sorted by title."""
    before = out.read_text() if out.exists() else "# Kinds of performance predictor\n"
    head, *parts = before.split("\n## ")
    sections = {part.split(":")[0]: part.strip() for part in parts}
    sections[title.split(":")[0]] = f"{title}\n\n{text}"
    write(out, "\n\n## ".join([head.strip(), *(sections[k] for k in sorted(sections))]) + "\n")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--space", choices=("mlp", "tabular"), default="mlp")
    parser.add_argument("--part", choices=CHOICES, default="folds")
    parser.add_argument("--synthetic", type=int, help="tasks to learn from; mlp: 250, tabular: all")
    parser.add_argument("--measure", nargs="*", default=(), help="only fill the cache, of splits")
    parser.add_argument("--splits", nargs="*", help="of part kinds: only these folds")
    parser.add_argument("--cached", action="store_true", help="of part kinds: what is measured")
    arguments = parser.parse_args()
    synthetic = {"mlp": 250, "tabular": 10_000}[arguments.space]
    bench = Bench(arguments.space, arguments.synthetic or synthetic)
    parts = OWN if arguments.part == "own" else PARTS
    if arguments.part.startswith("kinds"):
        for split in arguments.measure:
            kinds.measure(bench, split, list(kinds.KINDS))
        if not arguments.measure:
            test = arguments.part == "kinds-test"
            splits = [split for split in bench.splits if (split == "test") == test]
            write_kinds(
                bench, [s for s in splits if s in (arguments.splits or splits)], arguments.cached
            )
        return
    for split in arguments.measure:
        measure(bench, split, parts)
    if arguments.measure:
        return
    if arguments.part == "own":
        write_own(bench)
        return
    splits = [s for s in bench.splits if (s == "test") == (arguments.part == "test")]
    info, search = (
        pd.concat(part, ignore_index=True)
        for part in zip(*(measure(bench, split) for split in splits), strict=True)
    )
    text = report(bench, arguments.part, info, search)
    out = result(arguments.space)
    title = f"# One posterior from whatever is known: `{arguments.space}`\n\n"
    head = title + str(__doc__).split("\n\n", 2)[2].strip() + "\n\n" + NOTES[arguments.space]
    before = out.read_text() if out.exists() and arguments.part == "test" else head
    before = before.split("\n## Test families")[0].rstrip()
    write(out, f"{before}\n\n{text}\n")
    print(text)
    keys = ["split", "task", "evidence"], ["split", "task", "method", "budget"]
    for frame, key, name in zip((info, search), keys, ("information", "search"), strict=True):
        if name == "information":
            frame = frame.assign(shuffled=frame["shuffle"] >= 0).drop(columns="shuffle")
            key = [*key, "shuffled"]
        means = frame.groupby(key, sort=False).mean(numeric_only=True).round(4)
        means.to_csv(out.with_name(f"{out.stem}_{arguments.part}_{name}.csv"))
    if arguments.part == "folds":
        figure.draw(bench, info, search)


if __name__ == "__main__":
    main()
