"""The layer z = (w + G) x + b, and its training by its own entropy alone."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.search import entropy_gradient
from infoprior.search.entropy_gradient import (
    EntropyError,
    EntropyLinear,
    decision_entropy,
    train_locally,
)


def rows(n: int = 60, width: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(9), dtype=dtype)


def stack(*widths: int, dtype: torch.dtype = torch.float64) -> list[EntropyLinear]:
    """Layers whose G is not zero."""
    layers = [EntropyLinear(a, b, seed=i, dtype=dtype) for i, (a, b) in enumerate(pairwise(widths))]
    for i, layer in enumerate(layers):
        with torch.no_grad():
            layer.G.normal_(generator=torch.Generator().manual_seed(50 + i))
    return layers


def test_the_examples_run() -> None:
    assert doctest.testmod(entropy_gradient).attempted > 4
    assert doctest.testmod(entropy_gradient).failed == 0


def test_it_computes_w_plus_g_and_folds_to_an_ordinary_layer() -> None:
    [layer] = stack(5, 3)
    x = rows()
    expected = x @ (layer.w + layer.G).T + layer.b
    torch.testing.assert_close(layer(x), expected)
    folded = layer.folded()
    assert type(folded) is nn.Linear
    torch.testing.assert_close(folded(x), expected)
    assert {name for name, _ in layer.named_parameters()} == {"w", "G", "b"}


def test_it_begins_as_an_ordinary_layer_drawn_from_its_seed() -> None:
    layer, again, other = (EntropyLinear(400, 30, seed=s) for s in (0, 0, 1))
    assert torch.equal(layer.w, again.w)
    assert not torch.equal(layer.w, other.w)
    assert not layer.G.any()
    w = layer.w.detach()
    assert float(w.abs().max()) <= 1.0 / 20.0
    assert float(w.std()) == pytest.approx(1.0 / 20.0 / math.sqrt(3.0), rel=0.05)


def test_autograd_gives_w_and_g_the_same_gradient() -> None:
    [layer] = stack(5, 3)
    decision_entropy(layer(rows())).sum().backward()
    assert layer.w.grad is not None
    assert layer.G.grad is not None
    assert torch.equal(layer.w.grad, layer.G.grad)


def test_one_step_is_the_documents_update_of_every_layer() -> None:
    layers, expected, x = stack(5, 4, 3), stack(5, 4, 3), rows()
    train_locally(layers, x, eta=0.3)
    for layer in expected:
        z = layer(x)
        d = torch.sigmoid(z)
        h = functional.binary_cross_entropy_with_logits(z, d, reduction="none") / math.log(2.0)
        gradients = torch.autograd.grad(h.sum(1).mean(), [layer.w, layer.G, layer.b])
        x = d.detach()
        with torch.no_grad():
            for parameter, gradient in zip((layer.w, layer.G, layer.b), gradients, strict=True):
                parameter -= 0.3 * gradient
    for layer, other in zip(layers, expected, strict=True):
        for own, parameter in zip(layer.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(own, parameter, rtol=0.0, atol=1e-14)


def test_a_layer_hears_nothing_of_a_later_one() -> None:
    alone, first, x = stack(5, 4), stack(5, 4, 3), rows()
    train_locally(alone, x, eta=0.5, epochs=5)
    train_locally(first, x, eta=0.5, epochs=5)
    assert torch.equal(alone[0].w, first[0].w)


def test_entropy_falls_in_every_layer_and_no_gradient_is_left_behind() -> None:
    layers = stack(5, 6, 4)
    bits = train_locally(layers, rows(), eta=0.5, epochs=40, batch_size=16)
    assert len(bits) == 41
    assert all(end < 0.7 * begin for begin, end in zip(bits[0], bits[-1], strict=True))
    assert all(p.grad is None and p.requires_grad for layer in layers for p in layer.parameters())


def test_decisions_keep_the_side_on_which_they_lean() -> None:
    """One row through the origin: z grows in size and never changes its sign."""
    x = rows(1)
    layers = stack(5, 50)
    before = layers[0](x).detach()
    train_locally(layers, x, eta=0.1, epochs=30)
    after = layers[0](x).detach()
    assert torch.equal(after.sign(), before.sign())
    assert (after.abs() > before.abs()).all()


@pytest.mark.parametrize(("eta_w", "eta_g"), [(0.2, 0.2), (0.3, 0.1), (0.4, 0.0), (0.0, 0.4)])
def test_w_and_g_are_one_matrix_with_the_sum_of_their_step_sizes(
    eta_w: float, eta_g: float
) -> None:
    x, layers, begin = rows(), stack(5, 4, 3), stack(5, 4, 3)
    ones = [EntropyLinear(5, 4, dtype=x.dtype), EntropyLinear(4, 3, dtype=x.dtype)]
    with torch.no_grad():
        for one, layer in zip(ones, begin, strict=True):
            one.w.copy_(layer.w + layer.G)
            one.b.copy_(layer.b)
    for _ in range(30):
        train_locally(layers, x, eta=(eta_w, eta_g, 0.1), batch_size=20)
        train_locally(ones, x, eta=(0.4, 0.0, 0.1), batch_size=20)
        for layer, one in zip(layers, ones, strict=True):
            torch.testing.assert_close(layer.w + layer.G, one.w, rtol=0.0, atol=1e-12)
            torch.testing.assert_close(layer.b, one.b, rtol=0.0, atol=1e-12)
    for layer, old in zip(layers, begin, strict=True):
        invariant = eta_g * layer.w - eta_w * layer.G
        torch.testing.assert_close(invariant, eta_g * old.w - eta_w * old.G, rtol=0.0, atol=1e-12)
        moved = (layer.w + layer.G - old.w - old.G).detach()
        assert float(moved.abs().max()) > 0.1


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two, other = (stack(5, 4, 3) for _ in range(3))
    options: dict[str, Any] = {"eta": 0.5, "epochs": 3, "batch_size": 7}
    assert train_locally(one, rows(), **options) == train_locally(two, rows(), **options)
    assert train_locally(other, rows(), **options, seed=1) != train_locally(two, rows(), **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": []}, "at least one"),
        ({"layers": [nn.Linear(5, 3)]}, "EntropyLinear layers only"),
        ({"layers": 3}, "EntropyLinear layers only"),
        ({"layers": stack(4, 3)}, r"layers\[0\] reads 4 inputs and is given 5"),
        ({"layers": [*stack(5, 3), *stack(4, 2)]}, r"layers\[1\] reads 4 inputs and is given 3"),
        ({"layers": stack(5, 3, dtype=torch.float32)}, r"layers\[0\] is of torch.float32"),
        ({"x": [[1.0]]}, "x is of type list; give a torch tensor"),
        ({"x": rows()[0]}, r"x is of shape \(5,\)"),
        ({"x": rows()[:0]}, r"x is of shape \(0, 5\)"),
        ({"x": rows() * math.inf}, "not finite"),
        ({"eta": -1.0}, "eta is -1.0"),
        ({"eta": "a"}, "eta is 'a'"),
        ({"eta": (0.1, math.nan, 0.1)}, "eta is nan"),
        ({"eta": (0.1, 0.1)}, "eta holds 2 step sizes"),
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"threads": 0}, "threads = 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"layers": stack(5, 3), "x": rows(), "eta": 0.1} | arguments
    with pytest.raises(EntropyError, match=message):
        train_locally(given.pop("layers"), given.pop("x"), **given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_in": 0}, "n_in = 0"), ({"n_out": 2.5}, "n_out = 2.5"), ({"seed": None}, "seed = None"),
        ({"dtype": torch.float16}, "dtype is torch.float16"), ({"dtype": "a"}, "dtype is 'a'"),
    ],
)  # fmt: skip
def test_what_is_no_layer_is_refused(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"n_in": 3, "n_out": 2} | arguments
    with pytest.raises(EntropyError, match=message):
        EntropyLinear(given.pop("n_in"), given.pop("n_out"), **given)
