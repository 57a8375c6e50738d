"""Dropout whose masks are a function of a key and a counter.

They are the same on every device and in every division into batches, and their only state is a
number.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

WEYL_STEP, MIX_1, MIX_2 = 0x9E3779B9, 0x7FEB352D, 0x846CA68B
"""Of a Weyl sequence, and of the mixing function "lowbias32" (C. Wellons, "Prospecting for Hash
Functions", 2018, public domain): a counter-based generator as in Salmon et al., "Parallel Random
Numbers: As Easy as 1, 2, 3", SC 2011."""

_WORD = 0xFFFFFFFF


class MaskDraws:
    """The masks of one layer of one network, one after the other.

    Every layer of every network reads the same sequence of 2^32 draws from another place: two of
    them may meet after many millions, which does masks no harm.

    Args:
        seed: of the network.
        layer: its number, from 0.

    Attributes:
        key: of the layer's place in the sequence, 32 bits.
        drawn: how many units have been drawn; the next one is this number's.
    """

    def __init__(self, seed: int, layer: int) -> None:
        self.key = int(np.random.SeedSequence([seed, 2, layer]).generate_state(1)[0])
        self.drawn = 0

    def skip(self, n: int) -> int:
        """Reserve the draws of n units for the caller: the number of the first of them."""
        first = self.drawn
        self.drawn += n
        return first

    def masks(self, n: int, width: int, keep: float, device: torch.device | str = "cpu") -> Tensor:
        """Scaled masks (inverted dropout: evaluation needs no factor).

        Args:
            n: number of rows.
            width: number of units.
            keep: probability to keep a unit.
            device: where to draw them; the masks are the same everywhere.

        Returns:
            shape (n, width), float32: 0, or 1 / keep.
        """
        first = self.skip(n * width)
        bits = torch.arange(first, first + n * width, device=device)
        # int64 wraps around as 32 bits do, if the upper ones are cleared in time.
        bits = bits.mul_(WEYL_STEP).add_(self.key).bitwise_and_(_WORD)
        for shift, factor in ((16, MIX_1), (15, MIX_2)):
            bits = (bits ^ (bits >> shift)).mul_(factor).bitwise_and_(_WORD)
        bits ^= bits >> 16
        return bits.lt(threshold(keep)).float().div_(keep).view(n, width)


def threshold(keep: float) -> int:
    """The draw, of 32 bits, below which a unit is kept."""
    return min(round(keep * 2**32), _WORD)


class SeededDropout(nn.Module):
    """Dropout whose masks come from the layer's own draws, never from global state.

    Args:
        p: probability to drop a unit.
        draws: of the masks.
    """

    def __init__(self, p: float, draws: MaskDraws) -> None:
        super().__init__()
        self.p = p
        self.draws = draws

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        return x * self.draws.masks(x.shape[0], x.shape[1], 1.0 - self.p, x.device).to(x.dtype)
