"""Threads of matrix products for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    # Looking for them takes milliseconds: once, when SciPy's, which compiled code calls, is there.
    import scipy.linalg  # noqa: F401  (loaded for its BLAS)

    return ThreadpoolController()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Let PyTorch and BLAS use n threads inside the block, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with _libraries().limit(limits=n, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
