"""Networks behind an encoder of their inputs, which is their first layer."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior.spaces._inputs import InputEncoder
from infoprior.spaces._reading import read_layers
from infoprior.spaces._shapes import columns
from infoprior.spaces._space import INPUTS, Shape, SpaceError


class EncodedNetwork(nn.Module):
    """A fitted encoder and a network of this package on what it gives.

    The first layer, named inputs, is the encoded row; the others are those of the network.

    Args:
        inputs: what is fitted; the network gets a copy of its own.
        network: reads (n, n_out), has `layer_names` and `activations`.
    """

    inputs: InputEncoder

    def __init__(self, inputs: InputEncoder, network: Any) -> None:
        super().__init__()
        self.inputs = copy.deepcopy(inputs)
        self.network = network
        self.layer_names: tuple[str, ...] = (INPUTS, *network.layer_names)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of rows x, shape (n, d)."""
        return self.network(self.inputs(x))  # type: ignore[no-any-return]

    @default_settings()
    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The encoded rows, and the output of each hidden layer, in evaluation mode.

        Args:
            x: shape (n, d), float32.

        Returns:
            layer name -> T, shape (n, width), float32.
        """
        encoded = read_layers(self, (INPUTS,), x)
        return encoded | self.network.activations(encoded[INPUTS])


def check_inputs(inputs: Any, shape: Shape, space: str) -> None:
    """Refuse what is no encoder of rows of this shape.

    Args:
        inputs: what was given.
        shape: of a row.
        space: name of the space, for the message.

    Raises:
        SpaceError: it is none, or one of another number of columns.
    """
    n_in = columns(shape)
    if not isinstance(inputs, InputEncoder):
        raise SpaceError(
            f"Networks of the space {space!r} begin with an encoder of their inputs: give "
            'inputs=space.fit_inputs(params, task.split("train")[0]).'
        )
    if inputs.n_in != n_in:
        raise SpaceError(
            f"The encoder was fitted on {inputs.n_in} columns, the network is to read {n_in}; fit "
            "it on rows of the same table."
        )
