"""The written-out passes against autograd, and the flat AdamW against PyTorch's."""

import itertools

import pytest
import torch
from torch.nn import functional

from infoprior.spaces._mlp import ACTIVATIONS, MLP, NORMALIZATIONS
from infoprior.training._gradients import FlatMLP
from infoprior.training._optimizer import FlatAdamW


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
    flat = FlatMLP(own)
    with torch.no_grad():
        flat.start_epoch(x, y)
        flat.step_gradients(0, len(y))
    assert torch.allclose(flat.gradients, expected, rtol=1e-4, atol=1e-6)
    # Batch normalization's running statistics moved alike.
    for name, value in reference.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            assert torch.allclose(value, own.get_buffer(name))


def test_a_batch_sees_its_own_rows_only():
    x, y = batch()
    nets = [FlatMLP(network("relu", "layer", 0.0, False)) for _ in range(2)]
    with torch.no_grad():
        nets[0].start_epoch(x, y)
        nets[0].step_gradients(5, 20)
        nets[1].start_epoch(x[5:20], y[5:20])
        nets[1].step_gradients(0, 15)
    assert torch.equal(nets[0].gradients, nets[1].gradients)


def test_the_module_sees_what_the_flat_vector_holds():
    net = network("relu", "batch", 0.0, False)
    before = torch.cat([p.detach().reshape(-1).clone() for p in net.parameters()])
    flat = FlatMLP(net)
    assert torch.equal(flat.values, before)
    flat.values.mul_(2.0)
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
