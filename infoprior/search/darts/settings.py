"""How a differentiable search learns."""

from __future__ import annotations

from dataclasses import dataclass, fields

from infoprior._arguments import real_number, whole_number
from infoprior.search.darts.errors import DartsError
from infoprior.search.darts.supernet import ALPHA_SCALE


@dataclass(frozen=True)
class DartsSettings:
    """Liu et al.'s settings (appendix A.1.1, and their code), but for `alpha_learning_rate`.

    Their alpha takes 3e-4 a step (Adam) for about 20,000 steps. A search here takes some hundred:
    alpha would move by a few hundredths, and what is derived would be its initial noise.

    Attributes:
        batch_size: rows of a step, of training and of validation rows alike.
        learning_rate: of the weights (gradient descent with momentum) in the first epoch.
        last_learning_rate: of the weights at the end of the cosine that it follows.
        momentum: of the weights.
        weight_decay: of the weights, as a term of the gradient.
        clip: largest norm of the weights' gradient.
        alpha_learning_rate: of alpha (Adam), constant.
        alpha_weight_decay: of alpha, as a term of the gradient.
        alpha_scale: standard deviation of the initial alpha.
        edges_kept: how many edges a node of the derived cell keeps at most, the strongest ones.

    Raises:
        DartsError: a value that no search can have.
    """

    batch_size: int = 64
    learning_rate: float = 0.025
    last_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    alpha_learning_rate: float = 0.02
    alpha_weight_decay: float = 1e-3
    alpha_scale: float = ALPHA_SCALE
    edges_kept: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("batch_size", "edges_kept"):
                whole_number(value, field.name, 1, DartsError)
            elif field.name == "momentum":
                real_number(value, field.name, 0.0, 1.0, below=True, error=DartsError)
            else:
                above = field.name in ("learning_rate", "clip", "alpha_learning_rate")
                real_number(value, field.name, 0.0, above=above, error=DartsError)
