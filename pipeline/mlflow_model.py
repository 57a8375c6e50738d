"""The model that MLflow keeps, defined from code: a task's profile in, a prior out, both as JSON.

Rows of the input have one column `profile`: JSON of {"task", "metafeatures", "layers", "curves",
"inputs"}, as `profile_to_json` writes it. Rows of the output have one column `prior`, which
`Prior.from_dict(json.loads(...))` reads.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd

if TYPE_CHECKING:
    from infoprior.profiles import TaskProfile


def profile_to_json(profile: TaskProfile) -> str:
    """A profile as one JSON object (NaN losses of diverged probes stay NaN)."""
    return json.dumps(
        {
            "task": profile.task,
            "metafeatures": dict(profile.metafeatures),
            "layers": profile.layers.to_dict("records"),
            "curves": profile.curves.to_dict("records"),
            "inputs": dict(profile.inputs),
        }
    )


class PriorModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A fitted predictor behind MLflow's face."""

    def load_context(self, context: Any) -> None:
        # The sources that the model was made with, also where another infoprior is installed.
        if context.artifacts["package"] not in sys.path:
            sys.path.insert(0, context.artifacts["package"])
        from infoprior.predictors import load_predictor

        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(context.artifacts["predictor"], folder)
            self.predictor = load_predictor(folder)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        from infoprior.profiles import TaskProfile

        priors = []
        for text in model_input["profile"]:
            body = json.loads(text)
            profile = TaskProfile(
                task=body["task"],
                metafeatures=body["metafeatures"],
                layers=pd.DataFrame(body["layers"]),
                curves=pd.DataFrame(body["curves"]),
                inputs=body["inputs"],
            )
            priors.append(json.dumps(self.predictor.predict(profile).to_dict()))
        return pd.DataFrame({"prior": priors})


mlflow.models.set_model(PriorModel())
