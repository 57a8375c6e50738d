"""What several tests of the room share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from infoprior.information._neural.crossfit import Fits

QUICK: dict[str, Any] = {"steps": 10, "hidden": 8, "folds": 3}
TRAINED = ["hybrid", "mine", "nwj", "infonce", "smile", "hybrid-labels", "enumerated", "mlp-probe",
           "linear-probe"]  # fmt: skip
NO_GPU = not torch.cuda.is_available()
needs_cuda = pytest.mark.skipif(NO_GPU, reason="compares CUDA with the CPU: needs a CUDA GPU")


def assert_only_tested_rows_differ(before: Fits, after: Fits) -> None:
    """The first fold was trained and stopped alike, and tested on rows that were spoilt."""
    for name in ("train", "validation", "step"):
        assert float(getattr(before, name)[0, 0]) == pytest.approx(
            float(getattr(after, name)[0, 0]), abs=1e-5
        )
    assert after.test[0, 0] < before.test[0, 0] - 0.3


def options(method: str) -> dict[str, Any]:
    quick: dict[str, Any] = QUICK if method in TRAINED else {}
    return quick | ({"hidden": 0} if method == "linear-probe" else {})
