"""How many threads PyTorch and matrix products use, for the length of a block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from infoprior._ambient import ProcessSettings
from infoprior._arguments import whole_number

_BRINGING = ("numpy", "torch", "scipy.linalg", "sklearn")
"""Packages that load libraries with threads of their own."""

_blas = ProcessSettings()


@lru_cache(maxsize=len(_BRINGING) + 1)
def _libraries(loaded: frozenset[str]) -> Any:
    """BLAS and OpenMP libraries of this process. Looking for them takes milliseconds."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # estimates of information need nothing but PyTorch
        return None
    return ThreadpoolController()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Let PyTorch, BLAS and OpenMP use n threads inside the block, and as many as before after it.

    More than one pays on a machine that has nothing else to do. Where other programs compute too,
    threads wait for each other, and a call takes many times the seconds that it computes.

    The numbers of PyTorch and OpenMP are the calling thread's own, that of BLAS the whole process':
    of blocks that are open in several Python threads at once, the latest decides.

    Args:
        n: from 1 on.

    Raises:
        ValueError: n is no whole number from 1 on.
    """
    n = whole_number(n, "threads", least=1)
    libraries = _libraries(frozenset(name for name in _BRINGING if name in sys.modules))
    torch = import_module("torch") if "torch" in sys.modules else None
    with ExitStack() as stack:
        # First, and so put back last: PyTorch's BLAS and OpenMP are among the libraries.
        if torch is not None:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
        if libraries is not None:
            stack.enter_context(libraries.limit(limits=n, user_api="openmp"))
            stack.enter_context(_blas.put_aside(lambda: _limit_blas(libraries, n)))
        if torch is not None:
            torch.set_num_threads(n)
        yield


def _limit_blas(libraries: Any, n: int) -> Callable[[], None]:
    restore: Callable[[], None] = libraries.limit(limits=n, user_api="blas").restore_original_limits
    return restore
