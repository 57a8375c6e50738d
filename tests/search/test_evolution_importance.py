"""Importance, redundancy and threshold, against analytic information and the formulas."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from infoprior.information import entropy
from infoprior.information.known import class_gaussians, multinormal
from infoprior.search.evolution import (
    DECAY,
    PSI,
    EvolutionError,
    adaptive_threshold,
    assess,
    bottleneck,
    client_report,
    federated_importance,
    multi_task_importance,
    overlap,
    redundancy,
    task_complexity,
    task_importance,
)


def transparent(width: int, kept: int | None = None) -> nn.Module:
    """A network whose first hidden layer is its inputs, the second the first few of them."""
    network = nn.Sequential(
        nn.Linear(width, width), nn.Linear(width, kept or width), nn.Linear(kept or width, 2)
    )
    with torch.no_grad():
        for layer in network:
            nn.init.eye_(layer.weight)
            layer.bias.zero_()
    return network


def test_importance_of_a_layer_is_that_of_its_analytic_information() -> None:
    known = class_gaussians(3, 8, 2.0)
    t, o = known.sample(1500, seed=0)
    h_o = entropy(o)
    for task_type, psi in [*PSI.items()][:2]:
        first, second = assess(transparent(8, 1), t, o, task_type=task_type)
        assert first.importance == pytest.approx(h_o - (h_o - known.nats) * psi, abs=0.1)
        assert first.importance == pytest.approx(psi * first.information - (psi - 1) * h_o)
        assert second.importance < first.importance
        assert first.n == 1500


def test_importance_of_continuous_outputs_is_their_information() -> None:
    known = multinormal("normal", "development", np.array([[1.0, 0.9], [0.9, 1.0]]), 1)
    x, o = known.sample(1500, seed=0)
    layer = assess(transparent(1), x, o, task_type="regression")[0]
    assert layer.importance == layer.information == pytest.approx(known.nats, abs=0.08)
    with pytest.raises(EvolutionError, match="psi = 1"):
        assess(transparent(1), x, o, task_type="classification")


def test_an_uninformative_layer_is_negative_where_psi_exceeds_one() -> None:
    h_o = math.log(4)
    for psi in PSI.values():
        assert task_importance(0.0, h_o, psi) == pytest.approx(-(psi - 1) * h_o)
        assert task_importance(h_o, h_o, psi) == pytest.approx(h_o)
        assert task_importance(h_o * (psi - 1) / psi, h_o, psi) == pytest.approx(0.0)
    rng = np.random.default_rng(0)
    noise = assess(transparent(2), rng.normal(size=(500, 2)), np.arange(500) % 4)[0]
    assert noise.importance < 0


def test_redundancy_is_the_documents_and_falls_when_layers_overlap() -> None:
    h_o = math.log(2)
    for family, decay in DECAY.items():
        assert redundancy([0.2, 0.3], h_o, family=family, depth=4) == pytest.approx(
            1 - 0.5 / (h_o * math.exp(-decay * 4))
        )
    assert redundancy([0.0] * 3, h_o) == 1.0
    assert redundancy([h_o] * 3, h_o) == pytest.approx(1 - 3 * math.exp(0.15))
    assert redundancy([h_o, 0.0, 0.0], h_o) > redundancy([h_o] * 3, h_o)
    assert overlap([h_o, 0.0, 0.0]) == 0.0
    assert overlap([h_o] * 3) == pytest.approx(2 / 3)
    assert overlap([-0.01, 0.0]) == 0.0


def test_redundancy_of_measured_layers_is_the_analytic_one() -> None:
    known = class_gaussians(3, 8, 3.0)
    t, o = known.sample(1500, seed=1)
    layers = assess(transparent(8), t, o)  # both layers are the inputs
    measured = redundancy([layer.information for layer in layers], entropy(o))
    truth = redundancy([known.nats] * 2, math.log(3))
    assert measured == pytest.approx(truth, abs=0.15)
    assert overlap([layer.information for layer in layers]) == pytest.approx(0.5, abs=0.03)


def test_the_bottleneck_weighs_compression_against_prediction() -> None:
    assert bottleneck(3.0, 0.5, 2.0) == 2.0
    known = class_gaussians(2, 4, 2.0)
    t, o = known.sample(600, seed=0)
    layer = assess(transparent(4), t, o, compression=True)[0]
    assert layer.sigma is not None
    assert layer.bottleneck(1.5) == pytest.approx(
        layer.information_x - 1.5 * layer.information  # type: ignore[operator]
    )
    with pytest.raises(EvolutionError, match="compression=True"):
        assess(transparent(4), t, o)[0].bottleneck(1.0)
    with pytest.raises(EvolutionError, match="beta"):
        bottleneck(1.0, 1.0, -1.0)


def test_several_tasks_are_a_weighted_sum() -> None:
    assert multi_task_importance({"a": 0.5, "b": 0.25}, {"a": 2.0, "b": 4.0}) == 2.0
    assert multi_task_importance({"a": 0.5, "b": 0.25}) == 0.75
    with pytest.raises(EvolutionError, match="one weight for each"):
        multi_task_importance({"a": 0.5}, {"b": 1.0})


CLIENT = """
import json, sys
import numpy as np
from infoprior.search.evolution import assess, client_report
from tests.search.test_evolution_importance import transparent
rows = np.load(sys.argv[1])
print(json.dumps(client_report(assess(transparent(rows["t"].shape[1]), rows["t"], rows["o"]))))
"""


@pytest.mark.slow
def test_clients_in_processes_of_their_own_send_estimates_only(tmp_path: Path) -> None:
    known = class_gaussians(3, 4, 2.0)
    sizes, reports = (200, 600), []
    processes = []
    for k, n in enumerate(sizes):
        t, o = known.sample(n, seed=k)
        np.savez(tmp_path / f"{k}.npz", t=t, o=o)
        command = [sys.executable, "-c", CLIENT, str(tmp_path / f"{k}.npz")]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        reports.append(json.loads(out))
    # A client's message doesn't grow with its rows: no row and no activation is in it.
    assert len(json.dumps(reports[1])) < 1000
    assert set(reports[0]) == {"n", "layers"}
    assert all(
        not isinstance(value, list | dict) or key == "flags"
        for layer in reports[0]["layers"]
        for key, value in layer.items()
    )
    layers = federated_importance(reports)
    own = [report["layers"][0]["information"] for report in reports]
    assert layers[0].information == pytest.approx((200 * own[0] + 600 * own[1]) / 800)
    assert layers[0].information == pytest.approx(known.nats, abs=0.15)
    assert layers[0].n == 800


def test_a_federation_does_not_see_what_its_clients_differ_by() -> None:
    """Each client has one class: pooled rows say all of it, no client says anything."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=(400, 2)) + 8.0 * (np.arange(400) % 2)[:, None]
    o = np.arange(400) % 2
    pooled = assess(transparent(2), t, o)[0].information
    reports = [client_report(assess(transparent(2), t[o == c], o[o == c])) for c in (0, 1)]
    assert pooled == pytest.approx(math.log(2), abs=0.05)
    assert federated_importance(reports)[0].information == 0.0
    other = client_report(assess(transparent(2), t, o, task_type="detection"))
    with pytest.raises(EvolutionError, match="other types"):
        federated_importance([reports[0], other])


