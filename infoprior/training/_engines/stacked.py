"""A stack of networks of any shapes, trained as one: no work per network in a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.spaces._mlp import MLP, Block
from infoprior.training._engines.adamw import StackedAdamW
from infoprior.training._engines.settings import TrainingSettings
from infoprior.training._engines.stacked_layers import (
    Selection,
    StackedLayer,
    StackedLinear,
    StackedNorm,
)

_NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def stack_order(networks: Sequence[MLP]) -> list[int]:
    """The order that a stack needs: deep networks first, like activations together."""

    def key(i: int) -> tuple[int, str, str]:
        block = _blocks(networks[i])[0]
        return (
            -len(_blocks(networks[i])),
            str(type(block.activation)),
            str(type(block.normalization)),
        )

    return sorted(range(len(networks)), key=key)


class NetworkStack:
    """Networks with the same inputs, classes and batch size, computed as one.

    Layer l holds the networks deeper than l, which come first. The parameters of all are one flat
    vector, layer by layer, with one optimiser whose learning rate and weight decay are vectors.

    Args:
        networks: in `stack_order`; they are read once, and written by `write_back`.
        settings: of each network; all have the same batch size.
        device: where the stack computes.

    Attributes:
        parameters: of all networks, a flat vector, padded with zeros.
        gradients: of the last batch, a vector of the same shape.
    """

    def __init__(
        self, networks: Sequence[MLP], settings: Sequence[TrainingSettings], device: str = "cpu"
    ) -> None:
        self.networks = networks
        self.blocks = [_blocks(network) for network in networks]
        like = networks[0].output.weight
        self.dtype, self.device = like.dtype, torch.device(device)
        self.n_classes, n_features = (
            len(networks[0].output.bias),
            self.blocks[0][0].linear.in_features,
        )
        depths = [len(blocks) for blocks in self.blocks]
        if depths != sorted(depths, reverse=True):
            raise ValueError("A stack holds deep networks first: see stack_order.")
        self.active = [sum(d > level for d in depths) for level in range(depths[0])]
        wide = [
            max(b[level].linear.out_features for b in self.blocks[:k])
            for level, k in enumerate(self.active)
        ]
        self.last_width = max(b[-1].linear.out_features for b in self.blocks)

        # What each part of the flat vector is: (networks, shape, the module's tensor of each).
        self._parts: list[tuple[list[int], tuple[int, ...], list[Tensor]]] = []
        plans = []
        n_in = n_features
        self._without_gradient: list[tuple[int, int]] = []
        for level, (k, width) in enumerate(zip(self.active, wide, strict=True)):
            level_blocks = [self.blocks[i][level] for i in range(k)]
            linear = self._affine(list(range(k)), [b.linear for b in level_blocks], width, n_in)
            # Batch normalization takes a bias out again: it has no gradient, only rounding errors.
            self._without_gradient += [
                (linear[1], i) for i, block in enumerate(level_blocks)
                if isinstance(block.normalization, nn.BatchNorm1d)
            ]  # fmt: skip
            norms = []
            for kind, module in _NORMS.items():
                having = [i for i in range(k) if isinstance(level_blocks[i].normalization, module)]
                if having:
                    of: list[Any] = [level_blocks[i].normalization for i in having]
                    gain = self._part(having, (1, width), [m.weight for m in of])
                    norms.append(
                        (kind, having, gain, self._part(having, (1, width), [m.bias for m in of]))
                    )
            plans.append((level_blocks, linear, norms))
            n_in = width
        output = self._affine(
            list(range(len(networks))),
            [n.output for n in networks],
            self.n_classes,
            self.last_width,
        )
        self._allocate(settings)
        self.layers = [self._layer(level, *plan) for level, plan in enumerate(plans)]
        self.output = self._linear(output)

    # Building --------------------------------------------------------------------------------

    def _part(self, members: list[int], shape: tuple[int, ...], tensors: list[Tensor]) -> int:
        """Register parameters of several networks; the number of their place in the flat vector."""
        self._parts.append((members, shape, tensors))
        return len(self._parts) - 1

    def _affine(
        self, members: list[int], linears: Sequence[nn.Linear], n_out: int, n_in: int
    ) -> tuple[int, int]:
        """Register weights and biases; the numbers of their places."""
        weight = self._part(members, (n_out, n_in), [m.weight for m in linears])
        return weight, self._part(members, (1, n_out), [m.bias for m in linears])

    def _allocate(self, settings: Sequence[TrainingSettings]) -> None:
        """The flat vectors, the parameters in their places."""
        total = sum(len(m) * math.prod(shape) for m, shape, _ in self._parts)
        self.parameters = torch.zeros(total, dtype=self.dtype, device=self.device)
        self.gradients = torch.zeros_like(self.parameters)
        rates, decays = torch.empty_like(self.parameters), torch.empty_like(self.parameters)
        rate_views = []
        self.views: list[Tensor] = []
        self.d_views: list[Tensor] = []
        start = 0
        for members, shape, tensors in self._parts:
            stop = start + len(members) * math.prod(shape)
            whole = (len(members), *shape)
            self.views.append(self.parameters[start:stop].view(whole))
            self.d_views.append(self.gradients[start:stop].view(whole))
            rate_views.append(rates[start:stop].view(whole))
            for j, (i, tensor) in enumerate(zip(members, tensors, strict=True)):
                _corner(self.views[-1][j], tensor).copy_(tensor.detach())
                rate_views[-1][j] = settings[i].learning_rate
                decays[start:stop].view(whole)[j] = settings[i].weight_decay
            start = stop
        self.optimizer = StackedAdamW(self.parameters, self.gradients, rates, decays)
        # The optimiser holds what weights decay by; these move by nothing else.
        for part, j in self._without_gradient:
            rate_views[part][j] = 0.0

    def _linear(self, where: tuple[int, int]) -> StackedLinear:
        w, b = where
        return StackedLinear(self.views[w], self.views[b], self.d_views[w], self.d_views[b])

    def _layer(
        self,
        level: int,
        blocks: Sequence[Block],
        linear: tuple[int, int],
        norms: Sequence[tuple[str, list[int], int, int]],
    ) -> StackedLayer:
        kinds = [type(b.activation) for b in blocks]
        runs, start = [], 0
        for kind, group in groupby(kinds):
            stop = start + len(list(group))
            runs.append((start, stop, kind))
            start = stop
        widths = [b.linear.out_features for b in blocks]
        return StackedLayer(
            self._linear(linear),
            [self._norm(blocks, widths, *norm) for norm in norms],
            runs,
            widths,
            [1.0 - b.dropout.p for b in blocks],
            [b.dropout.draws for b in blocks],
            [b.residual for b in blocks],
            first=level == 0,
        )

    def _norm(
        self,
        blocks: Sequence[Block],
        widths: Sequence[int],
        kind: str,
        having: list[int],
        gain: int,
        shift: int,
    ) -> StackedNorm:
        has_unit = torch.zeros_like(self.views[gain])
        for j, i in enumerate(having):
            has_unit[j, :, : widths[i]] = 1.0
        module: Any = blocks[having[0]].normalization
        select: Selection = slice(having[0], having[-1] + 1)
        if having != list(range(having[0], having[-1] + 1)):
            select = torch.tensor(having, device=self.device)
        norm = StackedNorm(
            kind, select, self.views[gain], self.views[shift], self.d_views[gain],
            self.d_views[shift], has_unit, module.eps, getattr(module, "momentum", 0.0),
        )  # fmt: skip
        norm.members = [blocks[i].normalization for i in having]
        return norm

    # Training --------------------------------------------------------------------------------

    def start_epoch(self, x: Tensor, y: Tensor) -> None:
        """Take every network's rows in its order, and draw the epoch's dropout masks.

        Args:
            x: shape (K, n, n_features).
            y: classes, shape (K, n), int64.
        """
        self.x = x
        self.targets = functional.one_hot(y, self.n_classes).to(x.dtype)
        for layer in self.layers:
            layer.draw_masks(y.shape[1])

    def step_gradients(self, start: int, stop: int) -> None:
        """Write the gradients of each network's mean cross-entropy of its rows start:stop."""
        h = self.x[:, start:stop]
        ends = []
        for level, layer in enumerate(self.layers):
            h = layer.forward(h[: self.active[level]], start, stop)
            ends.append(h)
        ended = [*self.active[1:], 0]
        last = self._gather(ends, ended)
        d = torch.softmax(self.output.forward(last), 2)
        d.sub_(self.targets[:, start:stop]).div_(stop - start)
        d_last = self.output.backward(d, need_input=True)
        d_h: Tensor | None = None
        for level in reversed(range(len(self.layers))):
            width, k, deeper = ends[level].shape[2], self.active[level], ended[level]
            if deeper == k:
                assert d_h is not None
                d_out = d_h
            else:
                d_out = _fit(d_last[deeper:k], width)
                if d_h is not None:
                    d_out = torch.cat([d_h, d_out])
            d_h = self.layers[level].backward(d_out)

    def _gather(self, ends: list[Tensor], ended: list[int]) -> Tensor:
        """Last hidden layers of all networks, shape (K, n, last_width)."""
        parts = [
            _fit(h[deeper:], self.last_width)
            for h, deeper in zip(reversed(ends), reversed(ended), strict=True)
            if deeper < len(h)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def step(self) -> None:
        """One update of all networks."""
        self.optimizer.step()

    def diverged(self) -> list[bool]:
        """Of each network, whether a parameter is NaN."""
        diverged = [False] * len(self.networks)
        if not bool(self.parameters.isnan().any()):
            return diverged
        for (members, _, _), view in zip(self._parts, self.views, strict=True):
            for i, is_nan in zip(members, view.isnan().flatten(1).any(1).tolist(), strict=True):
                diverged[i] = diverged[i] or is_nan
        return diverged

    @torch.no_grad()
    def write_back(self) -> None:
        """Put parameters and running statistics into the networks."""
        for (_, _, tensors), view in zip(self._parts, self.views, strict=True):
            for j, tensor in enumerate(tensors):
                tensor.copy_(_corner(view[j], tensor))
        for layer in self.layers:
            for norm in layer.norms:
                if norm.over_rows:
                    mean, var = (
                        r.view(norm.gain.shape) for r in (norm.running_mean, norm.running_var)
                    )
                    for j, module in enumerate(norm.members):
                        module.running_mean.copy_(_corner(mean[j], module.running_mean))
                        module.running_var.copy_(_corner(var[j], module.running_var))


def _blocks(network: MLP) -> list[Block]:
    return [network._modules[name] for name in network.layer_names]  # type: ignore[misc]


def _corner(padded: Tensor, tensor: Tensor) -> Tensor:
    """The part of a padded parameter that is a network's own, in its shape."""
    if tensor.ndim == 1:
        return padded[0, : len(tensor)]
    return padded[: tensor.shape[0], : tensor.shape[1]]


def _fit(h: Tensor, width: int) -> Tensor:
    """h, (K, n, have), with units cut off (they are zero) or zeros added: (K, n, width)."""
    have = h.shape[2]
    if have == width:
        return h
    return h[..., :width] if have > width else functional.pad(h, (0, width - have))
