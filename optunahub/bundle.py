"""Writes the OptunaHub package as it is submitted to the registry: with real files, no links.

    $ python optunahub/bundle.py REGISTRY/package/samplers/prior_sampler

In this repository the package's `_priors` is a link to `infoprior/priors`; the registry's packages
are fetched folder by folder, where a link would lead nowhere.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "package" / "samplers" / "prior_sampler"
FILES = ("README.md", "LICENSE", "__init__.py", "example.py")


def _all_but_modules(folder: str, names: list[str]) -> list[str]:
    kept = [p.name for p in Path(folder).iterdir() if p.suffix == ".py" or p.is_dir()]
    return [name for name in names if name not in kept or name == "__pycache__"]


def bundle(out: Path) -> None:
    """Write the package to a folder that is empty or not there yet, whole or not at all.

    Raises:
        FileExistsError: there is something at `out` already; it is left as it is.
    """
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise FileExistsError(f"{out} is there already, and is not an empty folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        made = Path(scratch) / "package"
        made.mkdir()
        for name in FILES:
            shutil.copy(PACKAGE / name, made / name)
        # Every module of it is imported by its `__init__`, directly or not.
        shutil.copytree(PACKAGE / "_priors", made / "_priors", ignore=_all_but_modules)
        made.rename(out)  # onto an empty folder at most: otherwise the system refuses


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python optunahub/bundle.py OUT")
    try:
        bundle(Path(sys.argv[1]))
    except OSError as error:
        sys.exit(f"bundle: {error}")
