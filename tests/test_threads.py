"""Threads of matrix products, from several Python threads too."""

from threading import Event, Thread

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its BLAS has to be there before it is limited)
import torch
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from infoprior import get_space, profile, suggest
from infoprior.information import InformationError, estimate
from infoprior.predictors import make_predictor
from infoprior.profiles import PROBES, ProfileError, Recipe, profile_network
from infoprior.tasks import load_task, metafeatures
from infoprior.training import TrainingError, train, use_threads
from tests.factories import make_metadataset


def blas() -> set[int]:
    """Threads of the libraries that NumPy and SciPy brought."""
    # PyTorch's own (MKL) follows torch.set_num_threads, and is tested by its number.
    libraries = [lib for lib in threadpool_info() if lib["internal_api"] == "openblas"]
    return {lib["num_threads"] for lib in libraries}


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


def test_blocks_within_blocks_put_back_what_was_before_each():
    with threadpool_limits(3, user_api="blas"):
        with use_threads(2):
            with use_threads(1):
                assert blas() == {1}
            assert blas() == {2}
        assert blas() == {3}


@pytest.mark.parametrize("call", ["estimate", "profile", "train", "metafeatures", "suggest"])
def test_calls_use_one_thread_and_put_back_the_callers(call, monkeypatch, tmp_path):
    seen = set()

    class Spy(ThreadpoolController):
        def limit(self, *, limits, user_api):
            seen.add(limits)
            return super().limit(limits=limits, user_api=user_api)

    monkeypatch.setattr("infoprior._threads._libraries", lambda loaded: Spy())
    task = load_task("sklearn/wine", max_train=40, max_validation=20)
    space, point = get_space("mlp"), PROBES["probe-a"]
    meta = make_metadataset(n_tasks=5, n_architectures=8, seed=0)
    calls = {
        "estimate": lambda: estimate(task.X[:60], task.y[:60], "lda"),
        "profile": lambda: profile(task, train(task, point, space=space, epochs=1).network),
        "train": lambda: train(task, point, space=space, epochs=1),
        "metafeatures": lambda: metafeatures(task),
        "suggest": lambda: suggest(task, make_predictor("static", (), seed=0).fit(meta), n=1),
    }
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            calls[call]()
            assert blas() == {2}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {1}


def test_more_threads_are_had_by_asking_and_give_the_same_up_to_rounding():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6))
    seen = []

    class Watched:
        layer_names = ("h",)

        def activations(self, rows):
            seen.append(torch.get_num_threads())
            return {"h": torch.tanh(rows)}

    task = load_task("sklearn/wine")
    quick = Recipe("quick", 1, ty_options={"steps": 5}, xt_options={"relative": 1.0})
    one, two = (profile_network(Watched(), task, recipe=quick, threads=n) for n in (1, 2))
    assert seen == [1, 2]
    assert two["mi_ty"].to_numpy() == pytest.approx(one["mi_ty"].to_numpy(), abs=1e-3)
    both = [estimate(x, x[:, 0] > 0, threads=n, steps=5).nats for n in (1, 2)]
    assert both[0] == pytest.approx(both[1], abs=1e-3)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", None])
def test_numbers_of_threads_that_cannot_be_are_refused(threads):
    task = load_task("sklearn/wine")
    with pytest.raises(InformationError, match="threads ="):
        estimate(task.X[:60], task.y[:60], threads=threads)
    with pytest.raises(ProfileError, match="threads ="):
        profile(task, threads=threads)
    with pytest.raises(TrainingError, match="threads ="):
        train(task, PROBES["probe-a"], space=get_space("mlp"), threads=threads)
    with pytest.raises(ValueError, match="threads ="), use_threads(threads):
        pass
