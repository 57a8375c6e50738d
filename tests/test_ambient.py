"""What a caller has set in PyTorch, NumPy, pandas or the process changes no result."""

from __future__ import annotations

import contextlib
import json
import os
import random
import warnings
from collections.abc import Callable, Iterator
from threading import Barrier, Thread
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

from infoprior import Prior, PriorSampler, get_space, load_predictor, profile, read_table, suggest
from infoprior._ambient import default_settings
from infoprior.information import dead_units, effective_rank, entropy, estimate, measure_layers
from infoprior.information.known import known_pairs
from infoprior.metadataset import MetaDataset
from infoprior.predictors import (
    Evidence,
    PerformancePredictor,
    PosteriorSampler,
    make_predictor,
    recommend,
)
from infoprior.profiles import (
    PROBES,
    Recipe,
    data_processing,
    input_profile,
    profile_network,
    profile_task,
)
from infoprior.search.darts import retrain, search_cost, search_darts
from infoprior.search.entropy_gradient import EntropyLinear, train_locally
from infoprior.search.evolution import EvolutionSettings, assess, evolve, prune, widen
from infoprior.tasks import load_task, metafeatures, synthetic_task
from infoprior.training import objective, train, train_many
from tests.factories import make_metadataset

QUICK = Recipe("quick", 1, ty_options={"steps": 5, "hidden": 4}, xt_options={"relative": 1.0})
SPACE = get_space("mlp")
CELLS: Any = get_space("darts-mlp")
POINT = PROBES["probe-b"]


@contextlib.contextmanager
def setting(write: Callable[[Any], object], value: Any, before: Any) -> Iterator[None]:
    write(value)
    try:
        yield
    finally:
        write(before)


@contextlib.contextmanager
def modes() -> Iterator[None]:
    """What PyTorch keeps for a thread."""
    with (
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.device("meta"),
        torch.autograd.graph.saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()),
        setting(torch.set_flush_denormal, True, False),
        setting(lambda on: torch.set_autocast_enabled("cuda", on), True, False),
    ):
        yield


@contextlib.contextmanager
def process() -> Iterator[None]:
    """What PyTorch keeps for the process."""
    with (
        torch.no_grad(),
        torch.autocast("cpu", dtype=torch.float16),
        setting(torch.set_default_dtype, torch.float64, torch.float32),
        setting(torch.set_float32_matmul_precision, "medium", "highest"),
        setting(torch.use_deterministic_algorithms, True, False),
        setting(torch.set_anomaly_enabled, True, False),
        setting(torch.set_default_device, "meta", None),
    ):
        yield


@contextlib.contextmanager
def others() -> Iterator[None]:
    """NumPy, pandas, warnings, the working directory."""
    infer = "future.infer_string"
    here = os.getcwd()
    with (
        np.errstate(all="raise"),
        np.printoptions(precision=1, threshold=2, legacy="1.21"),
        pd.option_context(infer, not pd.get_option(infer), "display.precision", 1),
        warnings.catch_warnings(),
        setting(os.chdir, "/", here),
    ):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


@contextlib.contextmanager
def everything() -> Iterator[None]:
    with others(), process(), modes():
        yield


STATES = {"modes": modes, "process": process, "others": others}
SLOW = ("suggest", "probes")  # calls that are made in one state only


def torch_state() -> list[Any]:
    return [
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
        str(torch.get_default_device()), torch.is_autocast_enabled("cpu"),
        torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cpu"),
        torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(), torch.get_num_threads(), np.geterr(), np.get_printoptions(),
        5e-324 * 1.0 == 0.0, os.getcwd(),
    ]  # fmt: skip


def random_state() -> tuple[Any, ...]:
    of_numpy = str(np.random.get_state())  # noqa: NPY002 (the one that nothing may draw from)
    return torch.get_rng_state().tolist(), of_numpy, random.getstate()


def made() -> MetaDataset:
    return make_metadataset(n_tasks=6, n_architectures=8, seed=0)


