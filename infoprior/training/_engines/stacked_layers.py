"""The layers of a stack of networks: forward and backward passes over all of them at once.

Arrays are (K, n, width): network, row, unit. A layer is as wide as its widest network; units that
a network does not have are zero, and so are their weights, gains, shifts and gradients: the four
activations keep 0 at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoprior.spaces._dropout import MaskDraws

aten: Any = torch.ops.aten
Selection = slice | Tensor
"""Which networks of a layer: a run of them, or their numbers, int64."""

_FORWARD = {
    nn.ReLU: lambda z, out: aten.relu.out(z, out=out),
    nn.Tanh: lambda z, out: aten.tanh.out(z, out=out),
    nn.GELU: lambda z, out: aten.gelu.out(z, out=out),
    nn.SiLU: lambda z, out: aten.silu.out(z, out=out),
}
_BACKWARD = {
    nn.ReLU: lambda d, z, h, out: aten.threshold_backward.grad_input(d, h, 0.0, grad_input=out),
    nn.Tanh: lambda d, z, h, out: aten.tanh_backward.grad_input(d, h, grad_input=out),
    nn.GELU: lambda d, z, h, out: aten.gelu_backward.grad_input(d, z, grad_input=out),
    nn.SiLU: lambda d, z, h, out: aten.silu_backward.grad_input(d, z, grad_input=out),
}


class StackedLinear:
    """Affine maps of K networks.

    Args:
        weight: shape (K, n_out, n_in).
        bias: shape (K, 1, n_out).
        d_weight: gradient, shape of `weight`; `backward` writes it.
        d_bias: gradient, shape of `bias`; `backward` writes it.
    """

    def __init__(self, weight: Tensor, bias: Tensor, d_weight: Tensor, d_bias: Tensor) -> None:
        self.weight, self.bias = weight, bias
        self.weight_t = weight.transpose(1, 2)
        self.d_weight, self.d_bias = d_weight, d_bias

    def forward(self, x: Tensor) -> Tensor:
        """(K, n, n_in) -> (K, n, n_out)."""
        self.x = x
        return torch.baddbmm(self.bias, x, self.weight_t)

    def backward(self, d: Tensor, need_input: bool) -> Tensor:
        """Gradients of the parameters; that of the input, (K, n, n_in), where it is needed."""
        torch.bmm(d.transpose(1, 2), self.x, out=self.d_weight)
        torch.sum(d, 1, keepdim=True, out=self.d_bias)
        return torch.bmm(d, self.weight) if need_input else d


class StackedNorm:
    """Normalization of the networks `select` of a layer: over rows (batch) or units (layer).

    Ioffe & Szegedy, "Batch Normalization", ICML 2015, algorithm 1; Ba, Kiros & Hinton, "Layer
    Normalization", 2016, equation 4. Over units, only those count that a network has.

    Args:
        kind: "batch" or "layer".
        select: k of the layer's networks.
        gain: shape (k, 1, width).
        shift: shape (k, 1, width).
        d_gain: gradient, shape of `gain`; `backward` writes it.
        d_shift: gradient, shape of `shift`; `backward` writes it.
        has_unit: shape (k, 1, width): 1 where a network has the unit, else 0.
        eps: added to variances.
        momentum: of running statistics.
    """

    def __init__(
        self,
        kind: str,
        select: Selection,
        gain: Tensor,
        shift: Tensor,
        d_gain: Tensor,
        d_shift: Tensor,
        has_unit: Tensor,
        eps: float,
        momentum: float,
    ) -> None:
        self.select, self.eps, self.momentum = select, eps, momentum
        self.members: list[Any] = []
        self.gain, self.shift, self.d_gain, self.d_shift = gain, shift, d_gain, d_shift
        self.has_unit, self.n_units = has_unit, has_unit.sum(2, keepdim=True)
        self.padded = not bool(has_unit.all())
        self.over_rows = kind == "batch"
        if self.over_rows:
            self.running_mean = torch.zeros_like(gain).view(-1)
            self.running_var = torch.ones_like(self.running_mean)

    def forward(self, z: Tensor) -> None:
        """Normalize z, shape (K, n, width), in place."""
        part = z[self.select]
        if self.over_rows:
            # All units of all networks are the channels of one batch normalization.
            rows_first = part.transpose(0, 1).clone(memory_format=torch.contiguous_format)
            self.before = rows_first.view(z.shape[1], -1)
            out, self.mean, self.scale = aten.native_batch_norm(
                self.before, self.gain.view(-1), self.shift.view(-1), self.running_mean,
                self.running_var, True, self.momentum, self.eps,
            )  # fmt: skip
            z[self.select] = out.view(z.shape[1], len(part), -1).transpose(0, 1)
            return
        mean = part.sum(2, keepdim=True).div_(self.n_units)
        centred = part - mean
        if self.padded:
            centred.mul_(self.has_unit)
        var = (centred * centred).sum(2, keepdim=True).div_(self.n_units)
        self.scale = var.add_(self.eps).rsqrt_()
        self.normal = centred.mul_(self.scale)
        z[self.select] = torch.addcmul(self.shift, self.normal, self.gain)

    def backward(self, d: Tensor) -> None:
        """Gradients of gain and shift; d, shape (K, n, width), becomes that of the input."""
        part = d[self.select]
        if self.over_rows:
            out, gain, shift = aten.native_batch_norm_backward(
                part.transpose(0, 1).reshape(d.shape[1], -1), self.before, self.gain.view(-1),
                self.running_mean, self.running_var, self.mean, self.scale, True, self.eps,
                [True, True, True],
            )  # fmt: skip
            self.d_gain.view(-1).copy_(gain)
            self.d_shift.view(-1).copy_(shift)
            d[self.select] = out.view(d.shape[1], len(part), -1).transpose(0, 1)
            return
        torch.sum(part * self.normal, 1, keepdim=True, out=self.d_gain)
        torch.sum(part, 1, keepdim=True, out=self.d_shift)
        inner = part * self.gain
        along = (inner * self.normal).sum(2, keepdim=True).div_(self.n_units)
        inner = inner - inner.sum(2, keepdim=True).div_(self.n_units)
        inner.addcmul_(self.normal, along, value=-1.0)
        if self.padded:
            inner.mul_(self.has_unit)
        d[self.select] = inner.mul_(self.scale)


class StackedLayer:
    """A hidden layer of K networks: linear, normalization, activation, dropout, residual.

    Args:
        linear: of all K.
        norms: of those that have one.
        activations: runs of networks with the same: (first, last + 1, class of the module).
        widths: units of each network.
        keeps: probability to keep a unit, of each network; 1 for no dropout.
        draws: of the dropout masks.
        residual: whether each network adds its input.
        first: whether this is the first hidden layer.
    """

    def __init__(
        self,
        linear: StackedLinear,
        norms: Sequence[StackedNorm],
        activations: Sequence[tuple[int, int, type[nn.Module]]],
        widths: Sequence[int],
        keeps: Sequence[float],
        draws: Sequence[MaskDraws],
        residual: Sequence[bool],
        first: bool,
    ) -> None:
        self.linear, self.norms, self.first = linear, norms, first
        self.runs = [b - a for a, b, _ in activations]
        self.activate = [_FORWARD[kind] for _, _, kind in activations]
        self.activate_backward = [_BACKWARD[kind] for _, _, kind in activations]
        self.widths, self.keeps, self.draws = widths, keeps, draws
        self.dropout = min(keeps) < 1.0
        weight = linear.weight
        self.residual = any(residual)
        self.adds = torch.tensor(residual, dtype=weight.dtype, device=weight.device).view(-1, 1, 1)
        self.common = min(weight.shape[1:])

    def draw_masks(self, n: int) -> None:
        """Masks for the n rows of an epoch, those that each network would draw alone."""
        if not self.dropout:
            return
        weight = self.linear.weight
        self.masks = torch.ones(
            len(self.widths), n, weight.shape[1], dtype=weight.dtype, device=weight.device
        )
        for k, (width, keep) in enumerate(zip(self.widths, self.keeps, strict=True)):
            if keep < 1.0:
                self.masks[k, :, :width] = self.draws[k].masks(n, width, keep, weight.device)

    def forward(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Rows start:stop of an epoch, (K, n, n_in) -> (K, n, width)."""
        z = self.linear.forward(x)
        for norm in self.norms:
            norm.forward(z)
        h = torch.empty_like(z)
        for activate, *run in zip(
            self.activate, z.split(self.runs), h.split(self.runs), strict=True
        ):
            activate(*run)
        self.z, self.h = z, h
        if self.dropout:
            self.mask = self.masks[:, start:stop]
            h = h * self.mask
        if self.residual:
            h = h if self.dropout else h.clone()
            h[..., : self.common].addcmul_(x[..., : self.common], self.adds)
        return h

    def backward(self, d_out: Tensor) -> Tensor:
        """Gradient in the output, (K, n, width) -> in the input, (K, n, n_in)."""
        d_h = d_out * self.mask if self.dropout else d_out
        d = torch.empty_like(d_h)
        whole = (part.split(self.runs) for part in (d_h, self.z, self.h, d))
        for backward, *run in zip(self.activate_backward, *whole, strict=True):
            backward(*run)
        for norm in self.norms:
            norm.backward(d)
        d = self.linear.backward(d, not self.first)
        if self.residual and not self.first:
            d[..., : self.common].addcmul_(d_out[..., : self.common], self.adds)
        return d
