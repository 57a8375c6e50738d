"""Threads of matrix products, from several Python threads too."""

from threading import Event, Thread

import scipy.linalg  # noqa: F401  (its BLAS has to be there before it is limited)
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from infoprior.training import use_threads


def blas() -> set[int]:
    """Threads of the libraries that NumPy and SciPy brought."""
    # PyTorch's own (MKL) follows torch.set_num_threads, and is tested by its number.
    found = [lib for lib in threadpool_info() if lib["internal_api"] == "openblas"]
    return {lib["num_threads"] for lib in found}


def test_blas_and_pytorch_obey_and_go_back():
    before = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        with use_threads(1):
            assert blas() == {1}
            assert torch.get_num_threads() == 1
        assert blas() == {2}
    assert torch.get_num_threads() == before
    with use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_thread_that_leaves_does_not_free_the_others():
    inside, leave = Event(), Event()

    def other() -> None:
        with use_threads(1):
            inside.set()
            leave.wait()

    with threadpool_limits(2, user_api="blas"):
        thread = Thread(target=other)
        thread.start()
        inside.wait()
        with use_threads(1):
            leave.set()
            thread.join()
            assert blas() == {1}
        assert blas() == {2}