def test_a_layer_that_is_not_finite_says_nothing() -> None:
    network = transparent(3)
    with torch.no_grad():
        network[1].weight.fill_(math.inf)
    x = np.random.default_rng(0).normal(size=(100, 3))
    layers = assess(network, x, (x[:, 0] > 0).astype(int))
    assert layers[1].flags == ("constant", "non_finite")
    assert layers[1].information == 0.0
    assert layers[0].information > 0.3


def test_the_threshold_decays_to_its_floor() -> None:
    assert adaptive_threshold(0, 0.0) == 0.5
    assert adaptive_threshold(10, 0.4) == pytest.approx(0.5 * math.exp(-0.5) * 1.08)
    assert adaptive_threshold(1000, 0.4) == 0.1
    assert adaptive_threshold(1000, 0.4, floor=0.0) < 1e-9
    assert task_complexity(10**6, 1024, 10**5, 100) == pytest.approx(1.0)
    assert task_complexity(1000, 2, 10, 3) == pytest.approx((0.5 + 0.1 + 0.2 + 0.03) / 4)
    with pytest.raises(EvolutionError, match="n_classes = 0"):
        task_complexity(10, 0, 1, 1)
    with pytest.raises(EvolutionError, match="epoch"):
        adaptive_threshold(-1, 0.0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(EvolutionError, match="give one of"):
        assess(transparent(2), np.zeros((60, 2)), np.arange(60) % 2, task_type="classify")
    with pytest.raises(EvolutionError, match="give one of"):
        redundancy([0.1], 1.0, family="forest")
