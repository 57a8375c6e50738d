"""What a prior says about one parameter by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Marginal:
    """One parameter's marginal distribution under a prior.

    `values` holds every value of a discrete parameter, with `probabilities` (m,) float64 summing
    to one and `density` None; or, for a continuous one, a grid of 512 values from low to high
    (even steps on the log scale of a log parameter), with `density` (512,) float64 per unit of
    the parameter and `probabilities` None.
    """

    name: str
    values: list[Any]
    probabilities: NDArray[np.float64] | None
    density: NDArray[np.float64] | None
    log: bool

    def quantile(self, q: float) -> Any:
        """The smallest value that holds at least a share `q` of the mass (on the grid).

        Raises:
            ValueError: q lies outside [0, 1], or the parameter is categorical and has no order.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q = {q}: a quantile lies between 0 and 1.")
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in self.values):
            raise ValueError(f"{self.name} is categorical: its values have no order.")
        if self.probabilities is not None:
            mass = self.probabilities
        else:
            assert self.density is not None
            mass = self.density * np.gradient(np.asarray(self.values, dtype=np.float64))
        cumulative = np.cumsum(mass)
        index = int(np.searchsorted(cumulative, q * cumulative[-1] - 1e-12))
        return self.values[min(index, len(self.values) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        body = self.probabilities if self.probabilities is not None else self.density
        key = "probabilities" if self.probabilities is not None else "density"
        assert body is not None
        return {"name": self.name, "log": self.log, "values": self.values, key: body.tolist()}
