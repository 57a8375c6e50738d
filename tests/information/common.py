"""What several tests of the room share."""

from __future__ import annotations

import pytest
import torch

from infoprior.information._crossfit import Fits

# Without a GPU there is nothing to compare with the CPU, on which every other test runs.
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="compares CUDA with the CPU: needs a CUDA GPU"
)


def assert_only_tested_rows_differ(before: Fits, after: Fits) -> None:
    """The first fold was trained and stopped alike, and tested on rows that were spoilt."""
    for name in ("train", "validation", "step"):
        assert float(getattr(before, name)[0, 0]) == pytest.approx(
            float(getattr(after, name)[0, 0]), abs=1e-5
        )
    assert after.test[0, 0] < before.test[0, 0] - 0.3
