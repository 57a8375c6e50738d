"""The room by itself: no pandas, no networks, and nothing heavy until it is asked for."""

from __future__ import annotations

import subprocess
import sys


def test_imports_go_down_and_wait() -> None:
    program = (
        "import sys, infoprior.information as i; assert 'torch' not in sys.modules;"
        "i.estimate; others = [m for m in sys.modules if m.startswith('infoprior.') "
        "and not m.startswith('infoprior.information') and m != 'infoprior._face'];"
        "assert not others, others; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
