"""A stack's gradients and steps against those of each network by itself, in float64."""

import itertools

import pytest
import torch

from infoprior.spaces._mlp import ACTIVATIONS, MLP, NORMALIZATIONS
from infoprior.training._engines.autograd import FlatAutograd
from infoprior.training._engines.settings import TrainingSettings
from infoprior.training._engines.stacked import NetworkStack, stack_order

KINDS = list(
    itertools.product(sorted(ACTIVATIONS), sorted(NORMALIZATIONS), (0.0, 0.3), (False, True))
)
SHAPES = ((7,), (12, 12, 5), (9, 4), (7, 7, 7, 7), (3, 16))


def networks():
    """One of every kind, in five shapes; 7 features, so that first layers can be residual too."""
    return [
        MLP(7, 4, SHAPES[i % len(SHAPES)], *kind, seed=i).double() for i, kind in enumerate(KINDS)
    ]


def rows(k, n):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(k, n, 7, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 4, (k, n), generator=generator)


def parameters(network):
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


@pytest.mark.parametrize("which", [slice(None), slice(0, None, 7), slice(5, 6)])
def test_every_network_steps_as_by_itself(which):
    """Three epochs of full batches and a partial last one."""
    alone, stacked = networks()[which], networks()[which]
    order = stack_order(stacked)
    alone, stacked = [alone[i] for i in order], [stacked[i] for i in order]
    settings = [
        TrainingSettings(learning_rate=1e-3 * (1 + i % 5), weight_decay=0.1 * (i % 3), batch_size=8)
        for i in range(len(order))
    ]
    x, y = rows(len(order), 23)
    bounds = [(0, 8), (8, 16), (16, 23)]
    with torch.inference_mode():
        stack = NetworkStack(stacked, settings)
        for _ in range(3):
            stack.start_epoch(x, y)
            for start, stop in bounds:
                stack.step_gradients(start, stop)
                stack.step()
        stack.write_back()
    for i, network in enumerate(alone):
        flat = FlatAutograd(network, settings[i].learning_rate, settings[i].weight_decay)
        for _ in range(3):
            network.train()
            for start, stop in bounds:
                flat.write_gradients(x[i, start:stop], y[i, start:stop])
                flat.step()
        assert torch.allclose(parameters(network), parameters(stacked[i]), rtol=1e-8, atol=1e-9)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                assert torch.allclose(buffer, stacked[i].get_buffer(name))
