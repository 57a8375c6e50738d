"""What every stage script shares: its parameters, the folders, and atomic tables."""

from __future__ import annotations

import io
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from joblib import Parallel

_X86 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",  # those that Haswell has; unset: those of this processor
    # As they are called in NumPy up to 2.3, and since; what one of them does not know it passes by
    # with an ImportWarning, which Python hides.
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL "
    "AVX512_SPR X86_V4",
}
# Set before numpy and torch load: one instruction set and one thread, so that the same sources and
# parameters give the same bytes on different x86 machines. Workers inherit the environment.
for _name, _value in {
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    **(_X86 if platform.machine() in ("x86_64", "AMD64") else {}),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)

import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from infoprior.files import remove_leftovers, write_atomically  # noqa: E402
from infoprior.fingerprints import fingerprint, source_fingerprint  # noqa: E402
from infoprior.parallel import engine_options, worker_pool  # noqa: E402
from pipeline.params import read_params  # noqa: E402

DATA = Path("data")
LONGEST_NAME = 80  # of a task in a file's name, which has more to say
MODELS = Path("models")
REPORTS = Path("reports")
SHARDS = DATA / "shards"
"""Finished jobs; no stage output, so that DVC never deletes them. Their keys say what made them."""


def fan_out() -> dict[str, Any]:
    """The section `parallel` as keyword arguments of `run_jobs`; no result depends on it.

    Raises:
        SystemExit: its settings do not go together.
    """
    try:
        return engine_options(read_params("parallel"))
    except ValueError as error:
        raise SystemExit(f"params.yaml: {error}") from None


def workers() -> int:
    """How many processes to use on this machine."""
    return int(fan_out()["workers"])


def pool() -> Parallel:
    """So many processes, for calls that are not worth a file each."""
    return worker_pool(workers())


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """A table as parquet, atomically; the same table gives the same bytes."""
    buffer = io.BytesIO()
    # Without pandas' own metadata, which would put its version into the bytes.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, buffer, compression="zstd")
    _write(path, buffer.getvalue())


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """A table for people, rounded to what a reader compares."""
    _write(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _write(path: Path, content: str | bytes) -> None:
    remove_leftovers(path.parent)  # of a stage that was killed: DVC would take them for outputs
    write_atomically(path, content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder that is there whole or not at all: it is filled beside its place, then put there.

    Where the filling is killed or fails, what was there before stays.
    """
    new, old = (path.with_name(f".{path.name}.{what}.tmp") for what in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """(values of the columns `by`, their rows), in order of appearance."""
    yield from frame.groupby(list(by), sort=False)


def label(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """The table with columns of one value each."""
    return frame.assign(**columns)


def code_version(*modules: str) -> list[str]:
    """What a job's result depends on beside its arguments: sources, and the engine's version."""
    from importlib.metadata import version

    used = ("torch", "scikit-learn", "numba")
    engines = [f"{name} {version(name).split('+')[0]}" for name in used]
    return [source_fingerprint(*modules), *engines]


def file_name(task: str) -> str:
    """A task's name as a file's and a job's: "keel/letter" -> "keel--letter".

    Tables of one's own may be called anything: "table/a b" -> "table--a=20b".
    """
    name = quote(task, safe="/+").replace("~", "=7E").replace("%", "=").replace("/", "--")
    return name if len(name) <= LONGEST_NAME else f"{name[:60]}.{fingerprint(task)}"
