"""What priors say of each parameter, one panel a parameter. Needs matplotlib, when it is called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._errors import PriorError
from .._values import Array, mapping, short
from .axes import Axis, CategoricalAxis, ContinuousAxis, GridAxis
from .mixture import Mixture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart by the colour-blind too.
COLOURS = ("#7f7f7f", "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_N_POSITIONS = 512  # the most values of a numeric parameter that are drawn
_T = TypeVar("_T")
_FEW = 33  # values of a grid up to which each is marked


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out; no window system and no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def check_labels(label: Any, title: Any, others: Any, kind: type[_T]) -> Mapping[str, _T]:
    """The others by label, once they are seen to be of a kind and their labels texts that differ.

    Raises:
        PriorError: they are not, naming the argument.
    """
    for where, text in (("label", label), ("title", title)):
        if not isinstance(text, str):
            raise PriorError(f"plot: {where}: needs text, got {short(text)}.")
    others = {} if others is None else mapping("plot: others", others, "labels and priors")
    for name, other in others.items():
        if not isinstance(name, str):
            raise PriorError(f"plot: others: labels need to be text, got {short(name)}.")
        if name == label:
            raise PriorError(f"plot: label: {short(name)} is one of the others' too.")
        if not isinstance(other, kind):
            needed = f"needs a {kind.__name__}, got {short(other)}"
            raise PriorError(f"plot: others: {short(name)} {needed}.")
    return others


@np.errstate(all="ignore")
def marginals_figure(mixtures: Mapping[str, Mixture], title: str = "") -> Figure:
    """Marginals of mixtures over the same names, relative to uniform (1 = as likely as uniform).

    Ranges may differ: each is drawn over its own, relative to uniform there.

    Args:
        mixtures: label -> what is drawn, in the order of the legend.
        title: above the panels.

    Raises:
        PriorError: no priors, or of different names.
    """
    if not mixtures:
        raise PriorError("plot: there are no priors to draw; give at least one.")
    names = list(next(iter(mixtures.values())).axes)
    if any(mixture.axes.keys() != set(names) for mixture in mixtures.values()):
        raise PriorError("plot: the priors are of different spaces; restrict them to one first.")
    for name in names:
        kinds = {isinstance(m.axes[name], CategoricalAxis) for m in mixtures.values()}
        if len(kinds) > 1:
            raise PriorError(f"plot: {short(name)} is a number in one prior, a choice in another.")
    n_columns = min(5, len(names))
    n_rows = math.ceil(len(names) / n_columns)
    figure = new_figure(max(2.5 * n_columns, 4.0), 2.2 * n_rows + 0.6)
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    # A single prior is no neutral reference: it gets the first real colour.
    colours = COLOURS[1:] if len(mixtures) == 1 else COLOURS
    for panel, name in zip(panels.flat, names, strict=False):
        _draw_panel(panel, name, mixtures, colours)
    for row in panels:
        row[0].set_ylabel("times uniform", fontsize=8)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4),
                  fontsize=8, frameon=False)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_panel(
    panel: Axes, name: str, mixtures: Mapping[str, Mixture], colours: tuple[str, ...]
) -> None:
    first = next(iter(mixtures.values())).axes[name]
    panel.axhline(1.0, color="0.75", lw=0.8, zorder=0)
    choices: dict[Any, int] = {}  # choice -> place, over all mixtures
    for i, (label, mixture) in enumerate(mixtures.items()):
        axis, colour = mixture.axes[name], colours[i % len(colours)]
        positions = _positions(axis)
        ratio = np.exp(mixture.log_ratio({name: (axis, positions)}, len(positions)))
        values = axis.values(positions)
        if isinstance(axis, CategoricalAxis):
            width = 0.8 / len(mixtures)
            places = [choices.setdefault(value, len(choices)) for value in values]
            x = np.array(places) + (i - (len(mixtures) - 1) / 2) * width
            panel.bar(x, ratio, width, color=colour, label=label)
        else:
            few = isinstance(axis, GridAxis) and axis.n_values <= _FEW
            panel.plot(np.asarray(values, dtype=float), ratio, color=colour, label=label, lw=1.5,
                       marker="o" if few else "", ms=3)  # fmt: skip
    if isinstance(first, CategoricalAxis):
        panel.set_xticks(range(len(choices)), [str(choice) for choice in choices])
        if sum(len(str(choice)) for choice in choices) > 24:
            panel.tick_params(axis="x", rotation=30)
    elif first.log and first.low < first.high:
        panel.set_xscale("log", base=10 if isinstance(first, ContinuousAxis) else 2)
    elif first.low == first.high:
        panel.set_xticks([first.low])
    panel.set_title(name, fontsize=9)
    panel.tick_params(labelsize=7)
    panel.xaxis.get_offset_text().set_fontsize(7)
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)


def _positions(axis: Axis) -> Array:
    if isinstance(axis, ContinuousAxis):
        return np.linspace(0.0, 1.0, _N_POSITIONS)
    if isinstance(axis, CategoricalAxis) or axis.n_values <= _N_POSITIONS:
        return np.arange(axis.n_values, dtype=np.float64)
    return np.unique(axis.from_unit(np.linspace(0.0, 1.0, _N_POSITIONS)))
