"""Which records a run chose, as a table beside its manifest: ``chosen.feather``.

A Feather file and not Parquet, so that nobody who reads ``subset/*.parquet`` takes it for data.
Columns, best record first: rank (from 1), shard, row, offset (of a JSON line or CSV row in the
decompressed shard; null for tables), alignment, n_bytes (of text), group, gain (what the record
added to those before it, in bits per n-gram of the target; null but for ``--strategy cover``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import OutputError
from zipsel.pool.shards import Shard
from zipsel.selection.ranking import Candidates
from zipsel.storage.paths import read_bytes
from zipsel.storage.remote import is_remote

FILE_NAME = "chosen.feather"


def chosen_table(
    chosen: Candidates,
    shards: Sequence[Shard],
    group_names: Sequence[str],
    gains: NDArray[np.float64] | None = None,
) -> pa.Table:
    """The chosen records, in the order of ``chosen``, which is that of their ranks."""
    group = pa.array(chosen.group, mask=chosen.group < 0)
    gain = pa.nulls(len(chosen), pa.float64()) if gains is None else pa.array(gains)
    return pa.table(
        {
            "rank": pa.array(np.arange(1, len(chosen) + 1)),
            "shard": pa.DictionaryArray.from_arrays(
                pa.array(chosen.shard), pa.array([shard.path for shard in shards], pa.string())
            ),
            "row": pa.array(chosen.row),
            "offset": pa.array(chosen.offset, mask=chosen.offset < 0),
            "alignment": pa.array(chosen.alignment),
            "n_bytes": pa.array(chosen.n_bytes),
            "group": pa.DictionaryArray.from_arrays(group, pa.array(group_names, pa.string())),
            "gain": gain,
        }
    )


def write_chosen(file: IO[bytes], table: pa.Table) -> None:
    """Write the table into an open file."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(file, table.schema, options=options) as sink:
        sink.write_table(table)


def read_chosen(path: str | Path) -> pa.Table:
    """Read the table.

    Raises:
        OutputError: If there is none, or it is damaged.
    """
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
