"""`make ship`: put the chosen predictor and the static one into the package, with a model card.

They are fitted anew, on the published rows alone: what the installed package holds is what
`infoprior fit` makes anywhere, whatever tasks were measured here.
"""

from __future__ import annotations

from pipeline.common import MODELS, read_params  # isort: skip

import json
from pathlib import Path

from infoprior.files import write_atomically
from infoprior.metadataset import training_rows
from infoprior.predictors import fit_predictor, load_predictor
from infoprior.predictors._storage import CHOSEN, SHIPPED, STATIC
from pipeline.model_card import model_card

CARD = "MODEL_CARD.md"


def main(folder: Path = SHIPPED) -> None:
    """Fit both and write them to `folder`; then the card; best.json, which names one, last."""
    import torch

    torch.set_num_threads(1)
    best = load_predictor(MODELS)
    params, space = read_params("predictors"), read_params("networks")["space"]
    for where, name in ((CHOSEN, best.name), (STATIC, "static")):
        predictor = fit_predictor(
            name, best.inputs, space=space, seed=params["seed"], **params["settings"]
        )
        predictor.save(folder / where)
        print(f"{name}, which reads {', '.join(predictor.inputs) or 'nothing'}: {folder / where}")
    shipped = load_predictor(folder / CHOSEN)
    write_atomically(folder / CARD, model_card(shipped, training_rows(space)))
    write_atomically(folder / "best.json", json.dumps({"predictor": CHOSEN}) + "\n")


if __name__ == "__main__":
    main()
