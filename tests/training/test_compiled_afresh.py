"""The process that compiles the trainer trains as those that load what it compiled."""

import os
import subprocess
import sys

import pytest

TRAIN = """
import hashlib, itertools, sys, torch
from infoprior.spaces._mlp import ACTIVATIONS, MLP, NORMALIZATIONS
from infoprior.training._engines.compiled import CompiledMLP

generator = torch.Generator().manual_seed(0)
x, y = torch.randn(90, 7, generator=generator), torch.randint(0, 4, (90,), generator=generator)
digest = hashlib.sha256()
kinds = sorted(ACTIVATIONS), sorted(NORMALIZATIONS), (0.0, 0.3), (False, True)
for kind in itertools.product(*kinds):
    network = CompiledMLP(MLP(7, 4, (24, 24, 9), *kind, 3), 0.01, 0.1, 32)
    if sys.argv[1] == "looks first":
        network.logits(x)
    network.epoch(x, y, [(0, 32), (32, 64), (64, 90)])
    digest.update(network.values.numpy().tobytes() + network.logits(x).numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow  # compiles the trainer anew: half a minute
def test_compiling_and_loading_give_the_same_networks(tmp_path):
    def trained(how):
        return subprocess.run(
            [sys.executable, "-c", TRAIN, how],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    first = trained("trains first")
    assert any(tmp_path.rglob("*.nbc")), "nothing was kept: both processes would compile"
    assert trained("trains first") == first
    assert trained("looks first") == first
