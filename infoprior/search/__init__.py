"""Searches that adapt a network by information or by gradient, on this package's spaces and tasks.

- `infoprior.search.evolution`: structural evolution of a live network, guided by information;
- `infoprior.search.entropy_gradient`: the entropy of decisions, as objective and as regulariser;
- `infoprior.search.darts`: differentiable architecture search.
"""
