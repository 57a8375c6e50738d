"""Gradients of the validation loss in alpha, against autograd through the step of the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from infoprior.search.darts import Cell, Supernet, first_order_gradient, second_order_gradient
from infoprior.search.darts.bilevel import gradients
from infoprior.spaces._cells import dense, dense_stem, none, skip


class Problem:
    """A supernet of smooth operations in float64, with training and validation rows."""

    def __init__(self, seed: int = 0) -> None:
        operations = {
            "none": none, "skip": skip,
            "tanh": partial(dense, activation="tanh"), "silu": partial(dense, activation="silu"),
        }  # fmt: skip
        cell = Cell(operations, dense_stem, width=4, nodes=3)
        self.net = Supernet(cell, 3, 2, seed=seed, alpha_scale=0.5).double()
        self.alpha = self.net.alpha = self.net.alpha.detach().double().requires_grad_()
        self.net.allowed = self.net.allowed.double()
        self.weights = list(self.net.parameters())
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(40, 3, generator=draw, dtype=torch.float64)
        y = (x[:, 0] * x[:, 1] > 0).long()
        self.train, self.validation = (x[:20], y[:20]), (x[20:], y[20:])

    def loss(self, part: tuple[Tensor, Tensor]) -> Tensor:
        return functional.cross_entropy(self.net(part[0]), part[1])

    def exact(self, step: float, direction: Callable[[list[Tensor]], list[Tensor]]) -> Tensor:
        """By autograd, through the step."""
        names = [name for name, _ in self.net.named_parameters()]
        first = torch.autograd.grad(self.loss(self.train), self.weights, create_graph=True)
        moved = [w - step * d for w, d in zip(self.weights, direction(list(first)), strict=True)]
        logits = functional_call(
            self.net, dict(zip(names, moved, strict=True)), (self.validation[0],)
        )
        loss = functional.cross_entropy(logits, self.validation[1])
        return torch.autograd.grad(loss, self.alpha)[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("momentum", [False, True])
def test_the_second_order_gradient_is_that_of_autograd(seed: int, momentum: bool) -> None:
    problem = Problem(seed)
    velocity = [torch.full_like(w, 0.3) for w in problem.weights]

    def direction(first: list[Tensor]) -> list[Tensor]:
        if not momentum:
            return first
        return [
            g + 0.9 * v + 0.01 * w.detach()
            for g, v, w in zip(first, velocity, problem.weights, strict=True)
        ]

    before = [w.detach().clone() for w in problem.weights]
    gradient = second_order_gradient(
        lambda: problem.loss(problem.train), lambda: problem.loss(problem.validation),
        problem.weights, problem.alpha, step=0.5, direction=direction, difference=1e-4,
    )  # fmt: skip
    exact = problem.exact(0.5, direction)
    assert torch.allclose(gradient, exact, rtol=1e-6, atol=1e-10)
    first = first_order_gradient(lambda: problem.loss(problem.validation), problem.alpha)
    assert (gradient - first).norm() > 1e4 * (gradient - exact).norm()
    assert all(torch.equal(w, b) for w, b in zip(problem.weights, before, strict=True))


def test_the_step_of_the_difference_that_darts_takes_is_short_enough() -> None:
    problem = Problem()
    gradient = second_order_gradient(
        lambda: problem.loss(problem.train), lambda: problem.loss(problem.validation),
        problem.weights, problem.alpha, step=0.5,
    )  # fmt: skip
    exact = problem.exact(0.5, lambda first: first)
    assert (gradient - exact).norm() < 1e-3 * exact.norm()


def test_without_a_step_the_second_order_is_the_first() -> None:
    problem = Problem()
    first = first_order_gradient(lambda: problem.loss(problem.validation), problem.alpha)
    second = second_order_gradient(
        lambda: problem.loss(problem.train), lambda: problem.loss(problem.validation),
        problem.weights, problem.alpha, step=0.0,
    )  # fmt: skip
    assert torch.equal(first, second)


def test_weights_come_back_after_an_error_in_the_loss() -> None:
    problem = Problem()
    before = [w.detach().clone() for w in problem.weights]

    def fails() -> Tensor:
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        second_order_gradient(
            lambda: problem.loss(problem.train), fails, problem.weights, problem.alpha, step=0.5
        )
    assert all(torch.equal(w, b) for w, b in zip(problem.weights, before, strict=True))


def test_a_loss_that_depends_on_nothing_has_zeros_as_its_gradient() -> None:
    alpha = torch.ones(2, requires_grad=True)
    assert gradients(torch.tensor(1.0), [alpha])[0].tolist() == [0.0, 0.0]
    assert gradients(alpha[0] * 2, [alpha, torch.ones(1, requires_grad=True)])[1].tolist() == [0.0]
