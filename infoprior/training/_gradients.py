"""Forward and backward passes of an `MLP`, written out: no autograd, one flat parameter vector.

Networks this small spend their time between operations, not in them. Written out, a step of a
three-layer network is some forty operations instead of several hundred, and AdamW is one on the
flat vector. The gradients are tested against autograd for every kind of layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.spaces._mlp import dropout_mask

if TYPE_CHECKING:
    from infoprior.spaces._mlp import MLP, Block

aten: Any = torch.ops.aten


class FlatMLP:
    """A network whose parameters and gradients are views of two flat vectors.

    The module stays usable: its parameters become views of `values`, so that what a step writes is
    what the module computes with.

    Args:
        network: an `MLP`; its parameters move into the flat vector.

    Attributes:
        values, gradients: shape (n_parameters,), float32.
    """

    def __init__(self, network: MLP) -> None:
        parameters = list(network.parameters())
        self.values = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradients = torch.zeros_like(self.values)
        views: dict[int, Tensor] = {}
        start = 0
        for parameter in parameters:
            part = slice(start, start + parameter.numel())
            parameter.data = self.values[part].view_as(parameter)
            views[id(parameter)] = self.gradients[part].view_as(parameter)
            start += parameter.numel()
        blocks = [network._modules[name] for name in network.layer_names]
        self.layers = [_Layer(block, views, first=i == 0) for i, block in enumerate(blocks)]  # type: ignore[arg-type]
        self.output = _Linear(network.output, views)

    def start_epoch(self, x: Tensor, y: Tensor) -> None:
        """Take the rows of an epoch in their order, and draw all of its dropout masks.

        Args:
            x: shape (n, n_features), float32.
            y: shape (n,), int64.
        """
        self.x = x
        self.targets = functional.one_hot(y, self.output.bias.numel()).to(x.dtype)
        for layer in self.layers:
            layer.draw_mask(len(y))

    def step_gradients(self, start: int, stop: int) -> None:
        """Write the gradient of the mean cross-entropy of rows start:stop into `gradients`."""
        h = self.x[start:stop]
        for layer in self.layers:
            h = layer.forward(h, start, stop)
        d = torch.softmax(self.output.forward(h), 1)
        d.sub_(self.targets[start:stop]).div_(stop - start)
        d = self.output.backward(d, need_input=True)
        for layer in reversed(self.layers):
            d = layer.backward(d)


class _Linear:
    def __init__(
        self, linear: nn.Linear, views: dict[int, Tensor], bias_matters: bool = True
    ) -> None:
        # Batch normalization takes a bias out again. Its gradient is zero, and rounding errors in
        # its place would be blown up to whole steps by AdamW: a random walk.
        self.bias_matters = bias_matters
        self.weight, self.bias = linear.weight.data, linear.bias.data
        self.weight_t = self.weight.t()
        self.d_weight, self.d_bias = views[id(linear.weight)], views[id(linear.bias)]

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return torch.addmm(self.bias, x, self.weight_t)

    def backward(self, d: Tensor, need_input: bool) -> Tensor:
        torch.mm(d.t(), self.x, out=self.d_weight)
        if self.bias_matters:
            torch.sum(d, 0, out=self.d_bias)
        return d.mm(self.weight) if need_input else d


class _Layer:
    """One `Block` in training mode: linear, normalization, activation, dropout, residual."""

    def __init__(self, block: Block, views: dict[int, Tensor], first: bool) -> None:
        self.norm = block.normalization
        self.linear = _Linear(block.linear, views, not isinstance(self.norm, nn.BatchNorm1d))
        if not isinstance(self.norm, nn.Identity):
            self.d_gain, self.d_shift = views[id(self.norm.weight)], views[id(self.norm.bias)]  # type: ignore[union-attr]
        self.kind = type(block.activation)
        self.keep = 1.0 - block.dropout.p
        self.generator = block.dropout.generator
        self.residual = block.residual
        self.need_input = not first

    def draw_mask(self, n: int) -> None:
        """Masks for the n rows of an epoch."""
        if self.keep < 1.0:
            bias = self.linear.bias
            # Drawn on the CPU wherever the network is: the same masks on every device.
            masks = dropout_mask(n, len(bias), self.keep, self.generator)
            self.masks = masks.to(bias.device)

    def forward(self, x: Tensor, start: int, stop: int) -> Tensor:
        z = self.linear.forward(x)
        norm = self.norm
        if isinstance(norm, nn.BatchNorm1d):
            self.before = z
            z, self.mean, self.scale = aten.native_batch_norm(
                z, norm.weight, norm.bias, norm.running_mean, norm.running_var, True,
                norm.momentum, norm.eps,
            )  # fmt: skip
        elif isinstance(norm, nn.LayerNorm):
            self.before = z
            z, self.mean, self.scale = aten.native_layer_norm(
                z, norm.normalized_shape, norm.weight, norm.bias, norm.eps
            )
        self.z = z
        self.h = h = self._activate(z)
        if self.keep < 1.0:
            self.mask = self.masks[start:stop]
            h = h * self.mask
        return h + x if self.residual else h

    def backward(self, d_out: Tensor) -> Tensor:
        d = d_out * self.mask if self.keep < 1.0 else d_out
        d = self._activation_backward(d)
        norm = self.norm
        if isinstance(norm, nn.BatchNorm1d):
            d, gain, shift = aten.native_batch_norm_backward(
                d, self.before, norm.weight, norm.running_mean, norm.running_var, self.mean,
                self.scale, True, norm.eps, [True, True, True],
            )  # fmt: skip
            self.d_gain.copy_(gain)
            self.d_shift.copy_(shift)
        elif isinstance(norm, nn.LayerNorm):
            d, gain, shift = aten.native_layer_norm_backward(
                d, self.before, norm.normalized_shape, self.mean, self.scale, norm.weight,
                norm.bias, [True, True, True],
            )  # fmt: skip
            self.d_gain.copy_(gain)
            self.d_shift.copy_(shift)
        d = self.linear.backward(d, self.need_input)
        return d + d_out if self.residual and self.need_input else d

    def _activate(self, z: Tensor) -> Tensor:
        if self.kind is nn.ReLU:
            return torch.relu(z)
        if self.kind is nn.Tanh:
            return torch.tanh(z)
        if self.kind is nn.GELU:
            return aten.gelu(z)
        return aten.silu(z)

    def _activation_backward(self, d: Tensor) -> Tensor:
        if self.kind is nn.ReLU:
            return aten.threshold_backward(d, self.h, 0.0)
        if self.kind is nn.Tanh:
            return aten.tanh_backward(d, self.h)
        if self.kind is nn.GELU:
            return aten.gelu_backward(d, self.z)
        return aten.silu_backward(d, self.z)
