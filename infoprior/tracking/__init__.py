"""MLflow, in one room: runs with nested ones, tables, files, models, the registry, views."""

from infoprior.tracking._archives import zip_folder, zip_sources
from infoprior.tracking._errors import TrackingError
from infoprior.tracking._runs import Model, Run
from infoprior.tracking._store import Store, store_uri
from infoprior.tracking._tracker import CURRENT_TAG, KEY_TAG, RESULTS_TAG, Tracker
from infoprior.tracking._views import View, model_url, runs_url

__all__ = [
    "CURRENT_TAG",
    "KEY_TAG",
    "RESULTS_TAG",
    "Model",
    "Run",
    "Store",
    "Tracker",
    "TrackingError",
    "View",
    "model_url",
    "runs_url",
    "store_uri",
    "zip_folder",
    "zip_sources",
]
