"""Neuro Exapt: structural evolution of a live network, guided by information.

- `chain`: a network as a chain of layers; `operation`, `channels`: what surgery is made of;
  `modules`: what it leaves in a network.
- `widening`, `deepening`, `exchange`, `kernels`, `strides`: more units, more layers, another
  activation or normalization, a larger kernel, a stride for a pooling, with the same outputs;
  `pruning`: fewer units with the least change of outputs, by `refit`; `mutations`: what there is to
  exchange; `gain`: what a wider layer promises.
- `reading`, `importance`: what layers say of the outputs; `threshold`: how little is too little.
- `discrete`: widths, kernels and strides that are trained with the weights.
- `strategy`: `evolve`; `steps`: what it does; `settings`, `states` and `decision` say what is
  changed, `costs` what looking costs, `dynamics` how structures move; `individual`, `learning`: the
  network that lives; `plot`: its structure over time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.search.evolution.chain import read_chain, widths
    from infoprior.search.evolution.costs import assessment_epochs, network_multiply_adds
    from infoprior.search.evolution.deepening import deepen
    from infoprior.search.evolution.discrete import DiscreteParameter, ElasticConv2d, WidthMask
    from infoprior.search.evolution.dynamics import (
        convergence,
        output_divergence,
        structure_rate,
    )
    from infoprior.search.evolution.errors import EvolutionError
    from infoprior.search.evolution.exchange import change_activation, change_normalization
    from infoprior.search.evolution.gain import expansion_gain
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
    from infoprior.search.evolution.kernels import change_kernel
    from infoprior.search.evolution.modules import Blend, WeightedLayerNorm, advance_blends
    from infoprior.search.evolution.operation import Moments, Surgery, make_adamw, read_moments
    from infoprior.search.evolution.plot import structure_figure
    from infoprior.search.evolution.pruning import prune
    from infoprior.search.evolution.refit import output_change
    from infoprior.search.evolution.settings import EvolutionSettings, Memory
    from infoprior.search.evolution.strategy import Evolution, evolve
    from infoprior.search.evolution.strides import change_stride, fold_strides
    from infoprior.search.evolution.threshold import adaptive_threshold, task_complexity
    from infoprior.search.evolution.widening import widen

__all__ = [
    "DECAY",
    "PSI",
    "Blend",
    "DiscreteParameter",
    "ElasticConv2d",
    "Evolution",
    "EvolutionError",
    "EvolutionSettings",
    "LayerImportance",
    "Memory",
    "Moments",
    "Surgery",
    "WeightedLayerNorm",
    "WidthMask",
    "adaptive_threshold",
    "advance_blends",
    "assess",
    "assessment_epochs",
    "bottleneck",
    "change_activation",
    "change_kernel",
    "change_normalization",
    "change_stride",
    "client_report",
    "convergence",
    "deepen",
    "evolve",
    "expansion_gain",
    "federated_importance",
    "fold_strides",
    "make_adamw",
    "multi_task_importance",
    "network_multiply_adds",
    "output_change",
    "output_divergence",
    "overlap",
    "prune",
    "read_chain",
    "read_moments",
    "redundancy",
    "structure_figure",
    "structure_rate",
    "task_complexity",
    "task_importance",
    "widen",
    "widths",
]

__getattr__, __dir__ = lazy(__name__)
