"""The process that compiles the trainer trains as those that load what it compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import infoprior

TRAIN = """
import hashlib, itertools, sys, torch
from infoprior.spaces._mlp import ACTIVATIONS, MLP, NORMALIZATIONS
from infoprior.training._engines.compiled import CompiledMLP

generator = torch.Generator().manual_seed(0)
x, y = torch.randn(90, 7, generator=generator), torch.randint(0, 4, (90,), generator=generator)
digest = hashlib.sha256()
kinds = sorted(ACTIVATIONS), sorted(NORMALIZATIONS), (0.0, 0.3), (False, True)
for *kind, scale, smoothing in itertools.product(*kinds, (False, True), (0.0, 0.1)):
    network = MLP(7, 4, (24, 24, 9), *kind, 3, feature_scale=scale)
    network = CompiledMLP(network, 0.01, 0.1, 32, smoothing)
    if sys.argv[1] == "looks first":
        network.logits(x)
    network.epoch(x, y, [(0, 32), (32, 64), (64, 90)])
    digest.update(network.parameters.numpy().tobytes() + network.logits(x).numpy().tobytes())
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


RELU = """
import torch
from infoprior.spaces._mlp import MLP
from infoprior.training._engines.compiled import CompiledMLP

network = MLP(1, 2, (1,), "relu")
with torch.no_grad():
    for parameter in network.parameters():
        parameter.fill_(1.0)
print(CompiledMLP(network, 0.01, 0.1, 32).logits(torch.ones(1, 1)).tolist())
"""


@pytest.mark.slow  # compiles the trainer anew, twice
def test_code_that_is_kept_is_not_run_after_a_change_of_any_file_that_it_is_made_of(tmp_path):
    copy = tmp_path / "infoprior"
    shutil.copytree(
        Path(infoprior.__file__).parent,
        copy,
        ignore=shutil.ignore_patterns("__pycache__", "shipped"),
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
        "PYTHONPATH": str(tmp_path),
    }

    def logits():
        return subprocess.run(
            [sys.executable, "-c", RELU], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    assert logits() == "[[3.0, 3.0]]"
    file = copy / "training" / "_engines" / "activations.py"
    file.write_text(
        file.read_text().replace("if h[i] <= ZERO else h[i]", "if h[i] <= ZERO else ONE")
    )
    assert logits() == "[[2.0, 2.0]]"
