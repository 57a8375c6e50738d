"""No digit of a user's values is lost before something is estimated from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from infoprior.information import METHODS, InformationError, entropy, estimate
from infoprior.information import without_rounding_noise as cleaned
from tests.information.common import options

RNG = np.random.default_rng(0)
N = 120
STEPS = RNG.integers(0, 1_000_000, (N, 2))
Y = STEPS @ np.array([[1.0, 0.5], [-0.5, 1.0]]) + RNG.normal(size=(N, 2)) * 2e5
LABELS = (STEPS[:, 0] > 500_000).astype(int)

# The same numbers, told apart in the last digits only.
SHIFTED: dict[str, Any] = {
    "nanoseconds, int64": STEPS + 1_700_000_000_000_000_000,
    "beyond 2^63, uint64": STEPS.astype(np.uint64) + np.uint64(2**63 + 2**62),
    "far from zero, float64": STEPS + 1e13,
    "extended precision": STEPS.astype(np.longdouble) + np.longdouble(2) ** 62,
    "a frame": pd.DataFrame({"ns": STEPS[:, 0] + 2**60, "float": STEPS[:, 1] * 1.0}),
    "nullable": pd.DataFrame(STEPS + 2**60).astype("Int64"),
    "scalars": [[int(v) + 2**60 for v in row] for row in STEPS],
}


@pytest.mark.parametrize("values", SHIFTED.values(), ids=[*SHIFTED])
def test_a_shift_changes_nothing(values: Any) -> None:
    plain = estimate(STEPS * 1.0, Y, "copula").nats
    assert plain > 0.5
    shifted = estimate(values, Y, "copula")
    assert shifted.nats == pytest.approx(plain, abs=1e-9)
    assert shifted.flags == ()
    assert estimate(Y, values, "copula", discrete_y=False).nats == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "conv-probe"])
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_no_method_rounds_what_lies_far_from_zero(method: str) -> None:
    more: dict[str, Any] = options(method)
    y: Any = Y
    if METHODS[method].y == "labels":
        y, more = LABELS, more | {"discrete_y": True}
    plain = estimate(STEPS * 1.0, y, method, **more).nats
    far = STEPS + 1_700_000_000_000_000_000
    assert estimate(far, y, method, **more).nats == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float32]
)
def test_values_that_a_coarse_dtype_holds_count_and_are_flagged(dtype: torch.dtype) -> None:
    """One bit, written into the last place of a number near 1."""
    bit = torch.tensor(LABELS)
    x = (1.0 + torch.finfo(dtype).eps * bit.double()).to(dtype)
    answer = estimate(x, LABELS, "binning", discrete_y=True)
    assert answer.nats == pytest.approx(entropy(LABELS), abs=0.02)
    assert "rounding" in answer.flags
    beside = torch.stack([x.double(), torch.tensor(Y[:, 0])], dim=1)
    assert "rounding" not in estimate(beside, LABELS, "lda").flags  # float64 has digits to spare


def test_one_coarse_column_among_others_is_flagged_and_so_are_layers_of_a_stack() -> None:
    year = RNG.integers(1995, 2021, N)
    late = (year > 2008).astype(int)
    coarse = np.column_stack([year, RNG.normal(size=N)]).astype(np.float16)
    fine = RNG.normal(size=(N, 2)).astype(np.float32)
    answer = estimate([coarse, fine], late, "lda")
    assert ["rounding" in flags for flags in answer.flags] == [True, False]
    assert answer.nats[0] > 0.3


def test_whole_numbers_too_far_apart_for_float64_are_flagged() -> None:
    x = np.array([-(2**62), *(2**62 + np.arange(N - 1))])
    assert "rounding" in estimate(x, Y, "copula").flags


def test_labels_are_told_apart_whatever_their_size() -> None:
    big = LABELS.astype(np.uint64) + np.uint64(2**64 - 2)
    for labels in (big, LABELS + 2**62, torch.tensor(LABELS) + 2**62, pd.Series(LABELS + 2**60)):
        assert entropy(labels) == pytest.approx(entropy(LABELS))
        assert estimate(Y, labels, "lda").nats == estimate(Y, LABELS, "lda").nats


def test_rounding_noise_of_a_computed_unit_is_taken_away_and_nothing_else() -> None:
    unit = np.float32(0.3) + np.float32(3e-8) * RNG.integers(-4, 4, (50, 1)).astype(np.float32)
    layer = np.hstack([unit, RNG.normal(size=(50, 2)).astype(np.float32)])
    assert len(np.unique(layer[:, 0])) > 1
    np.testing.assert_array_equal(cleaned(layer)[:, 0], 0.0)
    np.testing.assert_array_equal(cleaned(layer)[:, 1:], layer[:, 1:])
    assert cleaned(layer).dtype == np.float32


REFUSED: dict[str, Any] = {
    "sparse tensor": torch.tensor(Y).to_sparse(),
    "masked array": np.ma.masked_array(Y, mask=Y > 0),
    "meta": torch.empty(N, 2, device="meta"),
    "ragged": [[1.0, 2.0], [3.0]],
    "text": np.array(["a", "b"] * (N // 2)),
    "dates": pd.Series(pd.date_range("2020-01-01", periods=N)),
    "missing": pd.DataFrame({"a": pd.array([None, *range(N - 1)], dtype="Int64")}),
    "beyond 64 bits": [10**30 + i for i in range(N)],
    "nothing": None,
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=[*REFUSED])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_what_holds_no_readable_numbers_is_refused_by_name(values: Any) -> None:
    with pytest.raises(InformationError, match=r"^x"):
        estimate(values, LABELS)
    with pytest.raises(InformationError, match=r"^y"):
        estimate(Y, values, discrete_y=False)


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    masked = np.ma.masked_array(Y, mask=np.zeros_like(Y, dtype=bool))
    assert estimate(masked, LABELS, "lda").nats == estimate(Y, LABELS, "lda").nats


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [("t-copula", "nu", "10"), ("t-copula", "ridge", None), ("noisy", "sigma", "1"),
     ("noisy", "relative", None), ("noisy", "sigma", True), ("mine", "ranks", "yes"),
     ("ksg", "ranks", 1.5), ("binning", "miller_madow", None), ("mine", "base", 1)],
)  # fmt: skip
def test_options_of_another_type_are_refused_by_name(method: str, option: str, value: Any) -> None:
    with pytest.raises(InformationError, match=rf"^{option} is"):
        estimate(Y, Y, method, **{option: value})


def test_whether_y_is_discrete_is_true_false_or_none() -> None:
    with pytest.raises(InformationError, match=r"^discrete_y is 'yes'"):
        estimate(Y, LABELS, discrete_y="yes")  # type: ignore[arg-type]
