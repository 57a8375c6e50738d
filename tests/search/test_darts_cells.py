"""Cell spaces: derived networks are ordinary points; mixed operations and supernets add them up."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from infoprior import Prior, get_space, load_task
from infoprior.metadataset import MetaDataset, space_from_dict, space_to_dict
from infoprior.predictors import make_predictor
from infoprior.profiles import Recipe, profile_network
from infoprior.search.darts import CellSpace, DartsError, MixedOperation, Supernet
from infoprior.spaces import SpaceError
from infoprior.spaces._cells import edge_name
from infoprior.training import train
from tests.factories import make_metadataset

QUICK = Recipe("quick", 1, ty_options={"steps": 5, "hidden": 4}, xt_options={"relative": 1.0})
TRAINED = {"learning_rate": 1e-2, "weight_decay": 1e-4, "batch_size": 32}
SHAPES: dict[str, Any] = {"darts-mlp": (5,), "darts-cnn": (1, 8, 8)}


def cell_space(name: str) -> CellSpace:
    space = get_space(name)
    assert isinstance(space, CellSpace)
    return space


def rows(n: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def everywhere(space: CellSpace, operation: str) -> dict[str, Any]:
    return {**{edge_name(edge): operation for edge in space.cell.edges}, **TRAINED}


def test_a_mixed_operation_gives_the_weighted_sum() -> None:
    operations = [nn.Linear(3, 3), nn.Tanh(), nn.Identity(), nn.ReLU()]
    x, alpha = rows(7, 3), rows(4, seed=1)
    weights = torch.softmax(alpha, dim=0)
    expected = torch.stack([w * o(x) for w, o in zip(weights, operations, strict=True)]).sum(0)
    assert torch.allclose(MixedOperation(operations)(x, weights), expected, atol=1e-6)


def test_alpha_gets_no_gradient_where_operations_are_equal() -> None:
    linear = nn.Linear(3, 3).double()
    alpha = rows(3, seed=1).double().requires_grad_()
    x = rows(7, 3).double()
    mixed = MixedOperation([linear, linear, linear])
    (mixed(x, torch.softmax(alpha, dim=0)) ** 2).sum().backward()
    assert alpha.grad is not None
    assert alpha.grad.abs().max() < 1e-13
    other = rows(3, seed=1).double().requires_grad_()
    mixed = MixedOperation([linear, linear, nn.Tanh()])
    (mixed(x, torch.softmax(other, dim=0)) ** 2).sum().backward()
    assert other.grad is not None
    assert other.grad.abs().min() > 1e-3
    # Equal operations share what they get by their weights.
    shares = torch.softmax(other.detach(), dim=0)
    assert other.grad[0] / shares[0] == pytest.approx(float(other.grad[1] / shares[1]))


def test_no_operation_and_operations_of_different_shapes_are_refused() -> None:
    with pytest.raises(DartsError, match="at least one"):
        MixedOperation([])
    with pytest.raises(DartsError, match=r"Operation 1 gives shape \(4, 1\)"):
        MixedOperation([nn.Identity(), nn.Linear(3, 1)])(rows(4, 3), torch.ones(2))


@pytest.mark.parametrize("name", SHAPES)
def test_every_point_builds_a_network_whose_last_layer_its_output_reads(name: str) -> None:
    space, shape = cell_space(name), SHAPES[name]
    x = rows(6, *shape)
    for i, point in enumerate(space.design(8)):
        network = space.build(point, shape, n_classes=3, seed=i).eval()
        read = network.activations(x)
        assert tuple(read) == network.layer_names
        last = read[network.layer_names[-1]]
        pooled = last.mean(dim=(2, 3)) if last.ndim == 4 else last
        assert torch.equal(network.output(pooled), network(x))
    again = space.build(point, shape, 3, seed=i)
    for key, value in again.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])


def test_a_cell_of_skips_adds_its_nodes_up_and_one_of_nothing_is_zero() -> None:
    space = cell_space("darts-mlp")
    x = rows(6, 5)
    read = space.build(everywhere(space, "skip"), 5, 2).activations(x)
    for node, times in enumerate((1, 2, 4), start=1):
        assert torch.allclose(read[f"cell_1_node_{node}"], times * read["stem"], atol=1e-5)
    empty = space.build(everywhere(space, "none"), 5, 2)
    assert not empty.activations(x)["cell_1_node_3"].any()
    assert torch.equal(empty(x), empty.output.bias.expand(6, 2))


@pytest.mark.parametrize("name", SHAPES)
def test_a_supernet_of_one_choice_an_edge_is_the_derived_network(name: str) -> None:
    """In training mode: a supernet normalizes by each batch."""
    space, shape = cell_space(name), SHAPES[name]
    operations = list(space.cell.operations)
    point = space.design(3)[2]
    x = rows(6, *shape)
    network = space.build(point, shape, 3).train()
    supernet = Supernet(space.cell, shape, 3)
    weights = network.state_dict()
    for key in list(weights):
        kind, _, rest = key.partition(".")
        if kind == "edges":
            edge, _, rest = rest.partition(".")
            chosen = operations.index(point[edge.partition("_")[2]])
            weights[f"edges.{edge}.operations.{chosen}.{rest}"] = weights[key]
    held = supernet.state_dict()
    supernet.load_state_dict({key: weights.get(key, held[key]) for key in held})
    with torch.no_grad():
        supernet.alpha.fill_(-200.0)
        for k, edge in enumerate(space.cell.edges):
            supernet.alpha[k, operations.index(point[edge_name(edge)])] = 200.0
    assert torch.allclose(supernet(x), network(x), atol=1e-5)


def test_a_supernet_is_seeded_and_keeps_alpha_apart_from_its_weights() -> None:
    cell = cell_space("darts-mlp").cell
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a, b, c = (Supernet(cell, 5, 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(a.alpha, b.alpha)
    assert not torch.equal(a.alpha, c.alpha)
    assert 0.0 < a.alpha.abs().max() < 1e-2
    assert all(parameter is not a.alpha for parameter in a.parameters())
    loss = functional.cross_entropy(a(rows(9, 5)), torch.arange(9) % 2)
    weights = list(a.parameters())
    *of_weights, of_alpha = torch.autograd.grad(loss, [*weights, a.alpha])
    assert all(g.isfinite().all() for g in of_weights)
    assert (of_alpha != 0).all()
    # Adding a number to an edge's alpha changes nothing.
    assert of_alpha.sum(dim=1).abs().max() < 1e-6


def test_a_removed_operation_leaves_the_shares_of_the_others() -> None:
    supernet = Supernet(cell_space("darts-mlp").cell, 5, 2)
    before = supernet.shares().detach()
    supernet.allowed[2, 1] = 0.0
    after = supernet.shares().detach()
    assert after[2, 1] == 0.0
    before[2, 1] = 0.0
    assert torch.equal(after, before)


def test_a_point_is_trained_profiled_stored_and_put_into_a_prior() -> None:
    space, task = cell_space("darts-mlp"), load_task("sklearn/wine")
    point = everywhere(space, "tanh")
    trained = train(task, point, space=space, epochs=3)
    assert trained.curve[-1]["train_loss"] < trained.curve[0]["train_loss"]
    layers = profile_network(trained.network, task, recipe=QUICK)
    assert list(layers["layer"]) == ["stem", *(f"cell_1_node_{i}" for i in (1, 2, 3))]
    assert space_from_dict(space_to_dict(space), "here") is space
    prior = Prior.from_points(dict(space), [point])
    assert prior.log_ratio([point])[0] > 0.0
    assert space.validate(prior.sample(1, np.random.default_rng(0))[0])
    assert pickle.loads(pickle.dumps(space)) == space  # own bytes, as to a worker; no file


def test_a_metadataset_of_cells_is_stored_and_learned_from(tmp_path: Path) -> None:
    space, made = cell_space("darts-mlp"), make_metadataset(n_tasks=4, n_architectures=8)
    points = space.design(8)
    ids = list(made.architectures["architecture"])
    rows = [{"architecture": i, **point} for i, point in zip(ids, points, strict=True)]
    cells = MetaDataset(
        space, made.tasks, pd.DataFrame(rows), made.curves, made.profiles, made.probe_curves
    )
    cells.save(tmp_path)
    loaded = MetaDataset.load(tmp_path)
    assert loaded.space is space
    prior = make_predictor("static", (), seed=0).fit(loaded).predict(None)
    assert space.validate(prior.mode())
    assert np.isfinite(prior.log_ratio(points)).all()


def test_images_for_tables_and_tables_for_images_are_refused() -> None:
    with pytest.raises(SpaceError, match="flatten"):
        get_space("darts-mlp").build(everywhere(cell_space("darts-mlp"), "skip"), (1, 8, 8), 2)
    with pytest.raises(SpaceError, match=r"\(C, H, W\)"):
        get_space("darts-cnn").build(everywhere(cell_space("darts-cnn"), "skip"), 8, 2)


def test_a_cell_without_nodes_or_operations_is_refused() -> None:
    cell = cell_space("darts-mlp").cell
    with pytest.raises(SpaceError, match="1 nodes"):
        type(cell)(cell.operations, cell.stem, width=4, nodes=1)
    with pytest.raises(SpaceError, match="0 operations"):
        type(cell)({}, cell.stem, width=4)
