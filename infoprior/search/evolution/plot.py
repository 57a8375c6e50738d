"""The structure over time: widths of the layers against epochs, with what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._arguments import instance_of
from infoprior.priors._mixture.plot import COLOURS, new_figure
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.strategy import Evolution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = {"prune": "v", "widen": "^", "deepen": "P", "mutate": "*", "undone": "x", "refused": "_"}


def structure_figure(evolution: Evolution, title: str = "") -> Figure:
    """Widths of the layers against epochs, what they say of the classes as colour, events marked.

    Steps at which nothing was assessed have no point.

    Args:
        evolution: what `evolve` gives.
        title: above the panel.

    Raises:
        EvolutionError: it is something else.
    """
    instance_of(evolution, Evolution, "evolution", "give what evolve returns", EvolutionError)
    instance_of(title, str, "title", "give text", EvolutionError)
    rows, events = evolution.structure, evolution.events
    figure = new_figure(7.0, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    scatter = None
    most = max(float(rows["information"].fillna(0.0).max()), 1e-9)
    for index in sorted(rows["layer_index"].unique().tolist()):
        layer = rows[rows["layer_index"] == index]
        colour = COLOURS[1 + index % (len(COLOURS) - 1)]
        upper.step(
            layer["epoch"], layer["width"], where="pre", color=colour, lw=1.0, zorder=1,
            label=f"layer {index + 1}",
        )  # fmt: skip
        scatter = upper.scatter(
            layer["epoch"], layer["width"], c=layer["information"], cmap="viridis", s=28, zorder=2,
            vmin=0.0, vmax=most, edgecolors=colour,
        )  # fmt: skip
    top = 1.06
    for event, mark in MARKS.items():
        at = events.loc[events["event"] == event, "epoch"]
        if len(at):
            upper.plot(
                at, [top] * len(at), mark, color="black", ms=6, clip_on=False, label=event,
                transform=upper.get_xaxis_transform(),
            )  # fmt: skip
    upper.set_yscale("log", base=2)
    upper.yaxis.set_major_formatter("{x:g}")
    upper.set_ylabel("width (units)")
    if title:
        upper.set_title(title, fontsize=10, pad=18)
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    if scatter is not None:
        figure.colorbar(scatter, ax=(upper, lower), label="I(L;O) (nats)", pad=0.01)
    curve = evolution.curve
    lower.plot(curve["epoch"], curve["validation_loss"], color=COLOURS[1], lw=1.2)
    lower.set_ylabel("validation\nloss (nats)")
    lower.set_xlabel("epoch")
    for ax in (upper, lower):
        ax.spines[["top", "right"]].set_visible(False)
    return figure
