"""Which records a run chose, as a table beside its manifest: ``chosen.feather``.

A Feather file and not Parquet, so that nobody who reads ``subset/*.parquet`` takes it for data.
Columns, best record first: rank (from 1), shard, row, offset (of a JSON line or CSV row in the
decompressed shard; null for tables), alignment, n_bytes (of text), group, gain (what the record
added to those before it, in bits per n-gram of the target; null but for ``--strategy cover``),
text_hash (equal for equal texts, whatever their files).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import OutputError
from zipsel.pool.shards import Shard
from zipsel.selection.candidates import Candidates
from zipsel.storage.paths import read_bytes
from zipsel.storage.remote import is_remote

FILE_NAME = "chosen.feather"

#: Records of a record batch of the table, which are turned into Arrow arrays at once.
_BATCH_RECORDS = 1 << 20


def write_chosen(
    file: IO[bytes],
    chosen: Candidates,
    shards: Sequence[Shard],
    group_names: Sequence[str],
    text_hashes: NDArray[np.uint64],
    gains: NDArray[np.float64] | None = None,
) -> None:
    """Write the table of the chosen records, best first, into an open file."""
    names = pa.array([shard.path for shard in shards], pa.string())
    groups = pa.array(group_names, pa.string())
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with ExitStack() as stack:
        sink = None
        for first in range(0, max(1, len(chosen)), _BATCH_RECORDS):
            part = slice(first, first + _BATCH_RECORDS)
            of_part = Candidates(*(getattr(chosen, column.name)[part] for column in fields(chosen)))
            table = _chosen_table(of_part, first + 1, names, groups)
            gain = pa.nulls(len(table), pa.float64()) if gains is None else pa.array(gains[part])
            table = table.append_column("gain", gain)
            table = table.append_column("text_hash", pa.array(text_hashes[part]))
            if sink is None:
                sink = stack.enter_context(pa.ipc.new_file(file, table.schema, options=options))
            sink.write_table(table)


def _chosen_table(
    chosen: Candidates, first_rank: int, shards: pa.StringArray, groups: pa.StringArray
) -> pa.Table:
    """Consecutive chosen records, all columns but the gain."""
    group = pa.array(chosen.group, mask=chosen.group < 0)
    return pa.table(
        {
            "rank": pa.array(np.arange(first_rank, first_rank + len(chosen))),
            "shard": pa.DictionaryArray.from_arrays(pa.array(chosen.shard), shards),
            "row": pa.array(chosen.row),
            "offset": pa.array(chosen.offset, mask=chosen.offset < 0),
            "alignment": pa.array(chosen.alignment),
            "n_bytes": pa.array(chosen.n_bytes),
            "group": pa.DictionaryArray.from_arrays(group, groups),
        }
    )


def read_chosen(path: str | Path) -> pa.Table:
    """Read the table; an ``OutputError`` if there is none, or it is damaged."""
    from pyarrow import feather

    try:
        remote = is_remote(str(path))
        return feather.read_table(pa.BufferReader(read_bytes(str(path))) if remote else path)
    except FileNotFoundError:
        raise OutputError(
            f"{path}: no such file: the run was written to standard output or by an older "
            "version of zipsel; run the select again with --output DIR --force"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path}: cannot be read ({error}); run the select again") from None
