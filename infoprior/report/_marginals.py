"""What priors say of each parameter: the priors' own figure."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from infoprior._arguments import instance_of
from infoprior.priors import Prior, PriorError
from infoprior.priors._mixture import plot as priors_plot
from infoprior.report._errors import ReportError


def marginals_figure(priors: Mapping[str, Prior], title: str = "") -> Figure:
    """Marginals of priors over the same names, relative to uniform (1 = as likely as uniform).

    Ranges may differ: each prior is drawn over its own, relative to uniform there.

    Args:
        priors: label -> prior, in the order of the legend.
        title: above the panels.

    Raises:
        ReportError: no priors, something else, or priors of different names.
    """
    instance_of(priors, Mapping, "priors", "give them by label", ReportError)
    instance_of(title, str, "title", "give text", ReportError)
    for label, prior in priors.items():
        instance_of(prior, Prior, f"priors: {label!r}", "give a Prior", ReportError)
    try:
        mixtures = {label: prior.mixture for label, prior in priors.items()}
        return priors_plot.marginals_figure(mixtures, title)
    except PriorError as error:
        raise ReportError(str(error)) from error
