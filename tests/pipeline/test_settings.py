"""What the stages ask of numerical libraries before these load."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from infoprior.parallel import _worker

X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.mark.skipif(not X86, reason="the settings name instructions of x86 processors")
def test_stages_set_all_that_results_depend_on_and_keep_what_is_set() -> None:
    code = "import os, pipeline.common, json; print(json.dumps(dict(os.environ)))"
    bare = {n: v for n, v in os.environ.items() if n not in _worker.SETTINGS}
    child = subprocess.run(
        [sys.executable, "-c", f"{code}; import numpy as np; print(np.exp(1.0))"],
        env=bare | {"OMP_NUM_THREADS": "2"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    settings = json.loads(child.stdout.splitlines()[0])
    assert set(_worker.SETTINGS) <= settings.keys()
    assert settings["OMP_NUM_THREADS"] == "2"
    assert settings["NUMBA_CPU_FEATURES"] == ""  # those of NUMBA_CPU_NAME
    assert child.stderr == ""  # NumPy takes the names of features that it does not know
