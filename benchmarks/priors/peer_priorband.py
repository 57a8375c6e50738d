"""PriorBand from NePS on a recorded table; runs in the peers' environment (make bench-peers).

    .venv-peers/neps/bin/python benchmarks/priors/peer_priorband.py job.npz answers.json [--check]

NePS' `priorband` (Mallik et al., NeurIPS 2023) with Hyperband as its base, by its ask-and-tell
class. The file holds the recorded points encoded (`features`), their validation accuracy
(`observed`, shape (n, rungs)) and `job`, a JSON text: space, rungs, budgets, seeds, `mode`, the
point that NePS takes as its prior (null: no prior), and `confidence`, how closely: NePS draws
numbers from normal distributions whose standard deviation is half ("medium") or a quarter ("high")
of the range. The answer is, for each seed, the incumbents at the budgets. An evaluation that goes
on from a lower rung is charged its new epochs only, and one that starts at a higher rung passes the
lower ones on its way.

On a table with one rung there are no fidelities. NePS wants one; it gets 1 to 27 epochs of which
only the most conservative of Hyperband's brackets is run, over and over: four full trainings. There
NePS 0.17 would divide zero by zero before a rung has eta trials (its test for that compares numpy's
booleans by `is False`, which never holds); it is told of no trials until one has, which is what
that test is for.

NePS sets its brackets up from all trials at every question, which is most of its time. Here only
the cycle that is under way is set up, with NePS' own classes; --check asks both ways and compares.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import neps
import numpy as np
import pandas as pd
import torch
from neps.optimizers.priorband import PriorBandSampler
from neps.optimizers.utils.brackets import Hyperband, Rung, Sync, calculate_hb_bracket_layouts

from benchmarks.priors._trace import Encoder, Event, Nearest, incumbents

FULL, ETA = 27, 3


def space_of(
    axes: list[dict[str, Any]], mode: dict[str, Any] | None, confidence: str, first: int
) -> Any:
    """NePS' search space: the table's parameters and the epochs."""
    elements: dict[str, Any] = {}
    for axis in axes:
        name = axis["name"]
        belief = {} if mode is None else {"prior": mode[name], "prior_confidence": confidence}
        if "choices" in axis:
            elements[name] = neps.HPOCategorical(axis["choices"], **belief)
        else:
            kind = neps.HPOInteger if axis["integer"] else neps.HPOFloat
            elements[name] = kind(axis["low"], axis["high"], log=axis["log"], **belief)
    elements["epochs"] = neps.HPOInteger(first, FULL, is_fidelity=True)
    return neps.SearchSpace(elements)


def current_cycle(table: pd.DataFrame, layouts: list[dict[int, int]]) -> list[Hyperband]:
    """What `Hyperband.create_repeating` gives, without the cycles that are done.

    Trials go to the brackets in the order of their ids, by the rung they started at.
    """
    ids = table.index.get_level_values("id").to_numpy()
    rungs = table.index.get_level_values("rung").to_numpy()
    unique, first = np.unique(ids, return_index=True)  # sorted by id and rung
    start = rungs[first]
    cycle = np.zeros(len(unique), dtype=int)
    for layout in layouts:
        bottom = min(layout)
        here = np.flatnonzero(start == bottom)
        cycle[here] = np.arange(len(here)) // layout[bottom]
    size = sum(sum(layout.values()) for layout in layouts)
    rows_of = cycle[np.searchsorted(unique, ids)]
    done = 0
    while np.count_nonzero(rows_of == done) == size:
        done += 1
    brackets = []
    for layout in layouts:
        members = unique[(cycle == done) & (start == min(layout))]
        mine = np.isin(ids, members)
        parts = [
            Rung(value=r, capacity=k, table=table[mine & (rungs == r)]) for r, k in layout.items()
        ]
        brackets.append(Sync(rungs=parts))
    return [Hyperband(sh_brackets=brackets)]


class Patient(PriorBandSampler):
    """PriorBand's sampler, which learns of trials when a rung has eta of them."""

    def sample_config(self, table: pd.DataFrame, rung: int) -> dict[str, Any]:
        trials = table[table["perf"].notna()].groupby("rung").size()
        return super().sample_config(table if (trials >= self.eta).any() else table.iloc[:0], rung)


def optimizer(job: dict[str, Any], quick: bool) -> Any:
    """NePS' PriorBand for a job."""
    space = space_of(job["space"], job["mode"], job["confidence"], 1)
    found = neps.algorithms.priorband(space, eta=ETA)
    _, layouts = calculate_hb_bracket_layouts((1, FULL), ETA)
    found.sampler = Patient(**vars(found.sampler))
    if len(job["rungs"]) == 1:
        layouts = layouts[-1:]
        found.create_brackets = partial(Hyperband.create_repeating, bracket_layouts=layouts)
    if quick:
        found.create_brackets = partial(current_cycle, layouts=layouts)
    return found


def search(
    job: dict[str, Any], nearest: Nearest, observed: np.ndarray, seed: int, quick: bool = True
) -> list[Event]:
    """The events of one search."""
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the package draws from the global states
    torch.manual_seed(seed)
    asked = neps.AskAndTell(optimizer(job, quick))
    full = job["rungs"][-1]
    limit, spent = job["budgets"][-1] * full, 0
    rows: dict[str, int] = {}
    reached: dict[str, int] = {}
    events: list[Event] = []
    while spent < limit:
        trial = asked.ask()
        name = trial.metadata.id.split("_")[0]
        if name not in rows:
            rows[name] = nearest({k: v for k, v in trial.config.items() if k != "epochs"})
        row, epochs = rows[name], min(int(trial.config["epochs"]), full)
        for rung, level in enumerate(job["rungs"]):
            if reached.get(name, 0) < level <= epochs:
                spent += level - reached.get(name, 0)
                reached[name] = level
                events.append((spent, rung, float(observed[row, rung]), row))
        asked.tell(trial.metadata.id, 1.0 - events[-1][2])
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job")
    parser.add_argument("answers")
    parser.add_argument("--check", action="store_true", help="also ask NePS' own way and compare")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("neps").setLevel(logging.ERROR)
    with np.load(options.job) as arrays:
        job = json.loads(str(arrays["job"]))
        features, observed = arrays["features"], arrays["observed"]
    nearest = Nearest(Encoder(job["space"]), features)
    found = []
    for seed in job["seeds"]:
        events = search(job, nearest, observed, seed)
        if options.check and events != search(job, nearest, observed, seed, quick=False):
            raise SystemExit(f"seed {seed}: the quick way asks for other points than NePS does.")
        found.append(incumbents(events, job["rungs"][-1], job["budgets"]))
    Path(options.answers).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
