"""Independent jobs over workers: processes of this machine, or a Dask or Ray cluster.

`run_jobs` runs what has no result yet and writes each result as a file; `worker_pool` is for calls
that are not worth a file each. A job's key says all that its result depends on: `fingerprint` of
values and `source_fingerprint` of the code, from `infoprior.fingerprints`.
"""

from infoprior.fingerprints import (
    FingerprintError,
    SourceError,
    fingerprint,
    source_fingerprint,
)
from infoprior.parallel._errors import EngineError, JobError, ParallelError
from infoprior.parallel._jobs import run_jobs
from infoprior.parallel._options import ENGINES, engine_options
from infoprior.parallel._processes import worker_pool

__all__ = [
    "ENGINES",
    "EngineError",
    "FingerprintError",
    "JobError",
    "ParallelError",
    "SourceError",
    "engine_options",
    "fingerprint",
    "run_jobs",
    "source_fingerprint",
    "worker_pool",
]