class Inputs:
    """What the calls below are given, made once."""

    def __init__(self, folder: Any) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(120, 3))
        self.labels = (self.x[:, 0] > 0).astype(int)
        self.y = self.x @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(120, 2))
        self.maps = rng.normal(size=(60, 2, 4, 4))
        self.task = load_task("sklearn/wine")
        self.small = load_task("sklearn/wine", max_train=40, max_validation=20)
        self.network = train(self.task, PROBES["probe-c"], space=SPACE, epochs=1).network
        self.layers = profile_network(self.network, self.task, recipe=QUICK)
        self.profile = made().profile("made/0")
        self.folder = str(folder)
        self.fitted = make_predictor("network", "mi", seed=0, steps=5).fit(made())
        self.fitted.save(self.folder)
        self.csv = f"{self.folder}/table.csv"
        frame = pd.DataFrame(np.round(self.x, 3), columns=["a", "b", "c"])
        frame.assign(d=rng.choice(["u", "v", ""], 120), y=self.labels).to_csv(self.csv, index=False)
        distributions = {
            "x": optuna.distributions.FloatDistribution(1e-5, 1.0, log=True),
            "k": optuna.distributions.IntDistribution(1, 9),
        }
        # Kernels so narrow that densities underflow between them.
        self.prior = Prior.from_points(
            distributions, [{"x": 1e-5, "k": 3}, {"x": 1.0, "k": 9}], bandwidth=1e-6
        )

    def probed(self) -> Any:
        probed = profile_task(self.task, epochs=1, recipe=QUICK)
        return probed.layers.to_csv(), probed.curves.to_csv(), dict(probed.metafeatures)

    def built(self) -> Any:
        network = SPACE.build(POINT, 13, 3)
        assert all(p.requires_grad and not p.is_inference() for p in network.parameters())
        read = network.activations(torch.from_numpy(self.task.X[:9]))
        return [(str(t.dtype), str(t.device), t.tolist()) for t in read.values()]

    def encoded(self) -> Any:
        space, results = get_space("tabular"), []
        for point, inputs in zip(space.design(7), space["inputs"].choices, strict=True):
            trained = train(self.small, point | {"inputs": inputs}, space=space, epochs=1)
            read = trained.network.activations(torch.from_numpy(self.task.X[:5]))
            results.append((trained.curve, read["inputs"].tolist()))
        return results

    def searched(self) -> Any:
        study = optuna.create_study(sampler=PriorSampler(self.prior, seed=0), study_name="s")
        study.optimize(
            lambda t: t.suggest_float("x", 1e-5, 1.0, log=True) * t.suggest_int("k", 1, 9), 12
        )
        return [trial.params for trial in study.trials]

    def predicted(self) -> Any:
        predictor = PerformancePredictor(rank=2, iterations=2).fit(made())
        posterior = predictor.posterior(Evidence(self.profile))
        prior = posterior.prior().to_dict()
        sampler = PosteriorSampler(predictor, seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler, study_name="s")
        for value in (0.5, 0.6):
            study.tell(study.ask(dict(SPACE)), value)
        return posterior.mean().tolist(), posterior.sample(3).tolist(), prior, recommend(study)

    def objective(self) -> Any:
        study = optuna.create_study(
            sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize"
        )
        study.optimize(objective(self.task, SPACE, epochs=1), n_trials=2)
        return [trial.value for trial in study.trials]

    def many(self, engine: str) -> Any:
        networks = [(POINT, 0), (PROBES["probe-c"], 1)]
        trained = train_many(
            self.task, networks, space=SPACE, epochs=2, engine=engine, keep=True, snapshots=(1,)
        )
        kept = [t.network for t in trained] + [t.snapshots[1] for t in trained]
        weights = [p.detach().sum().item() for network in kept for p in network.parameters()]
        return [t.curve for t in trained], weights

    def sharpened(self) -> Any:
        layers = [EntropyLinear(3, 4), EntropyLinear(4, 2)]
        x = torch.tensor(self.x, dtype=torch.float32, device="cpu")
        bits = train_locally(layers, x, eta=1.0, epochs=3)
        return bits, [p.detach().tolist() for layer in layers for p in layer.parameters()]

    def evolved(self) -> Any:
        recipe = Recipe("lda", 1, ty_method="lda")
        free = EvolutionSettings(assessment_cost=0.0)
        evolution = evolve(POINT, self.task, space=SPACE, epochs=7, recipe=recipe, settings=free)
        return evolution.curve.to_csv(), evolution.structure.to_csv(), evolution.events.to_csv()

    def operated(self) -> Any:
        x = torch.from_numpy(self.task.X[:99])
        wide = widen(self.network, "hidden_1", 80).network
        small = prune(wide, "hidden_2", 9, x).network
        weights = [p.detach().sum().item() for each in (wide, small) for p in each.parameters()]
        return weights, assess(self.network, x, self.task.y[:99], recipe=QUICK)

    def looked_at(self) -> Any:
        prior, rng = self.prior, np.random.default_rng(0)
        points = prior.sample(9, rng)
        return (
            points, prior.log_prob(points).tolist(), prior.mode(), prior.entropy(),
            prior.marginal("k").quantile(0.3), prior.condition({"k": 3}).sample(3, rng),
            prior.restrict({"x": optuna.distributions.FloatDistribution(1e-3, 1e-2)}).to_dict(),
            prior.mix(Prior.from_expert(prior.space, {"x": 1e-2}), 0.3).to_dict(),
        )  # fmt: skip


