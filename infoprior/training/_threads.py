"""Threads of PyTorch and of matrix products for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

_lock = Lock()
_inside: list[Any] = []  # blocks that are open, and what puts back what was before the first


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    # Looking for them takes milliseconds: once, when SciPy's, which compiled code calls, is there.
    import scipy.linalg  # noqa: F401  (loaded for its BLAS)

    return ThreadpoolController()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Let PyTorch and BLAS use n threads inside the block, and as many as before after it.

    PyTorch's number is the calling thread's own, that of BLAS the whole process': of blocks that
    are open in several Python threads at once, the latest says, and the last one to end puts back
    what was before the first.
    """
    before = torch.get_num_threads()
    with _lock:
        limit = _libraries().limit(limits=n, user_api="blas")
        _inside.append(limit if not _inside else _inside[0])
    torch.set_num_threads(n)
    try:
        yield
    finally:
        with _lock:
            first = _inside.pop()
            if not _inside:
                first.restore_original_limits()
        # Last: where PyTorch's BLAS is among the libraries, its number is PyTorch's too.
        torch.set_num_threads(before)
