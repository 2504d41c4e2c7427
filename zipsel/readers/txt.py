"""Text files: a file is one example of a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.decompress import open_pieces
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Chunk, RowBatch
from zipsel.texts import TextBatch


class _Text:
    """Reads text files; see ``zipsel.readers.Reader``. Each is one chunk of one row."""

    def plan(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> list[Chunk]:
        """The file."""
        return [Chunk(0, "the text", None, final=True)]

    def cut(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> Iterator[Chunk]:
        """Yield the file."""
        yield from self.plan(shard, reading, chunk_bytes)

    def read(self, shard: Shard, chunk: Chunk, reading: Reading, **_: Any) -> Iterator[RowBatch]:
        """Yield the one row.

        Raises:
            ShardError: If the file is no UTF-8, or has no text.
        """
        with open_pieces(shard, reading) as pieces:
            data = b"".join(pieces)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise ShardError(shard.path, "is no UTF-8 text") from None
        if not text.strip():
            raise ShardError(shard.path, "is an empty example")
        yield RowBatch(np.zeros(1, np.int64), TextBatch.from_encoded([data]), np.arange(1), {}, [])

    def take(self, shard: Shard, places: NDArray[Any], reading: Reading) -> Iterator[bytes]:
        """No pool is made of text files, so none of their rows is ever taken."""
        raise NotImplementedError

    def check(self, shard: Shard, reading: Reading) -> None:
        """Reading the file is the check."""


READER = _Text()
