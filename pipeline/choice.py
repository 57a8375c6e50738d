"""models/best.json: which predictor was chosen, and the best of those that read information."""

from __future__ import annotations

from pipeline.common import MODELS  # isort: skip

import json
from dataclasses import dataclass

from infoprior.files import write_atomically
from pipeline.variants import STATIC, UNIFORM, Variant

FITTED = MODELS / "fitted"
"""The fitted predictors, a folder a variant."""
_FILE = MODELS / "best.json"


@dataclass(frozen=True)
class Choice:
    """What the evaluation chose on the folds.

    Attributes:
        best: the chosen variant.
        best_with_mi: the best of those that read information, of layers or of inputs.
        metric: that decided; smaller is better.
    """

    best: Variant
    best_with_mi: Variant
    metric: str

    def save(self) -> None:
        """Write models/best.json, which `load_predictor` follows."""
        names = {
            "predictor": f"{FITTED.name}/{self.best.name}",
            "predictor_with_mi": f"{FITTED.name}/{self.best_with_mi.name}",
            "selected_by": self.metric,
        }
        write_atomically(_FILE, json.dumps(names, indent=1) + "\n")

    @classmethod
    def load(cls) -> Choice:
        """Read models/best.json."""
        names = json.loads(_FILE.read_text("utf-8"))
        return cls(
            best=Variant.named(names["predictor"]),
            best_with_mi=Variant.named(names["predictor_with_mi"]),
            metric=names["selected_by"],
        )

    def searched(self) -> dict[str, Variant]:
        """Label -> variant that live studies search with: the opponents, then what was chosen."""
        shown = {"uniform": UNIFORM, "static": STATIC}
        for variant in (self.best, self.best_with_mi):
            if variant not in shown.values():
                shown[f"predicted ({variant.predictor}, {variant.inputs})"] = variant
        return shown
