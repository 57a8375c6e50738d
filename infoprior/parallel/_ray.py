"""joblib's Ray backend, giving results as they finish."""

from __future__ import annotations

from ray.util.joblib.ray_backend import RayBackend


class Backend(RayBackend):
    """Ray's pool calls back for every job, so that results need not wait for the last one.

    Ray inherits a "no" to that from joblib's backend for multiprocessing, where it is the end of
    the pool that is at fault.
    """

    supports_return_generator = True
