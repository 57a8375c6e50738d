"""The mathematics of priors: axes, kernels, and what becomes of mixtures of them."""
