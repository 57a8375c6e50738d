"""Surgery: outputs that stay, moments that come along, newborn units that learn."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.search.evolution import (
    Blend,
    EvolutionError,
    advance_blends,
    change_activation,
    change_normalization,
    deepen,
    expansion_gain,
    make_adamw,
    prune,
    read_chain,
    read_moments,
    widen,
    widths,
)
from infoprior.search.evolution.chain import INPUT
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP
from tests.search.evolution_networks import random_cnn, random_mlp, random_sequential, seasoned

MAKERS = {"mlp": random_mlp, "cnn": random_cnn, "sequential": random_sequential}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def free_layers(network: nn.Module) -> list[str]:
    return [layer.name for layer in read_chain(network).hidden if layer.stream != INPUT]


def assert_equal_outputs(before: nn.Module, after: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        old, new = before(x), after(x)
    scale = max(1.0, float(old.abs().max()))
    assert float((old - new).abs().max()) <= TOLERANCE[x.dtype] * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", range(12))
def test_growth_leaves_the_outputs_of_random_networks_equal(
    maker: str, seed: int, dtype: torch.dtype
) -> None:
    rng = np.random.default_rng([seed, 1])
    network, x = MAKERS[maker](rng)
    network, x = network.to(dtype), x.to(dtype)
    before = copy.deepcopy(network.state_dict())
    grown: nn.Module = network
    for _ in range(4):  # one on top of the other
        names = free_layers(grown)
        name = str(rng.choice([layer.name for layer in read_chain(grown).hidden]))
        kind = int(rng.integers(4 if maker == "mlp" else 3))
        if kind == 0 and names:
            name = str(rng.choice(names))
            more = int(rng.integers(1, 2 * widths(grown)[name] + 2))
            grown = widen(grown, name, widths(grown)[name] + more, seed=seed).network
        elif kind == 1:
            grown = deepen(grown, name, seed=seed).network
        elif kind == 3:
            norm = nn.LayerNorm(widths(grown)[name])
            grown = change_normalization(grown, name, norm).network
        else:
            grown = change_activation(grown, name, nn.Softplus()).network
    assert_equal_outputs(network, grown, x)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_widening_with_batch_normalization_is_equal_while_training_too() -> None:
    network = MLP(5, 3, (8, 8), "gelu", "batch").train()
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    wide = widen(network, "hidden_1", 13, seed=1).network
    assert wide.training
    assert_equal_outputs(network, wide, x)


def test_layers_of_a_residual_stream_are_widened_together() -> None:
    network = MLP(5, 3, (8, 8, 8), residual=True)
    assert widths(widen(network, "hidden_2", 11).network) == {
        "hidden_1": 11, "hidden_2": 11, "hidden_3": 11,
    }  # fmt: skip


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
@pytest.mark.parametrize("head", ["gap", "dense"])
def test_a_cnn_is_widened_and_pruned(head: str, pooling: str) -> None:
    network = seasoned(CNN((1, 8, 8), 3, (4, 6), 3, "silu", "batch", pooling, head), 0)
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for name in free_layers(network):
        wide = widen(network, name, widths(network)[name] + 3, seed=2)
        assert_equal_outputs(network, wide.network, x)
        back = prune(wide.network, name, widths(network)[name], x)
        assert back.change < 1e-3


def test_a_cnn_is_deepened_where_it_is_asked_to() -> None:
    """New blocks have no pooling and no stride; layers are numbered anew."""
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for pooling in ("max", "average", "stride"):
        network = seasoned(CNN((1, 8, 8), 3, (4, 6), 3, "gelu", "batch", pooling, "dense"), 0)
        deep = deepen(deepen(network, "block_1").network, "dense").network
        names = ("block_1", "block_2", "block_3", "dense", "dense_2")
        assert deep.layer_names == names
        assert list(deep.activations(x)) == list(names)
        assert [tuple(t.shape[1:]) for t in deep.activations(x).values()] == [
            (4, 4, 4), (4, 4, 4), (6, 2, 2), (64,), (64,),
        ]  # fmt: skip
        assert network.layer_names == ("block_1", "block_2", "dense")
        assert_equal_outputs(network, deep, x)
        again = deepen(deep, "dense_2").network
        assert again.layer_names[-3:] == ("dense", "dense_2", "dense_3")
        assert_equal_outputs(network, again, x)


def gradients(network: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    functional.cross_entropy(network(x), y).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


# Not of CNNs: most of these have two classes and end in a dense layer, whose units then have
# incoming gradients that are parallel, because a difference of two classes is one number.
@pytest.mark.parametrize("maker", ["mlp", "sequential"])
def test_newborn_units_learn_as_fast_as_old_ones(maker: str) -> None:
    """Gradient norms of the units' incoming and outgoing weights, medians over random networks."""
    incoming, outgoing, differences = [], [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, 2])
        network, x = MAKERS[maker](rng)
        chain = read_chain(network)
        free = [i for i, layer in enumerate(chain.hidden) if layer.stream != INPUT]
        if not free:
            continue
        i = free[-1]
        name, old = chain.layers[i].name, widths(network)[chain.layers[i].name]
        wide = widen(network, name, old + max(1, old // 2), seed=seed).network
        y = torch.from_numpy(rng.integers(0, 2, size=len(x)))
        grads = gradients(wide, x, y)
        rows = grads[f"{chain.layers[i].path}.weight"].flatten(1)
        reader = grads[f"{chain.layers[i + 1].path}.weight"]
        columns = reader.reshape(len(reader), len(rows), -1).permute(1, 0, 2).flatten(1)
        for norms, place in ((rows.norm(dim=1), incoming), (columns.norm(dim=1), outgoing)):
            if norms.max() > 0:
                place.append(float(norms[old:].median() / norms[norms > 0].median()))
        weights = wide.get_submodule(chain.layers[i].path).weight
        for unit in range(old, len(rows)):
            twin = int((weights[:old] - weights[unit]).flatten(1).norm(dim=1).argmin())
            if rows[unit].norm() > 0:
                cosine = functional.cosine_similarity(rows[unit], rows[twin], dim=0)
                differences.append(float(1 - cosine))
    assert 0.3 < np.median(incoming) < 3.0
    assert 0.3 < np.median(outgoing) < 3.0
    assert np.median(differences) > 0.05  # a unit and its copy part


@pytest.mark.parametrize("maker", MAKERS)
def test_every_weight_of_a_new_layer_gets_gradient(maker: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng([seed, 3])
        network, x = MAKERS[maker](rng)
        layer = read_chain(network).hidden[-1]
        deep = deepen(network, layer.name).network
        assert len(read_chain(deep).layers) == len(read_chain(network).layers) + 1
        new = read_chain(deep).hidden[-1]
        y = torch.from_numpy(rng.integers(0, 2, size=len(x)))
        grads = gradients(deep, x, y)[f"{new.path}.weight"].flatten(1)
        assert float((grads.norm(dim=1) > 0).float().mean()) > 0.5


def trained(network: nn.Module, x: Tensor, y: Tensor, steps: int = 5) -> torch.optim.AdamW:
    optimizer = make_adamw(network, learning_rate=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    return optimizer


def test_moments_of_copies_are_the_moments_that_they_would_have_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the random parts, copies' gradients are shares of the old ones: so are moments."""
    monkeypatch.setattr("infoprior.search.evolution.widening.SPREAD", 0.0)
    for normalization in ("none", "batch", "layer"):
        network = MLP(5, 3, (6, 6, 6), "tanh", normalization, residual=True).double().eval()
        x = torch.randn(64, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        y = torch.arange(64) % 3
        grads = gradients(network, x, y)
        moments = {
            name: {"step": torch.tensor(3.0), "exp_avg": g, "exp_avg_sq": g.square()}
            for name, g in grads.items()
        }
        wide = widen(network, "hidden_1", 11, seed=0, moments=moments)
        assert set(wide.moments) == {name for name, _ in wide.network.named_parameters()}
        for name, grad in gradients(wide.network, x, y).items():
            state = wide.moments[name]
            assert torch.allclose(state["exp_avg"], grad, atol=1e-10), name
            assert torch.allclose(state["exp_avg_sq"], grad.square(), atol=1e-10), name
            assert state["step"] == 3.0


def test_training_continues_with_the_moments() -> None:
    network = MLP(5, 3, (8, 8), "relu", "layer")
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(1))
    y = torch.arange(64) % 3
    moments = read_moments(network, trained(network, x, y))
    for surgery in (
        widen(network, "hidden_2", 12, moments=moments),
        deepen(network, "hidden_1", moments=moments),
        prune(network, "hidden_1", 5, x, moments=moments),
    ):
        optimizer = make_adamw(surgery.network, surgery.moments)
        again = read_moments(surgery.network, optimizer)
        assert {n: set(s) for n, s in again.items()} == {
            n: set(s) for n, s in surgery.moments.items()
        }
        for name, parameter in surgery.network.named_parameters():
            if name in again:
                assert again[name]["exp_avg"].shape == parameter.shape
                assert float(again[name]["step"]) == 5.0
        functional.cross_entropy(surgery.network(x), y).backward()
        optimizer.step()
    deep = deepen(network, "hidden_1", moments=moments).moments
    assert "hidden_2.linear.weight" not in deep  # newborn
    assert torch.equal(
        deep["hidden_3.linear.weight"]["exp_avg"], moments["hidden_2.linear.weight"]["exp_avg"]
    )
    with pytest.raises(EvolutionError, match="read_moments"):
        widen(network, "hidden_1", 9, moments={"hidden_9.weight": {}})


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", range(8))
def test_pruning_undoes_widening(maker: str, seed: int) -> None:
    network, x = MAKERS[maker](np.random.default_rng([seed, 4]))
    x = torch.cat([x, x.flip(0) * 0.5, x * 1.3])
    for name in free_layers(network):
        wide = widen(network, name, widths(network)[name] + 3, seed=seed).network
        back = prune(wide, name, widths(network)[name], x)
        assert widths(back.network) == widths(network)
        assert back.change < 0.02


def test_pruning_takes_the_units_that_say_nothing() -> None:
    network = MLP(5, 3, (8, 6), "tanh")
    with torch.no_grad():
        network.hidden_1.linear.weight[[1, 4]] = 0.0  # constant: the next bias makes up for them
        network.hidden_2.linear.weight[:, 6] = 0.0  # not read
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    small = prune(network, "hidden_1", 5, x)
    assert small.change < 1e-5
    kept = network.hidden_1.linear.weight[[0, 2, 3, 5, 7]]
    assert torch.equal(small.network.hidden_1.linear.weight, kept)


def test_pruning_changes_less_than_random_units_and_than_no_refit() -> None:
    ratios = []
    for seed in range(10):
        network = MLP(6, 3, (16, 16), "gelu", seed=seed)
        x = torch.randn(300, 6, generator=torch.Generator().manual_seed(seed))
        keep = torch.randperm(16, generator=torch.Generator().manual_seed(seed))[:10]
        chosen = prune(network, "hidden_1", 10, x).change
        ratios.append(chosen / prune(network, "hidden_1", 10, x, keep=keep).change)
    assert np.median(ratios) < 0.8


def test_channels_that_many_inputs_are_read_from_are_pruned() -> None:
    """Sixteen maps of 18 x 18 pixels, flattened: more inputs than covariances are made of."""
    torch.manual_seed(0)
    linear = nn.Linear(16 * 324, 3)
    network = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Tanh(), nn.Flatten(), linear)
    x = torch.randn(60, 1, 20, 20)
    with torch.no_grad():
        linear.weight.view(3, 16, 324)[:, [2, 9]] = 0.0
    small = prune(network, "0", 14, x)
    assert small.change < 1e-5
    kept = [i for i in range(16) if i not in (2, 9)]
    assert torch.equal(small.network[0].weight, network[0].weight[kept])
    # What goes is made up for on these rows, by the least change of the other weights.
    refitted = prune(network, "0", 8, x)
    assert refitted.change < 1e-2
    assert refitted.network[3].weight.shape == (3, 8 * 324)


def test_the_predicted_gain_of_expansion_is_the_measured_one() -> None:
    """One small step of gradient descent, with and without the wider layer."""
    rate = 1e-3
    predicted, measured = [], []
    for seed in range(8):
        network = MLP(6, 3, (6, 6), "tanh", "layer", seed=seed).double().eval()
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(120, 6, dtype=torch.float64, generator=generator)
        y = (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()
        predicted.append(expansion_gain(network, "hidden_1", 10, x, y, rate=rate, seed=seed))
        losses = []
        for each in (copy.deepcopy(network), widen(network, "hidden_1", 10, seed=seed).network):
            gradients(each, x, y)
            with torch.no_grad():
                for parameter in each.parameters():
                    parameter -= rate * parameter.grad
                losses.append(float(functional.cross_entropy(each(x), y)))
        measured.append(losses[0] - losses[1])
    assert np.allclose(predicted, measured, rtol=0.1, atol=1e-6)
    assert np.corrcoef(predicted, measured)[0, 1] > 0.98
    assert np.std(predicted) > 1e-6


def test_a_blend_ends_as_the_new_module() -> None:
    network = MLP(5, 3, (8, 8), "relu").eval()
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    changed = change_activation(network, "hidden_2", nn.Tanh()).network
    changed = change_normalization(changed, "hidden_1", nn.LayerNorm(8)).network
    assert_equal_outputs(network, changed, x)
    assert isinstance(changed.hidden_2.activation, Blend)
    assert advance_blends(changed, 0.5) == 2
    assert not torch.allclose(network(x), changed(x), atol=1e-3)
    assert advance_blends(changed, 0.5) == 0
    assert type(changed.hidden_2.activation) is nn.Tanh
    assert type(changed.hidden_1.normalization) is nn.LayerNorm


def test_a_user_s_normalization_is_changed_where_there_is_one() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    changed = change_normalization(network, "0", nn.LayerNorm(4)).network
    assert_equal_outputs(network, changed, torch.ones(5, 3))
    assert advance_blends(changed, 1.0) == 0
    assert type(changed[1]) is nn.LayerNorm
    with pytest.raises(EvolutionError, match="is of 5 units"):
        change_normalization(network, "0", nn.LayerNorm(5))
    with pytest.raises(EvolutionError, match="no normalization"):
        change_normalization(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "0", nn.LayerNorm(4))
    with pytest.raises(EvolutionError, match="give one of"):
        change_activation(network, "0", nn.Softmax(1))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Linear(3, 2), "type Linear"),
        (nn.Sequential(nn.Linear(3, 2)), "no hidden layer"),
        (nn.Sequential(nn.Linear(3, 2), nn.Softmax(1), nn.Linear(2, 2)), "Softmax"),
        (nn.Sequential(nn.Conv2d(2, 2, 3, groups=2), nn.Flatten(), nn.Linear(8, 2)), "groups"),
        (nn.Sequential(nn.Conv2d(2, 2, 3), nn.Linear(8, 2)), "nn.Flatten"),
        (nn.Sequential(*[nn.Linear(3, 3)] * 2), "twice"),
        (nn.Sequential(nn.Linear(3, 2), nn.LSTM(2, 2)), "LSTM"),
    ],
)
def test_other_networks_are_refused_with_one_sentence(network: nn.Module, message: str) -> None:
    with pytest.raises(EvolutionError, match=message) as error:
        widen(network, "0", 5)
    assert "\n" not in str(error.value)


def test_widths_that_are_no_growth_are_refused() -> None:
    network = MLP(8, 3, (8, 6), residual=True)
    x = torch.zeros(60, 8)
    with pytest.raises(EvolutionError, match="no hidden layer 'a'"):
        widen(network, "a", 9)
    with pytest.raises(EvolutionError, match="network's inputs"):
        widen(network, "hidden_1", 9)
    with pytest.raises(EvolutionError, match="no more"):
        widen(network, "hidden_2", 6)
    with pytest.raises(EvolutionError, match="no fewer"):
        prune(network, "hidden_2", 6, x)
    with pytest.raises(EvolutionError, match="width = 0"):
        prune(network, "hidden_2", 0, x)
    with pytest.raises(EvolutionError, match="on the CPU"):
        widen(MLP(8, 3, (8, 6)).to("meta"), "hidden_2", 9)
    with pytest.raises(EvolutionError, match="doesn't take rows"):
        prune(network, "hidden_2", 3, x[:, :5])
    with pytest.raises(EvolutionError, match="each once"):
        prune(network, "hidden_2", 2, x, keep=torch.tensor([1, 1]))