CALLS: dict[str, Callable[[Inputs], Any]] = {
    "estimate of labels": lambda i: estimate(i.x, i.labels, steps=5).nats,
    "estimate of pairs": lambda i: estimate(i.x, i.y, steps=5).nats,
    "estimate by mine": lambda i: estimate(i.x, i.y, "mine", steps=5).nats,
    "estimate by neighbours": lambda i: estimate(i.x[:, :1], i.y[:, :1]).nats,
    "estimate of maps": lambda i: estimate(i.maps, i.labels[:60], steps=5).nats,
    "estimate of noisy layers": lambda i: estimate(i.x, i.y, "noisy").nats,
    "measure_layers": lambda i: repr(measure_layers([i.x, i.y], i.labels)),
    "input_profile": lambda i: repr(
        input_profile(i.task, {"robust": np.tanh}, max_rows=80, progress=False).features()
    ),
    "statistics": lambda i: [entropy(i.labels), dead_units(i.x), effective_rank(i.x.tolist())],
    "known samples": lambda i: [k.sample(60, 0)[0].sum() for k in known_pairs()[:9]],
    "profile": lambda i: profile_network(i.network, i.task, recipe=QUICK).to_csv(),
    "probes": Inputs.probed,
    "data_processing": lambda i: data_processing(i.layers).to_csv(),
    "train": lambda i: train(i.task, POINT, space=SPACE, epochs=1).curve,
    "train_many, compiled": lambda i: i.many("compiled"),
    "train_many, autograd": lambda i: i.many("autograd"),
    "train_many, stacked": lambda i: i.many("stacked"),
    "train_locally": Inputs.sharpened,
    "objective": Inputs.objective,
    "evolve": Inputs.evolved,
    "surgery": Inputs.operated,
    "build": Inputs.built,
    "encoded inputs": Inputs.encoded,
    "space": lambda i: [SPACE.design(5), SPACE.encode(SPACE.design(5)).tolist()],
    "fit": lambda i: {
        name: array.tolist()
        for name, array in make_predictor("network", "mi", seed=0, steps=5).fit(made())
        ._require_fitted().arrays.items()
    },
    "fit trees": lambda i: make_predictor("trees", "all", seed=0, trees=3).fit(made())
    .scores(i.profile).tolist(),
    "predict": lambda i: load_predictor(i.folder).predict(i.profile).to_dict(),
    "posterior": Inputs.predicted,
    "suggest": lambda i: suggest(i.small, i.folder, n=2).architectures,
    "read_table": lambda i: read_table(i.csv, "y").digest,
    "metafeatures": lambda i: metafeatures(i.task),
    "synthetic_task": lambda i: synthetic_task(3).digest,
    "prior": Inputs.looked_at,
    "sampler": Inputs.searched,
    "search_darts": lambda i: search_darts(i.task, CELLS, order=2, epochs=1).alphas.tolist(),
    "search_cost": lambda i: search_cost(i.task, CELLS, order=2),
    "retrain": lambda i: retrain(
        i.task, CELLS.design(1)[0], space=CELLS, epochs=1
    ).table.to_csv(),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("fitted"))


