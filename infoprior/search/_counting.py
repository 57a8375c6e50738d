"""Multiply-adds, counted by PyTorch: what searches charge, so that no clock decides anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

ROWS = 2
"""Rows to count on: counts grow in proportion, and one row has no batch statistics."""


def multiply_adds(call: Callable[[], Any]) -> tuple[float, dict[str, float]]:
    """Multiply-adds of a call on `ROWS` rows for each row: in all, and by path of the module.

    Matrix products and convolutions are counted; what is done element by element is not.
    """
    from torch.utils.flop_counter import FlopCounterMode

    # Operations may draw: what is counted leaves later draws as they are.
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
        call()
    each = 2.0 * ROWS  # a multiply-add is two operations
    modules = {
        name.partition(".")[2]: sum(operations.values()) / each
        for name, operations in counter.get_flop_counts().items()
    }
    return counter.get_total_flops() / each, modules
