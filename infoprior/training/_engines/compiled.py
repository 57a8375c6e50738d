"""An `MLP` whose training is compiled: no Python and no PyTorch between the batches of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba.core.event import Listener, install_listener
from torch import Tensor, nn

from infoprior._progress import notice
from infoprior.spaces import _dropout
from infoprior.training._engines import kernels

if TYPE_CHECKING:
    from infoprior.spaces._mlp import MLP, Block

_ACTIVATIONS: dict[type[nn.Module], int] = {
    nn.ReLU: kernels.RELU,
    nn.Tanh: kernels.TANH,
    nn.GELU: kernels.GELU,
    nn.SiLU: kernels.SILU,
}
_NORMS: dict[type[nn.Module], int] = {
    nn.Identity: kernels.PLAIN,
    nn.BatchNorm1d: kernels.BATCH,
    nn.LayerNorm: kernels.LAYER,
}
LEAST_ROWS = 256
"""That a workspace has room for: networks are evaluated so many rows at once, at least."""


class CompiledMLP:
    """A network on the CPU whose parameters and gradients are views of two flat vectors.

    The module stays usable: its parameters and running statistics become views of the vectors, so
    that what a step writes is what the module computes with.

    Args:
        network: an `MLP` of float32; its parameters move into the flat vector.
        learning_rate, weight_decay: of AdamW.
        batch_size: rows of a batch; one batch may have one more.

    Attributes:
        values, gradients: shape (n_parameters,), float32.
    """

    def __init__(
        self, network: MLP, learning_rate: float, weight_decay: float, batch_size: int
    ) -> None:
        self.rate, self.decay = float(learning_rate), float(weight_decay)
        blocks: list[Block] = [network._modules[name] for name in network.layer_names]  # type: ignore[misc]
        self.widths = [b.linear.out_features for b in blocks]
        self.n_classes = network.output.out_features
        self.draws = [b.dropout.draws for b in blocks]
        self.keeps = np.array([1.0 - b.dropout.p for b in blocks], np.float32)
        self.rows = max(batch_size + 1, LEAST_ROWS)

        starts = self._flatten(list(network.parameters()))
        self._gather_statistics(blocks)
        self.layers = np.zeros((len(blocks) + 1, kernels.COLUMNS), np.int64)
        at = stats = 0
        for row, block in zip(self.layers, blocks, strict=False):
            linear, norm = block.linear, block.normalization
            width = linear.out_features
            row[[kernels.N_IN, kernels.N_OUT]] = linear.in_features, width
            row[kernels.ACTIVATION] = _ACTIVATIONS[type(block.activation)]
            row[kernels.NORM] = _NORMS[type(norm)]
            row[kernels.RESIDUAL] = block.residual
            row[kernels.KEY] = block.dropout.draws.key
            row[[kernels.STEP, kernels.MIX_1, kernels.MIX_2]] = (
                _dropout.STEP, _dropout.MIX_1, _dropout.MIX_2
            )  # fmt: skip
            row[kernels.BELOW] = _dropout.threshold(1.0 - block.dropout.p)
            row[kernels.WEIGHT] = starts[id(linear.weight)]
            row[kernels.BIAS] = starts[id(linear.bias)]
            if row[kernels.NORM] != kernels.PLAIN:
                row[kernels.GAIN] = starts[id(norm.weight)]
                row[kernels.SHIFT] = starts[id(norm.bias)]
            row[kernels.AT], row[kernels.STATS] = at, stats
            at += kernels.ARRAYS * self.rows * width + max(self.rows, width)
            stats += 2 * width if row[kernels.NORM] == kernels.BATCH else 0
        output, row = network.output, self.layers[-1]
        row[[kernels.N_IN, kernels.N_OUT]] = output.in_features, self.n_classes
        row[kernels.WEIGHT] = starts[id(output.weight)]
        row[kernels.BIAS] = starts[id(output.bias)]
        row[kernels.AT] = at
        widest = max(*self.widths, self.n_classes)
        self.work = np.empty(at + 3 * self.rows * widest, np.float32)
        self.first, self.second = (np.zeros(self.values.numel(), np.float32) for _ in range(2))
        self.steps = 0

    def _flatten(self, parameters: Sequence[nn.Parameter]) -> dict[int, int]:
        self.values = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradients = torch.zeros_like(self.values)
        starts, start = {}, 0
        for parameter in parameters:
            stop = start + parameter.numel()
            parameter.data = self.values[start:stop].view_as(parameter)
            starts[id(parameter)] = start
            start = stop
        self._values, self._gradients = self.values.numpy(), self.gradients.numpy()
        return starts

    def _gather_statistics(self, blocks: Sequence[Block]) -> None:
        """Running means and variances of every batch normalization, side by side."""
        self.norms: list[Any] = [
            b.normalization for b in blocks if isinstance(b.normalization, nn.BatchNorm1d)
        ]
        buffers = [t for norm in self.norms for t in (norm.running_mean, norm.running_var)]
        stats = torch.cat(buffers) if buffers else torch.zeros(1)
        start = 0
        for norm in self.norms:
            for name in ("running_mean", "running_var"):
                stop = start + norm.num_features
                setattr(norm, name, stats[start:stop])
                start = stop
        self.stats = stats.numpy()

    def write_gradients(self, x: Tensor, y: Tensor) -> None:
        """Write the gradient of the mean cross-entropy of one batch into `gradients`.

        Args:
            x: shape (n, n_features), float32.
            y: shape (n,), int64.
        """
        self._start([(0, len(y))])
        _run(
            kernels.write_gradients, self._values, self._gradients, self.layers, self.keeps,
            self.stats, self.work, self.rows, x.contiguous().numpy(), y.contiguous().numpy(), 0,
            len(y),
        )  # fmt: skip

    def epoch(self, x: Tensor, y: Tensor, bounds: Sequence[tuple[int, int]]) -> None:
        """A step for each batch, first and last (exclusive) row, of x and y as above."""
        self._start(bounds)
        _run(
            kernels.train_epoch, self._values, self._gradients, self.first, self.second, self.steps,
            self.rate, self.decay, self.layers, self.keeps, self.stats, self.work, self.rows,
            x.contiguous().numpy(), y.contiguous().numpy(), np.array(bounds, np.int64),
        )  # fmt: skip
        self.steps += len(bounds)
        for norm in self.norms:
            norm.num_batches_tracked += len(bounds)

    def _start(self, bounds: Sequence[tuple[int, int]]) -> None:
        """Take the draws of an epoch's dropout masks, once its batches are known to have room."""
        most = max(stop - start for start, stop in bounds)
        if most > self.rows:  # the compiled code would write over its neighbours
            raise ValueError(f"A batch has {most} rows; there is room for {self.rows}.")
        for row, width, draws in zip(self.layers, self.widths, self.draws, strict=False):
            row[kernels.DRAWN] = draws.skip(bounds[-1][1] * width)

    def logits(self, x: Tensor) -> Tensor:
        """Logits in evaluation mode, shape (n, n_classes), of x, shape (n, n_features)."""
        out = np.empty((len(x), self.n_classes), np.float32)
        _run(
            kernels.logits, self._values, self.layers, self.keeps, self.stats, self.work, self.rows,
            x.contiguous().numpy(), out,
        )  # fmt: skip
        return torch.from_numpy(out)


def _run(kernel: Any, *arguments: Any) -> None:
    """Call a kernel; whether it has to be compiled first is said before that begins."""
    if kernel.signatures:  # compiled, or loaded from disk
        kernel(*arguments)
        return
    with install_listener("numba:compile", _Compiling()):
        kernel(*arguments)


class _Compiling(Listener):
    """Hears of compilations, which numba begins where it has kept none on disk."""

    said = False

    def on_start(self, event: Any) -> None:
        if not _Compiling.said:
            notice("compiling the trainer of networks, some 20 seconds; kept on disk if possible")
        _Compiling.said = True

    def on_end(self, event: Any) -> None:
        pass


def can_compile(network: MLP) -> bool:
    """Whether the kernels know all of a network: its kinds of layers with their usual constants."""
    blocks: list[Any] = [network._modules[name] for name in network.layer_names]
    return (
        bool(blocks)
        and all(p.requires_grad for p in network.parameters())
        and all(
            type(b.activation) in _ACTIVATIONS
            and type(b.normalization) in _NORMS
            and getattr(b.normalization, "eps", 1e-5) == 1e-5
            and getattr(b.normalization, "momentum", 0.1) == 0.1
            and b.linear.weight.dtype == torch.float32
            for b in blocks
        )
    )
