"""Neuro Exapt: structural evolution of a live network, guided by information.

- `chain`: a network as a chain of layers; `operation`, `channels`: what surgery is made of;
  `modules`: what it leaves in a network.
- `surgery`: wider, deeper, another activation or normalization, with the same outputs; `pruning`:
  fewer units with the least change of outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.search.evolution.chain import read_chain, widths
    from infoprior.search.evolution.errors import EvolutionError
    from infoprior.search.evolution.modules import Blend, WeightedLayerNorm, advance_blends
    from infoprior.search.evolution.operation import Moments, Surgery, make_adamw, read_moments
    from infoprior.search.evolution.pruning import output_change, prune
    from infoprior.search.evolution.surgery import (
        change_activation,
        change_normalization,
        deepen,
        widen,
    )

__all__ = [
    "Blend",
    "EvolutionError",
    "Moments",
    "Surgery",
    "WeightedLayerNorm",
    "advance_blends",
    "change_activation",
    "change_normalization",
    "deepen",
    "make_adamw",
    "output_change",
    "prune",
    "read_chain",
    "read_moments",
    "widen",
    "widths",
]

__getattr__, __dir__ = lazy(__name__)