@pytest.mark.parametrize("call", CALLS)
def test_results_are_the_same_whatever_is_set_outside_and_stays_set(
    call: str, inputs: Inputs
) -> None:
    drawn = random_state()
    plain = json.dumps(CALLS[call](inputs), default=str)
    for name, state in ({"everything": everything} if call in SLOW else STATES).items():
        with state():
            before = torch_state()
            value = CALLS[call](inputs)
            assert torch_state() == before, name
        assert json.dumps(value, default=str) == plain, name
    assert random_state() == drawn


def test_settings_come_back_after_an_error() -> None:
    with torch.no_grad(), setting(torch.set_default_dtype, torch.float64, torch.float32):
        before = torch_state()

        @default_settings()
        def fails() -> None:
            assert torch.is_grad_enabled()
            assert torch.get_default_dtype() == torch.float32
            raise RuntimeError("inside")

        with pytest.raises(RuntimeError, match="inside"):
            fails()
        assert torch_state() == before


@pytest.mark.parametrize("first_out", [0, 1])
def test_the_last_of_several_threads_puts_the_process_back(first_out: int) -> None:
    both_in, looked, one_out = Barrier(3), Barrier(3), Barrier(2)
    seen = []

    def work(number: int, entered: Barrier) -> None:
        if number:
            entered.wait()  # after the other one
        with default_settings():
            if not number:
                entered.wait()
            both_in.wait()
            looked.wait()
            if number != first_out:
                one_out.wait()
                seen.append(torch.get_default_dtype())
        if number == first_out:
            one_out.wait()

    with setting(torch.set_default_dtype, torch.float64, torch.float32):
        entered = Barrier(2)
        threads = [Thread(target=work, args=(n, entered)) for n in (0, 1)]
        for thread in threads:
            thread.start()
        both_in.wait()
        within = torch.get_default_dtype()
        looked.wait()
        assert within == torch.float32
        for thread in threads:
            thread.join()
        assert seen == [torch.float32]
        assert torch.get_default_dtype() == torch.float64


def test_precision_that_is_set_by_backend_comes_back() -> None:
    matmul = torch.backends.mkldnn.matmul
    if not hasattr(matmul, "fp32_precision"):
        pytest.skip("this PyTorch has no precision by backend")
    before = matmul.fp32_precision
    with setting(lambda value: setattr(matmul, "fp32_precision", value), "bf16", before):
        with default_settings():
            assert matmul.fp32_precision in ("ieee", "none")
        assert matmul.fp32_precision == "bf16"


def test_inputs_may_require_gradients_or_be_inference_tensors() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 2)), rng.normal(size=(80, 2))
    plain = estimate(x, y, "mine", steps=5).nats
    with torch.inference_mode():
        inside = torch.tensor(x), torch.tensor(y)
    assert estimate(*inside, "mine", steps=5).nats == plain
    graph = torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True) * 1.0
    assert estimate(*graph, "mine", steps=5).nats == plain


def test_a_callback_in_other_settings_disturbs_nothing() -> None:
    task = load_task("sklearn/iris")

    def report(epoch: int, row: dict[str, Any]) -> None:
        with torch.no_grad():
            estimate(task.X[:60], task.y[:60], "lda")
        torch.set_default_dtype(torch.float64)

    plain = train_many(task, [(POINT, 0)], space=SPACE, epochs=3, engine="autograd")[0].curve
    try:
        network = train(task, POINT, space=SPACE, epochs=3, report=report)
        assert torch.get_default_dtype() == torch.float32  # it was so before the call
    finally:
        torch.set_default_dtype(torch.float32)
    assert [row["epoch"] for row in network.curve] == [row["epoch"] for row in plain]


def test_profile_reads_a_network_of_a_user_in_the_same_settings(inputs: Inputs) -> None:
    linear = torch.nn.Linear(13, 4)

    class Mine(torch.nn.Module):
        layer_names = ("hidden",)

        def __init__(self) -> None:
            super().__init__()
            self.linear = linear

        def activations(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"hidden": self.linear(x) + torch.zeros(4)}

    plain = profile(inputs.task, Mine())
    with modes():
        pd.testing.assert_frame_equal(profile(inputs.task, Mine()), plain)
