"""By which networks of the design of `tabular` a new task is read, and by how many.

    python benchmarks/predictors/probe_choice.py [--parts costs choice check]

1. costs: of every network of the design, what its first three epochs and the recipe "fast" on its
   layers cost, in full trainings of the median network (as probe_cost.py, five tasks of 1,300 to
   2,100 rows); kept in probe_choice_costs.csv.
2. choice: the rows hold every network's own profile after three epochs, so that any of them can be
   probes. Of all pairs, and of sets grown from the best of them, those within the budget are ranked
   by how well all that is known of a task (meta-features, the probes' accuracies, inputs, layers)
   tells the ranking of the 48 architectures, on the folds of `FITTED_FAMILIES`; the other families
   are not looked at. A set that is best of hundreds looks better than it is: "chosen elsewhere" is
   the score on each fold of the set that is best on the other folds.
3. check: the probes as they are now and the best sets on the other families, after the choice.

Model, weights of tasks and tasks are those of the rankings of disagreement.py. Intervals: 95 %,
bootstrap over families. Regret: test accuracy of the first choice below the best architecture, in
units of best less median.

Writes benchmarks/results/predictors/probe_choice.md and rows beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks._common import RESULTS, machine, markdown, threads, write, write_sections
from benchmarks.predictors import _disagreement_data as data
from benchmarks.predictors import _disagreement_spaces as spaces
from benchmarks.predictors._disagreement_models import family_weights
from benchmarks.predictors.disagreement import ranked, splits_of
from benchmarks.predictors.probe_cost import TASKS, seconds, warm_up
from infoprior import load_metadataset
from infoprior.evaluation import bootstrap_interval, wilcoxon
from infoprior.metadataset import MetaDataset, published_task
from infoprior.predictors._features import Standardizer
from infoprior.profiles import READINGS, TABULAR_PROBES, get_recipe, profile_networks
from infoprior.profiles._reading import HiddenLayers
from infoprior.spaces import get_space
from infoprior.training import train

RESULT = RESULTS / "predictors" / "probe_choice.md"
COSTS = RESULT.with_name("probe_choice_costs.csv")
ROWS = RESULT.with_name("probe_choice_rows.csv")
BUDGET = 1.0
"""Full trainings of the median network that probes and their layers may cost together."""
SIZES = (1, 2, 3, 4)
GROWN = 20
"""Sets of a size that are grown by another network."""
SHOWN = 3
"""Sets of a size in a table."""
PENALTY, REAL_WEIGHT = 0.01, 4.0
"""Of the ridge regression, and what a real task counts: chosen on the folds by disagreement.py."""
FORMER = ("a022", "a031", "a034", "a038")
"""Four probes that were chosen without a price for their layers."""

TITLES = {
    "costs": "What networks of the design cost as probes",
    "choice": "What sets of probes tell, on the folds",
    "check": "The probes on the other families",
}
"""Part -> the title of its section, in order."""

Probes = tuple[str, ...]
Products = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def measure() -> pd.DataFrame:
    """Cost of every network of the design as a probe: training, layers; means over tasks.

    `layers` is of the network alone; several are measured in one call, which saves `shared` for
    each but the first.
    """
    points = get_space("tabular").shared_design(48)
    space, reading = get_space("tabular"), READINGS["tabular"]
    assert reading.recipe is not None
    recipe = get_recipe(reading.recipe)
    warm_up(space, reading)
    rows = []
    for name in tqdm(TASKS, desc="costs", disable=None):
        task = published_task(name)
        full = np.median([seconds(partial(train, task, p, space=space)) for p in points])
        networks: dict[str, Any] = {}

        def learn(probe: str, point: Any, task: Any = task, networks: Any = networks) -> None:
            trained = train(
                task, point, space=space, epochs=reading.epochs,
                schedule_epochs=reading.schedule_epochs,
            )  # fmt: skip
            networks[probe] = (HiddenLayers(trained.network), probe, reading.epochs)

        def layers_of(probes: Probes, task: Any = task, networks: Any = networks) -> float:
            return seconds(
                lambda: profile_networks([networks[p] for p in probes], task, recipe=recipe)
            )

        cost = {}
        for number, point in enumerate(points):
            probe = f"a{number:03d}"
            trained = seconds(partial(learn, probe, point))
            cost[probe] = {"training": trained / full, "layers": layers_of((probe,)) / full}
        alone = sum(cost[probe]["layers"] for probe in FORMER)
        shared = (alone - layers_of(FORMER) / full) / (len(FORMER) - 1)
        rows += [{"architecture": p, "shared": shared, **values} for p, values in cost.items()]
    return pd.DataFrame(rows).groupby("architecture").mean().reset_index()


class Costs:
    """What sets of probes cost, in full trainings of the median network.

    Args:
        table: as `measure` gives it.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table.set_index("architecture")

    def __call__(self, probes: Probes) -> float:
        """Training the probes, and measuring their layers in one call."""
        alone = self.table.loc[list(probes), ["training", "layers"]].to_numpy().sum()
        return float(alone - max(0, len(probes) - 1) * self.table["shared"].iloc[0])


