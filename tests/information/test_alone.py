"""The room by itself: no pandas, no networks, and nothing heavy until it is asked for."""

from __future__ import annotations

import subprocess
import sys


def test_imports_go_down_and_wait() -> None:
    program = (
        "import sys, infoprior.information as i; assert 'torch' not in sys.modules;"
        "i.estimate; others = [m for m in sys.modules if m.startswith('infoprior.') "
        "and not m.startswith(('infoprior.information', 'infoprior._'))];"
        "assert not others, others; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pytorch_is_all_that_an_estimate_needs() -> None:
    program = (
        "import sys; missing = ('threadpoolctl', 'tqdm', 'scipy', 'pandas', 'sklearn', 'numba');"
        "sys.modules.update(dict.fromkeys(missing));"
        "import numpy as np; from infoprior.information import estimate;"
        "x = np.random.default_rng(0).normal(size=(60, 2)); estimate(x, x[:, 0] > 0, 'lda')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
