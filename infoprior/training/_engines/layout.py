"""How a multilayer perceptron lies in flat arrays, for the compiled kernels to read and write.

Everything that is computed with is float32. A network is one vector of parameters, one of running
statistics, one workspace, and one record of `LAYER` for each hidden layer and one for the output
layer, which says where the layer's numbers begin in each of the three.

The workspace, for layers of w_1, w_2, ... units, with room for R rows (its capacity) and W units
(those of the widest layer, the output layer included)::

    hidden layer 1                                          hidden layer 2          output layer
    workspace_at                                            workspace_at            workspace_at
    |                                                       |                       |
    | output   derivative   normalized   inverse_std        | output   ...          | gradients
    | R x w_1  R x w_1      R x w_1      max(R, w_1)        | R x w_2               | 3 x (R x W)

    output        what the layer gives: after activation, dropout and residual sum
    derivative    of output in what goes into the activation, dropout's factors included
    normalized    the input less its mean, times inverse_std; unused without a normalization
    inverse_std   1 / sqrt(variance + eps): a unit each (batch), or a row each (layer normalization)
    gradients     three arrays that the backward pass uses in turn; the first begins as the logits

An array of n <= R rows takes the first n x w numbers of its place, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from infoprior.fingerprints import source_fingerprint

RELU, TANH, GELU, SILU = range(4)
"""Kinds of activations."""

PLAIN, BATCH, LAYER_NORM = range(3)
"""Kinds of normalizations; PLAIN has none."""

GRADIENT_ARRAYS = 3
"""At the end of a workspace."""


class Layer(Protocol):
    """One layer; the numbers of a field ending in `_at` are offsets into a flat array.

    The constants of dropout's draws (`infoprior.spaces._dropout`) are among the fields because code
    that is compiled and kept on disk would not see them change.
    """

    n_in: int  # units that go in
    n_out: int  # units: the layer's width, w
    activation: int  # RELU, TANH, GELU or SILU
    normalization: int  # PLAIN, BATCH or LAYER_NORM
    residual: int  # 1 where the layer's input is added to its output
    weight_at: int  # into parameters: weight, (n_out, n_in)
    bias_at: int  # into parameters: bias, (n_out,)
    gain_at: int  # into parameters: the normalization's weight, (n_out,)
    shift_at: int  # into parameters: the normalization's bias, (n_out,)
    running_at: int  # into running statistics: means, (n_out,), then variances, (n_out,)
    workspace_at: int  # into the workspace, as drawn above
    dropout_key: int  # of the layer's sequence of draws, 32 bits
    first_draw: int  # number of the draw for the first unit of an epoch's first row
    keep_below: int  # a unit is kept where its draw is below this, 32 bits
    weyl_step: int  # of the Weyl sequence, 32 bits
    mix_1: int  # of the mixing function, 32 bits
    mix_2: int  # of the mixing function, 32 bits
    keep_probability: np.float32  # of a unit; 1 without dropout


_TYPES = {"np.float32": np.float32, "int": np.int64}
# numba keeps compiled code for a file and for types of arguments: it does not see changes of other
# files that the code was made of. This field, which nobody reads, makes other types of them.
_SOURCES = f"sources_{source_fingerprint(__package__)}"
LAYER = np.dtype(
    [
        *((name, _TYPES[kind]) for name, kind in Layer.__annotations__.items()),
        (_SOURCES, np.int8),
    ],
    align=True,
)
"""A record with the fields of `Layer`."""


def workspace_offsets(widths: Sequence[int], capacity: int) -> list[int]:
    """Where each layer begins in a workspace; the last entry is the size of the workspace.

    Args:
        widths: units of each layer, the output layer last.
        capacity: rows that there is room for.
    """
    sizes = [3 * capacity * width + max(capacity, width) for width in widths[:-1]]
    sizes.append(GRADIENT_ARRAYS * capacity * max(widths))
    return [0, *np.cumsum(sizes).tolist()]