class Choice:
    """Scores of sets of probes on held-out tasks.

    Args:
        meta: the published rows of `tabular`.
    """

    def __init__(self, meta: MetaDataset) -> None:
        networks = sorted(meta.points())
        own = meta.layers[meta.layers["seed"] == 0]
        curves = meta.curves[meta.curves["seed"] == 0]
        every = replace(
            meta, profiles=own[list(meta.profiles.columns)].reset_index(drop=True),
            probe_curves=curves.reset_index(drop=True),
        )  # fmt: skip
        self.networks: Sequence[str] = networks
        self.some, self.y = ranked(meta)
        groups = data.feature_groups(every)
        names = list(self.some.tasks["task"])
        self.table = pd.concat([g.loc[names] for g in groups.values()], axis=1)
        of = [next((n for n in str(c).split("/") if n in set(networks)), "") for c in self.table]
        self.of = np.array(of)  # the network that a column is of, "" for the task's own
        self.group = np.array([str(c).split("/")[0] for c in self.table])
        self._products: dict[str, Products] = {}
        self.weights = family_weights(self.some.tasks, REAL_WEIGHT)
        self.real = (self.some.tasks["kind"] == "real").to_numpy()
        self.splits = splits_of(self.some.tasks)

    def _learned(self, split: str) -> Products:
        """Of a split: the features' Gram matrix, their products with the outputs, features of
        held-out tasks, all centred and without groups' scales; the outputs' mean."""
        if split not in self._products:
            train, held_out = self.splits[split]
            w = self.weights[train] / self.weights[train].sum()
            standard = Standardizer.fit(self.table.iloc[train])
            ones = replace(standard, names=tuple(f"{i}/" for i in range(len(standard.names))))
            x, new = (
                ones.transform(self.table.iloc[rows].set_axis(list(ones.names), axis=1))
                for rows in (train, held_out)
            )
            middle, mean = w @ x, w @ self.y[train]
            x, new, y = x - middle, new - middle, self.y[train] - mean
            self._products[split] = (x.T * w) @ x, (x.T * w) @ y, new, mean
        return self._products[split]

    def _predicted(self, split: str, probes: Probes) -> np.ndarray:
        """Of held-out tasks, (tasks, points): ridge regression, as `_disagreement_models.ridge`,
        from products that all sets of probes share."""
        gram, with_y, new, mean = self._learned(split)
        read = np.flatnonzero(np.isin(self.of, ("", *probes)))
        sizes = dict(zip(*np.unique(self.group[read], return_counts=True), strict=True))
        scale = 1.0 / np.sqrt([sizes[g] for g in self.group[read]])
        scaled = gram[np.ix_(read, read)] * np.outer(scale, scale)
        scaled[np.diag_indices_from(scaled)] += PENALTY
        weights = np.linalg.solve(scaled, with_y[read] * scale[:, None])
        return np.asarray(mean + (new[:, read] * scale) @ weights)

    def scores(self, probes: Probes | None, splits: Iterable[str]) -> pd.DataFrame:
        """Of each held-out task tau and regret, with all inputs; None: of the static ranking."""
        rows = []
        for split in splits:
            train, held_out = self.splits[split]
            known = train[self.real[train]]
            static = np.average(self.y[known], axis=0, weights=self.weights[known])
            predicted = np.repeat(static[None], len(held_out), axis=0)
            if probes is not None:
                predicted = self._predicted(split, probes)
            truth = self.some.mean[held_out]
            best, middle = truth.max(axis=1), np.median(truth, axis=1)
            first = truth[np.arange(len(held_out)), predicted.argmax(axis=1)]
            rows.append(pd.DataFrame({
                "split": split, "number": held_out, "tau": spaces.taus(predicted, truth),
                "regret": (best - first) / (best - middle),
                "family": self.some.tasks["family"].to_numpy()[held_out],
            }))  # fmt: skip
        return pd.concat(rows, ignore_index=True)

    @property
    def folds(self) -> list[str]:
        """Splits that choose."""
        return [split for split in self.splits if split != "test"]


