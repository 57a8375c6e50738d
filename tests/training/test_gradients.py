"""Compiled passes and steps against autograd and PyTorch's AdamW."""

import itertools
import re

import numpy as np
import pytest
import torch
from numba import njit
from torch.nn import functional

from infoprior.spaces._mlp import ACTIVATIONS, MLP, NORMALIZATIONS
from infoprior.training._engines import jit, normalization
from infoprior.training._engines.adamw import FlatAdamW
from infoprior.training._engines.autograd import FlatAutograd, idle_biases
from infoprior.training._engines.compiled import CompiledMLP
from infoprior.training._loop import compilable


def network(activation, normalization, dropout, residual, seed=3):
    return MLP(7, 4, (10, 10, 6), activation, normalization, dropout, residual, seed)


def batch(n=33):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 7, generator=generator)
    return x, torch.randint(0, 4, (n,), generator=generator)


CASES = list(
    itertools.product(sorted(ACTIVATIONS), sorted(NORMALIZATIONS), (0.0, 0.3), (False, True))
)


@pytest.mark.parametrize(("activation", "normalization", "dropout", "residual"), CASES)
def test_gradients_are_those_of_autograd(activation, normalization, dropout, residual):
    x, y = batch()
    reference = network(activation, normalization, dropout, residual).train()
    functional.cross_entropy(reference(x), y).backward()
    expected = torch.cat([p.grad.reshape(-1) for p in reference.parameters()])

    own = network(activation, normalization, dropout, residual).train()
    flat = compiled(own)
    flat.write_gradients(x, y)
    idle = idle_biases(own)
    assert len(idle) == (3 if normalization == "batch" else 0)
    for bias in idle:
        # What autograd gives is rounding.
        assert not gradient(flat.gradients, own, bias).any()
        gradient(expected, own, bias).zero_()
    assert torch.allclose(flat.gradients, expected, rtol=1e-4, atol=1e-6)
    # In evaluation mode: with the statistics that moved.
    assert torch.allclose(flat.logits(x), reference.eval()(x), atol=1e-5)
    # Batch normalization's running statistics moved alike.
    for name, value in reference.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            assert torch.allclose(value, own.get_buffer(name))


def compiled(network, rate=0.01, decay=0.1, batch_size=32):
    return CompiledMLP(network, rate, decay, batch_size)


def gradient(gradients, network, parameter):
    """The part of flat gradients that is a parameter's."""
    start = 0
    for other in network.parameters():
        if other is parameter:
            return gradients[start : start + parameter.numel()]
        start += other.numel()
    raise AssertionError("not a parameter of the network")


