"""Folders as one small file each: a logged model gets a copy of all that it needs."""

from __future__ import annotations

import zipfile
from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file knows: same content, same bytes


def zip_folder(folder: Path, path: Path) -> Path:
    """All files of a folder as a zip file, packed small.

    Args:
        folder: its files and those below it.
        path: of the zip file.

    Returns:
        the zip file, which `shutil.unpack_archive` unpacks.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return _zip(folder, files, path, zipfile.ZIP_LZMA)


def zip_sources(package: Path, path: Path) -> Path:
    """The source files of a Python package, without its data, as a zip file to import from.

    Args:
        package: its folder; the name is the package's.
        path: the zip file; on `sys.path` the package is imported from it.
    """
    # Python imports from zip files that were deflated, not from those packed by LZMA.
    return _zip(package.parent, sorted(package.rglob("*.py")), path, zipfile.ZIP_DEFLATED)


def _zip(top: Path, files: list[Path], path: Path, compression: int) -> Path:
    level = 9 if compression == zipfile.ZIP_DEFLATED else None
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            member = zipfile.ZipInfo(file.relative_to(top).as_posix(), _DATE)
            member.external_attr = 0o644 << 16
            archive.writestr(member, file.read_bytes(), compression, level)
    return path