Known = dict[Probes, pd.DataFrame]
"""Sets of probes -> their scores on the folds."""


def search(choice: Choice, cost: Costs, budget: float, known: Known) -> Known:
    """Scores of the sets within a budget that were looked at; `known` ones are not run again."""
    looked_at: Known = {}
    sets: set[Probes] = {(n,) for n in choice.networks}
    for size in SIZES:
        if size == 2:
            sets = set(combinations(sorted(choice.networks), 2))
        elif size > 2:
            # Those of the last size that another network fits beside.
            more = {s: [t for n in choice.networks if n not in s
                        and cost(t := tuple(sorted({*s, n}))) <= budget]
                    for s in looked_at if len(s) == size - 1}  # fmt: skip
            last = sorted((s for s in more if more[s]), key=lambda s: -looked_at[s]["tau"].mean())
            sets = {t for s in last[:GROWN] for t in more[s]}
        for probes in tqdm(sorted(sets), desc=f"{size} probes", disable=None):
            if cost(probes) <= budget:
                if probes not in known:
                    known[probes] = choice.scores(probes, choice.folds)
                looked_at[probes] = known[probes]
    return looked_at


def shown(values: pd.Series, families: pd.Series, sign: str = "") -> str:
    """Mean over tasks with its interval over families."""
    low, high = bootstrap_interval(values, families=list(families))
    return f"{values.mean():{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def row_of(
    scores: pd.DataFrame, reference: pd.DataFrame, about: dict[str, Any], price: float | None
) -> dict[str, Any]:
    """A row of a table: means, and differences to the reference on the same tasks."""
    row = dict(about)
    row["cost"] = "–" if price is None else f"{price:.2f}"
    for metric in ("tau", "regret"):
        row[metric] = shown(scores[metric], scores["family"])
        gain = scores[metric] - reference[metric]
        if gain.abs().max() == 0:
            row[f"{metric}, against the former four"] = "–"
            continue
        p = wilcoxon(scores[metric], reference[metric], families=list(scores["family"]))
        difference = shown(gain, scores["family"], "+")
        row[f"{metric}, against the former four"] = f"{difference}, p {p:.2g}"
    return row


def chosen_elsewhere(known: Known, size: int) -> pd.DataFrame:
    """On each fold the scores of the set of that size which is best on the other folds."""
    sets = [s for s in known if len(s) == size]
    taus = np.stack([known[s]["tau"] for s in sets])  # (sets, held-out tasks)
    split = known[sets[0]]["split"].to_numpy()
    parts = []
    for fold in dict.fromkeys(split):
        best = sets[int(taus[:, split != fold].mean(axis=1).argmax())]
        parts.append(known[best][split == fold])
    return pd.concat(parts)


def best_sets(known: Known, size: int, n: int) -> list[Probes]:
    """The first so many of a size."""
    sets = [s for s in known if len(s) == size]
    return sorted(sets, key=lambda s: -known[s]["tau"].mean())[:n]


