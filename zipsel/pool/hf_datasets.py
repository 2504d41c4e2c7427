"""What Hugging Face ``datasets`` writes beside its Arrow files, and what of it is no data.

``Dataset.save_to_disk`` leaves ``data-00000-of-0000N.arrow`` (IPC streams), ``dataset_info.json``
and ``state.json``; ``DatasetDict.save_to_disk`` a folder of these for each split. All splits below
a directory are read, in the order of their names: name ``DIR/train`` for one of them. Results of
``map`` and ``filter`` that the library keeps as ``cache-<fingerprint>.arrow`` beside the data are
copies of rows, and are read only where they are named one by one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from zipsel.errors import ShardError
from zipsel.storage import paths

_STATE = "state.json"

#: Files that describe a data set and hold none of it.
SIDE_FILES = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", _STATE)

#: Also in parts, where ``num_proc`` was given.
_CACHE = re.compile(r"cache-[0-9a-f]{16}(_\d+_of_\d+)?\.arrow")

#: Keys that name the files of an indices mapping, by the library's version.
_INDICES = ("_indices_files", "_indices_data_files")


def is_cache(name: str) -> bool:
    """Whether a file name is that of a kept result of ``map`` or ``filter``."""
    return _CACHE.fullmatch(name) is not None


def refuse_indexed(path: str) -> None:
    """Raise if an Arrow file belongs to a data set whose rows are others than the file's.

    ``select``, ``shuffle`` and ``sort`` leave the files as they are and note in ``state.json``
    which rows count, and in which order.

    Raises:
        ShardError: With the remedy.
    """
    state = _read_state(paths.directory_of(path))
    if any(state.get(key) for key in _INDICES):
        raise ShardError(
            path,
            f"{_STATE} beside it says that its data set has an indices mapping (from select, "
            "shuffle or sort), so its rows are not the data set's; save it again after "
            "dataset.flatten_indices()",
        )


def missing_files(directory: str, names: Sequence[str]) -> list[ShardError]:
    """An error for each data file that ``state.json`` names and the directory does not have."""
    if _STATE not in names:
        return []
    listed = _read_state(directory).get("_data_files")
    wanted = [entry.get("filename") for entry in listed or () if isinstance(entry, dict)]
    return [
        ShardError(
            os.path.join(directory, name), f"is named by {_STATE} but is not there; copy it too"
        )
        for name in wanted
        if isinstance(name, str) and name == os.path.basename(name) and name not in names
    ]


def _read_state(directory: str) -> dict[str, Any]:
    """What a directory's ``state.json`` holds; nothing where there is none, or another's."""
    try:
        state = json.loads(paths.read_bytes(f"{directory}/{_STATE}"))
    except (OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}
