"""What priors say of each parameter, one panel a parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution, FloatDistribution

from infoprior.priors import Prior
from infoprior.report._figures import COLOURS, new_figure


def marginals_figure(priors: Mapping[str, Prior], title: str = "") -> Figure:
    """Marginals of priors over the same space, relative to uniform (1 = as likely as uniform).

    Args:
        priors: label -> prior, in the order of the legend.
        title: above the panels.

    Raises:
        ValueError: no priors, or of different spaces.
    """
    if not priors:
        raise ValueError("There are no priors to draw; give at least one.")
    first = next(iter(priors.values()))
    names = list(first.space)
    if any(list(prior.space) != names for prior in priors.values()):
        raise ValueError("The priors are of different spaces; draw those of one space together.")
    n_columns = min(5, len(names))
    n_rows = math.ceil(len(names) / n_columns)
    figure = new_figure(2.5 * n_columns, 2.2 * n_rows + 0.6)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.set_visible(False)
    uniform = Prior.uniform(first.space)
    for ax, name in zip(axes.flat, names, strict=False):
        distribution = first.space[name]
        reference = _weights(uniform, name)
        for i, (label, prior) in enumerate(priors.items()):
            ratio = _weights(prior, name) / reference
            values = prior.marginal(name).values
            colour = COLOURS[i % len(COLOURS)]
            if isinstance(distribution, CategoricalDistribution):
                width = 0.8 / len(priors)
                x = np.arange(len(values)) + (i - (len(priors) - 1) / 2) * width
                ax.bar(x, ratio, width, color=colour, label=label)
                ax.set_xticks(range(len(values)), [str(v) for v in values], fontsize=7)
            else:
                ax.plot(np.asarray(values, dtype=float), ratio, color=colour, label=label, lw=1.5)
                if getattr(distribution, "log", False):
                    ax.set_xscale(
                        "log", base=10 if isinstance(distribution, FloatDistribution) else 2
                    )
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=7)
        ax.set_ylim(bottom=0)
        ax.spines[["top", "right"]].set_visible(False)
    for row in axes:
        row[0].set_ylabel("times uniform", fontsize=8)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8,
                  frameon=False)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _weights(prior: Prior, name: str) -> np.ndarray:
    """The marginal's density or probabilities on its grid."""
    marginal = prior.marginal(name)
    found = marginal.probabilities if marginal.probabilities is not None else marginal.density
    return np.asarray(found, dtype=float)
