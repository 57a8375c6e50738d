"""joblib's Ray backend, giving results as they finish."""

from __future__ import annotations

from typing import Any

from ray.util.joblib.ray_backend import RayBackend


class Backend(RayBackend):
    """Ray's pool calls back for every job, so that results need not wait for the last one.

    Ray inherits a "no" to that from joblib's backend for multiprocessing, where it is the end of
    the pool that is at fault. Of a job whose process died it hands over the error as the result.
    """

    supports_return_generator = True

    def retrieve_result_callback(self, result: Any) -> Any:
        if isinstance(result, BaseException):
            raise result
        return super().retrieve_result_callback(result)
