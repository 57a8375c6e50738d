"""An `MLP` whose training is compiled: no Python and no PyTorch between the batches of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numba.core.event import Listener, install_listener
from torch import Tensor, nn

from infoprior._progress import notice
from infoprior.spaces import _dropout
from infoprior.spaces._mlp import FeatureScale
from infoprior.training._engines import kernels, layout

if TYPE_CHECKING:
    from infoprior.spaces._dropout import SeededDropout
    from infoprior.spaces._mlp import MLP, Block

_ACTIVATIONS: dict[type[nn.Module], int] = {
    nn.ReLU: layout.RELU,
    nn.Tanh: layout.TANH,
    nn.GELU: layout.GELU,
    nn.SiLU: layout.SILU,
}
_NORMALIZATIONS: dict[type[nn.Module], int] = {
    nn.Identity: layout.PLAIN,
    nn.BatchNorm1d: layout.BATCH,
    nn.LayerNorm: layout.LAYER_NORM,
}
LEAST_CAPACITY = 256
"""Rows that a workspace has room for, at least: networks are evaluated so many at once."""
_RUNNING = ("running_mean", "running_var")


class CompiledMLP:
    """A network on the CPU whose parameters and gradients are views of two flat vectors.

    The module stays usable: its parameters and running statistics become views of the vectors, so
    that what a step writes is what the module computes with.

    Args:
        network: an `MLP` of float32; its parameters move into the flat vector.
        learning_rate: of AdamW, until the attribute of that name is set to another.
        weight_decay: of AdamW.
        batch_size: rows of a batch; one batch may have one more.
        label_smoothing: share of each label that all classes have alike.

    Attributes:
        parameters: shape (n_parameters,), float32.
        gradients: of the last batch, shape (n_parameters,), float32.
        running: running means and variances of every batch normalization, side by side, float32.
    """

    def __init__(
        self,
        network: MLP,
        learning_rate: float,
        weight_decay: float,
        batch_size: int,
        label_smoothing: float = 0.0,
    ) -> None:
        self.learning_rate, self.weight_decay = float(learning_rate), float(weight_decay)
        blocks: list[Block] = [network._modules[name] for name in network.layer_names]  # type: ignore[misc]
        self.widths = [b.linear.out_features for b in blocks]
        self.n_classes = network.output.out_features
        self.draws = [b.dropout.draws for b in blocks]
        self.capacity = max(batch_size + 1, LEAST_CAPACITY)
        starts = self._flatten(list(network.parameters()))
        self._gather_statistics(blocks)
        *offsets, size = layout.workspace_offsets([*self.widths, self.n_classes], self.capacity)
        self.layers = np.zeros(len(blocks) + 1, layout.LAYER)
        running_at = 0
        for row, block, offset in zip(self.layers, blocks, offsets, strict=False):
            norm = block.normalization
            _describe_linear(row, block.linear, starts, offset)
            row["activation"] = _ACTIVATIONS[type(block.activation)]
            row["normalization"] = _NORMALIZATIONS[type(norm)]
            row["residual"] = block.residual
            if row["normalization"] != layout.PLAIN:
                row["gain_at"], row["shift_at"] = starts[id(norm.weight)], starts[id(norm.bias)]
            row["running_at"] = running_at
            running_at += 2 * norm.num_features if isinstance(norm, nn.BatchNorm1d) else 0
            _describe_dropout(row, block.dropout)
        _describe_linear(self.layers[-1], network.output, starts, offsets[-1])
        self.arrays = kernels.Network(
            parameters=self.parameters.numpy(),
            layers=cast("np.recarray", self.layers),
            running=self.running,
            workspace=np.empty(size, np.float32),
            capacity=self.capacity,
        )
        self.exp_avg, self.exp_avg_sq = (
            np.zeros(self.parameters.numel(), np.float32) for _ in range(2)
        )
        self.steps = 0
        self.front: kernels.Front | None = None
        if network.scale is not None or label_smoothing:
            n_scaled = 0 if network.scale is None else network.scale.factor.numel()
            self.front = kernels.Front(
                smoothing=np.float32(label_smoothing),
                n_scaled=n_scaled,
                scale_rate=FeatureScale.RATE,
                unscaled=np.empty(n_scaled * self.widths[0], np.float32),
            )

    def _flatten(self, parameters: Sequence[nn.Parameter]) -> dict[int, int]:
        """Move the parameters into `self.parameters`; the offset of each, by its id."""
        self.parameters = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradients = torch.zeros_like(self.parameters)
        self._gradients = self.gradients.numpy()
        starts, start = {}, 0
        for parameter in parameters:
            stop = start + parameter.numel()
            parameter.data = self.parameters[start:stop].view_as(parameter)
            starts[id(parameter)] = start
            start = stop
        return starts

    def _gather_statistics(self, blocks: Sequence[Block]) -> None:
        """Move the running statistics into `running`."""
        self.norms = [
            b.normalization for b in blocks if isinstance(b.normalization, nn.BatchNorm1d)
        ]
        buffers = [getattr(norm, name) for norm in self.norms for name in _RUNNING]
        running = torch.cat(buffers) if buffers else torch.zeros(1)
        start = 0
        for norm in self.norms:
            for name in _RUNNING:
                stop = start + norm.num_features
                setattr(norm, name, running[start:stop])
                start = stop
        self.running = running.numpy()

    def write_gradients(self, x: Tensor, y: Tensor) -> None:
        """Write the gradient of the mean cross-entropy of one batch into `gradients`.

        By a step of no length: parameters and moments stay.

        Args:
            x: shape (n, n_features), float32.
            y: shape (n,), int64.
        """
        self._start([(0, len(y))])
        self._train(x, y, [(0, len(y))], learning_rate=0.0, moments=(
            np.zeros_like(self.exp_avg), np.zeros_like(self.exp_avg_sq),
        ))  # fmt: skip

    def epoch(self, x: Tensor, y: Tensor, bounds: Sequence[tuple[int, int]]) -> None:
        """A step for each batch.

        Args:
            x: rows in the order of the epoch, shape (n, n_features), float32.
            y: their labels, shape (n,), int64.
            bounds: first and last (exclusive) row of each batch.

        Raises:
            ValueError: a batch has more rows than there is room for.
        """
        self._start(bounds)
        self._train(
            x, y, bounds, learning_rate=self.learning_rate, moments=(self.exp_avg, self.exp_avg_sq)
        )
        self.steps += len(bounds)
        for norm in self.norms:
            norm.num_batches_tracked += len(bounds)  # type: ignore[operator,assignment]

    def _train(
        self,
        x: Tensor,
        y: Tensor,
        bounds: Sequence[tuple[int, int]],
        *,
        learning_rate: float,
        moments: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Gradients and a step for each batch, with Adam's moments."""
        _run(
            kernels.train_epoch, network=self.arrays, gradients=self._gradients,
            exp_avg=moments[0], exp_avg_sq=moments[1], steps=self.steps,
            learning_rate=learning_rate, weight_decay=self.weight_decay,
            x=x.contiguous().numpy(), y=y.contiguous().numpy(), bounds=np.array(bounds, np.int64),
            front=self.front,
        )  # fmt: skip

    def _start(self, bounds: Sequence[tuple[int, int]]) -> None:
        """Take the draws of an epoch's dropout masks, once its batches are known to have room."""
        most = max(stop - start for start, stop in bounds)
        if most > self.capacity:  # the compiled code would write over its neighbours
            raise ValueError(f"A batch has {most} rows; there is room for {self.capacity}.")
        for row, width, draws in zip(self.layers, self.widths, self.draws, strict=False):
            row["first_draw"] = draws.skip(bounds[-1][1] * width)

    def logits(self, x: Tensor) -> Tensor:
        """Logits in evaluation mode, shape (n, n_classes), of x, shape (n, n_features), float32."""
        out = np.empty((len(x), self.n_classes), np.float32)
        network = self.arrays
        if self.front is not None and (n := self.front.n_scaled):
            scaled = network.parameters.copy()
            first = int(self.layers[0]["weight_at"])
            weight = scaled[first : first + n * self.widths[0]].reshape(-1, n)
            weight *= scaled[:n]
            network = network._replace(parameters=scaled)
        _run(kernels.logits, network=network, x=x.contiguous().numpy(), out=out)
        return torch.from_numpy(out)


