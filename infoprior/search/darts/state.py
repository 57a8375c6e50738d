"""What a search, or a selection, has reached, in one file that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from infoprior.files import remove_leftovers, write_atomically
from infoprior.search.darts.errors import DartsError

FILES = {"search": "darts.safetensors", "selection": "perturbation.safetensors"}
"""What has checkpoints -> the name of the file."""

_FORMAT = "infoprior.darts/2"


def write_state(
    folder: Path,
    tensors: Mapping[str, Tensor],
    key: Mapping[str, Any],
    history: list[Any],
    what: str = "search",
) -> None:
    """Write a checkpoint in the place of the one before.

    Args:
        folder: made if it is missing.
        tensors: name -> value.
        key: what the search is of; it can be resumed by a search of an equal one only.
        history: a dict an epoch, or a step.
        what: a key of `FILES`.
    """
    from safetensors.torch import save

    # A single metadata entry, because safetensors keeps several in a hash map's order.
    text = json.dumps({"format": _FORMAT, "key": key, "history": history})
    data = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    write_atomically(folder / FILES[what], save(data, metadata={what: text}))


def read_state(
    folder: Path, key: Mapping[str, Any], what: str = "search"
) -> tuple[dict[str, Tensor], list[dict[str, Any]]] | None:
    """The checkpoint of a search or a selection, if there is one.

    Args:
        folder: where it was written.
        key: as of `write_state`.
        what: likewise.

    Returns:
        its tensors and its history, or None.

    Raises:
        DartsError: the file cannot be read, or is of another search.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILES[what]
    if not path.exists():
        return None
    remove_leftovers(folder)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[what])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        history, written = header["history"], header["key"]
        known = header["format"] == _FORMAT
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise DartsError(
            f"{path}: not a readable checkpoint of a {what} ({error}); delete it, or name another "
            "folder."
        ) from None
    wanted = json.loads(json.dumps(key))
    if not known or written != wanted:
        other = [name for name in wanted if not known or written.get(name) != wanted[name]]
        raise DartsError(
            f"{path}: is the checkpoint of a {what} with other {', '.join(other) or 'arguments'}; "
            "name another folder, or delete it."
        )
    return tensors, history