def of_choice(choice: Choice, cost: Costs) -> str:
    """Part 2: a table by the number of probes, and the best sets."""
    known: Known = {}
    reference = choice.scores(FORMER, choice.folds)
    static, nothing = (choice.scores(probes, choice.folds) for probes in (None, ()))
    rows = [
        row_of(static, reference, {"probes": "static ranking"}, None),
        row_of(nothing, reference, {"probes": "none: meta-features and inputs"}, 0.0),
    ]
    for budget in (BUDGET, np.inf):
        sets = search(choice, cost, budget, known)
        within = "" if budget == BUDGET else ", at any price"
        for size in sorted({len(s) for s in sets}):
            elsewhere = chosen_elsewhere(sets, size)
            about = {"probes": f"{size}{within}, chosen elsewhere"}
            rows.append(row_of(elsewhere, reference, about, None))
            for probes in best_sets(sets, size, SHOWN):
                about = {"probes": f"{size}{within}: {', '.join(probes)}"}
                rows.append(row_of(sets[probes], reference, about, cost(probes)))
    about = {"probes": f"4, the former: {', '.join(FORMER)}"}
    rows.append(row_of(reference, reference, about, cost(FORMER)))
    frame = pd.DataFrame([
        {"probes": " ".join(s), "size": len(s), "cost": cost(s),
         "tau": scores["tau"].mean(), "regret": scores["regret"].mean()}
        for s, scores in known.items()
    ])  # fmt: skip
    frame.round(4).sort_values(["size", "tau"], ascending=[True, False]).to_csv(ROWS, index=False)
    n, families = len(reference), reference["family"].nunique()
    of_size = frame[frame["cost"] <= BUDGET].groupby("size").size()
    numbers = ", ".join(f"{count} of {size}" for size, count in of_size.items())
    head = f"{n} tasks of {families} families; sets within the budget: {numbers}."
    return f"{head}\n\n{markdown(rows)}\n"


def of_check(choice: Choice, cost: Costs) -> str:
    """Part 3: the probes as they are, and no probes, on the test families and on all."""
    text = []
    for title, splits in (("Test", ["test"]), ("All real", list(choice.splits))):
        reference = choice.scores(FORMER, splits)
        static = choice.scores(None, splits)
        rows = [row_of(static, reference, {"probes": "static ranking"}, None)]
        sets: dict[str, Probes] = {
            "none: meta-features and inputs": (), "now": tuple(TABULAR_PROBES), "former": FORMER,
        }  # fmt: skip
        for name, probes in sets.items():
            about = {"probes": f"{name}: {', '.join(probes)}" if probes else name}
            rows.append(row_of(choice.scores(probes, splits), reference, about, cost(probes)))
        n, families = len(reference), reference["family"].nunique()
        text.append(f"### {title}: {n} tasks of {families} families\n\n{markdown(rows)}\n")
    return "\n".join(text)


def of_costs(cost: pd.DataFrame) -> str:
    """Part 1: the cheapest networks of the design, and the former probes."""
    together = cost.assign(together=cost["training"] + cost["layers"])
    together = together.sort_values("together")
    cheap = together["together"] <= together["together"].nsmallest(12).max()
    probes = together["architecture"].isin([*FORMER, *TABULAR_PROBES])
    return markdown(together[cheap | probes].to_dict("records")) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=TITLES, default=[*TITLES])
    options = parser.parse_args()
    threads(1)
    if "costs" in options.parts:
        write(COSTS, measure().round(4).to_csv(index=False))
    costs = pd.read_csv(COSTS)
    cost = Costs(costs)
    choice = Choice(load_metadataset("tabular"))
    sections = {
        "costs": lambda: of_costs(costs),
        "choice": lambda: of_choice(choice, cost),
        "check": lambda: of_check(choice, cost),
    }
    head = (
        "# Which networks a task of the space `tabular` is read by\n\n"
        "`python benchmarks/predictors/probe_choice.py`; what the tables are is in the script's "
        f"head. Costs in full trainings of the median network, 1 thread, {machine()}.\n"
    )
    for part in dict.fromkeys(["costs", *options.parts]):
        section = sections[part]()
        print(f"\n## {TITLES[part]}\n\n{section}", flush=True)
        write_sections(RESULT, head, TITLES, {part: section})


if __name__ == "__main__":
    main()