def _describe_linear(
    row: np.void, linear: nn.Linear, starts: dict[int, int], workspace_at: int
) -> None:
    """Write into a record of `layout.LAYER` where a linear layer's numbers are."""
    row["n_in"], row["n_out"] = linear.in_features, linear.out_features
    row["weight_at"], row["bias_at"] = starts[id(linear.weight)], starts[id(linear.bias)]
    row["workspace_at"] = workspace_at
    row["keep_probability"] = 1.0


def _describe_dropout(row: np.void, dropout: SeededDropout) -> None:
    """Write into a record of `layout.LAYER` what its dropout is drawn from."""
    row["keep_probability"] = keep = 1.0 - dropout.p
    row["keep_below"] = _dropout.threshold(keep)
    row["dropout_key"] = dropout.draws.key
    row["weyl_step"] = _dropout.WEYL_STEP
    row["mix_1"], row["mix_2"] = _dropout.MIX_1, _dropout.MIX_2


_LOADED: set[tuple[Any, bool]] = set()
"""Kernels, with and without a front, that are compiled, or loaded from disk."""


def _run(kernel: Any, **arguments: object) -> None:
    """Call a kernel; if it has to be compiled first, the terminal says so before."""
    variant = kernel, arguments.get("front") is None
    if variant in _LOADED:
        kernel(**arguments)
        return
    with install_listener("numba:compile", _Compiling()):
        kernel(**arguments)
    _LOADED.add(variant)


class _Compiling(Listener):
    """Is told of compilations, which numba begins where it has kept none on disk."""

    said = False

    def on_start(self, event: object) -> None:
        if not _Compiling.said:
            notice("compiling the trainer of networks, some 20 seconds; kept on disk if possible")
        _Compiling.said = True

    def on_end(self, event: object) -> None:
        pass


def can_compile(network: MLP) -> bool:
    """Whether the kernels know all of a network: its kinds of layers with their usual constants."""
    blocks: list[Any] = [network._modules[name] for name in network.layer_names]
    return (
        bool(blocks)
        and all(p.requires_grad for p in network.parameters())
        and all(
            type(b.activation) in _ACTIVATIONS
            and type(b.normalization) in _NORMALIZATIONS
            and getattr(b.normalization, "eps", 1e-5) == 1e-5
            and getattr(b.normalization, "momentum", 0.1) == 0.1
            and b.linear.weight.dtype == torch.float32
            for b in blocks
        )
    )