@pytest.mark.parametrize(("activation", "normalization", "dropout", "residual"), CASES)
def test_an_epoch_is_pytorchs(activation, normalization, dropout, residual):
    """Two epochs of two whole batches and a partial one, with the masks that the module draws."""
    x, y = batch(75)
    reference = network(activation, normalization, dropout, residual).train()
    own = network(activation, normalization, dropout, residual)
    for net in (reference, own):  # masks continue where the draws have passed 32 bits
        net.hidden_2.dropout.draws.drawn = 2**32 - 300
    decay = 0.1 if residual else 10.0
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=decay)
    flat = compiled(own, 1e-3, decay)
    bounds = [(0, 32), (32, 64), (64, 75)]
    for _ in range(2):
        # Rows of one epoch have the masks that come next, batch after batch.
        for start, stop in bounds:
            optimizer.zero_grad()
            functional.cross_entropy(reference(x[start:stop]), y[start:stop]).backward()
            for bias in idle_biases(reference):
                bias.grad.zero_()
            optimizer.step()
        flat.epoch(x, y, bounds)
    for name, value in reference.named_parameters():
        assert torch.allclose(own.get_parameter(name), value, atol=2e-5), name
    counts = [int(b) for name, b in own.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [6] * len(idle_biases(own))
    assert torch.allclose(flat.logits(x), reference.eval()(x), atol=2e-4)


def test_far_inputs_are_those_of_pytorch():
    """Where an exponential would overflow, and at infinity and NaN."""
    for activation in sorted(ACTIVATIONS):
        net = MLP(1, 2, (1,), activation).eval()
        with torch.no_grad():
            net.hidden_1.linear.weight.fill_(1.0)
            net.hidden_1.linear.bias.zero_()
        flat = compiled(net)
        x = torch.tensor([-1e4, -90.0, -20.0, -1e-4, 0.0, 1e-4, 20.0, 90.0, 1e4])[:, None]
        assert torch.allclose(flat.logits(x), net(x), rtol=1e-5, atol=1e-6), activation
        diverged = flat.logits(torch.tensor([[float("nan")], [1.0]]))
        assert diverged[0].isnan().all()
        assert not diverged[1].isnan().any()


def test_one_row_more_than_a_batch_has_its_place():
    x, y = batch(257)
    reference = network("tanh", "layer", 0.0, False).train()
    functional.cross_entropy(reference(x), y).backward()
    expected = torch.cat([p.grad.reshape(-1) for p in reference.parameters()])
    flat = compiled(network("tanh", "layer", 0.0, False), batch_size=256)
    flat.epoch(x, y, [(0, 257)])
    assert torch.allclose(flat.gradients, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="A batch has 258 rows; there is room for 257"):
        flat.epoch(*batch(258), [(0, 258)])


def test_many_more_rows_than_a_batch_are_evaluated():
    flat = compiled(network("relu", "layer", 0.0, False))
    many = torch.randn(3000, 7, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(flat.logits(many)[2990:], flat.logits(many[2990:]), atol=1e-6)


def test_what_kernels_do_not_know_is_left_to_autograd():
    class Other(MLP):
        pass

    assert compilable(network("relu", "batch", 0.1, True))
    assert not compilable(Other(7, 4, (10,)))
    assert not compilable(MLP(7, 4, ()))
    assert not compilable(MLP(7, 4, (10,)).double())
    assert not compilable(network("relu", "batch", 0.1, True), "cuda")
    changed = [network("relu", "batch", 0.1, True) for _ in range(3)]
    changed[0].hidden_1.normalization.momentum = 0.5
    changed[1].hidden_2.linear.weight.requires_grad_(False)
    changed[2].hidden_3.activation = torch.nn.ELU()
    assert not any(map(compilable, changed))


@pytest.mark.parametrize("kind", ["named otherwise", "without a bias", "normalized first"])
def test_other_modules_keep_all_of_their_gradients(kind):
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.normalization = torch.nn.BatchNorm1d(7)
            self.linear = torch.nn.Linear(7, 4, bias=kind != "without a bias")
            if kind == "named otherwise":
                self.fc, self.linear = self.linear, torch.nn.Identity()

        def forward(self, x):
            layer = self.fc if kind == "named otherwise" else self.linear
            return layer(self.normalization(x))

    own, (x, y) = Own(), batch()
    FlatAutograd(own, 0.01, 0.1).write_gradients(x, y)
    assert all(p.grad.any() for p in own.parameters())


def test_the_module_sees_what_the_flat_vector_holds():
    net = network("relu", "batch", 0.0, False)
    before = torch.cat([p.detach().reshape(-1).clone() for p in net.parameters()])
    flat = compiled(net)
    assert torch.equal(flat.parameters, before)
    flat.parameters.mul_(2.0)
    after = torch.cat([p.detach().reshape(-1) for p in net.parameters()])
    assert torch.equal(after, 2 * before)


def test_the_flat_adamw_is_pytorchs():
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(50, generator=generator)
    parameter = torch.nn.Parameter(start.clone())
    theirs = torch.optim.AdamW([parameter], lr=0.02, weight_decay=0.1)
    values, gradients = start.clone(), torch.zeros(50)
    ours = FlatAdamW(values, gradients, 0.02, 0.1)
    for _ in range(20):
        gradients.copy_(torch.randn(50, generator=generator))
        parameter.grad = gradients.clone()
        theirs.step()
        ours.step()
    assert torch.allclose(values, parameter.detach(), rtol=1e-5, atol=1e-6)


def test_without_a_folder_to_keep_it_in_code_is_compiled_all_the_same(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", njit)
    assert jit.entry(abs)(-1) == 1


def test_kernels_use_no_estimates_of_reciprocals():
    """1 / sqrt(x) by a processor's estimate is another number on each maker's processors."""

    def scales(x):
        for i in range(len(x)):
            x[i] = jit.ONE / np.sqrt(x[i] + normalization.EPS)

    compiled = njit(**jit.OPTIONS)(scales)
    compiled(np.ones(64, np.float32))
    assembly = "".join(compiled.inspect_asm().values())
    assert "sqrt" in assembly
    assert not re.search(r"rsqrt|rcp|frecpe|frsqrte", assembly)
