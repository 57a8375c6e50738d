"""Neuro Exapt: structural evolution of a live network, guided by information.

- `chain`: a network as a chain of layers; `operation`, `channels`: what surgery is made of;
  `modules`: what it leaves in a network.
- `surgery`: wider, deeper, another activation or normalization, with the same outputs; `pruning`:
  fewer units with the least change of outputs.
- `reading`, `importance`: what layers say of the outputs; `threshold`: how little is too little.
- `discrete`: widths, kernels and strides that are trained with the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.search.evolution.chain import read_chain, widths
    from infoprior.search.evolution.discrete import DiscreteParameter, ElasticConv2d, WidthMask
    from infoprior.search.evolution.errors import EvolutionError
    from infoprior.search.evolution.importance import (
        DECAY,
        PSI,
        LayerImportance,
        assess,
        bottleneck,
        client_report,
        federated_importance,
        multi_task_importance,
        overlap,
        redundancy,
        task_importance,
    )
    from infoprior.search.evolution.modules import Blend, WeightedLayerNorm, advance_blends
    from infoprior.search.evolution.operation import Moments, Surgery, make_adamw, read_moments
    from infoprior.search.evolution.pruning import output_change, prune
    from infoprior.search.evolution.surgery import (
        change_activation,
        change_normalization,
        deepen,
        widen,
    )
    from infoprior.search.evolution.threshold import adaptive_threshold, task_complexity

__all__ = [
    "DECAY",
    "PSI",
    "Blend",
    "DiscreteParameter",
    "ElasticConv2d",
    "EvolutionError",
    "LayerImportance",
    "Moments",
    "Surgery",
    "WeightedLayerNorm",
    "WidthMask",
    "adaptive_threshold",
    "advance_blends",
    "assess",
    "bottleneck",
    "change_activation",
    "change_normalization",
    "client_report",
    "deepen",
    "federated_importance",
    "make_adamw",
    "multi_task_importance",
    "output_change",
    "overlap",
    "prune",
    "read_chain",
    "read_moments",
    "redundancy",
    "task_complexity",
    "task_importance",
    "widen",
    "widths",
]

__getattr__, __dir__ = lazy(__name__)
