"""What priors say of each parameter: the priors' own figure."""

from infoprior.priors._plot import marginals_figure

__all__ = ["marginals_figure"]
