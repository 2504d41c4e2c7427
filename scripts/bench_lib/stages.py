"""One shard in one process, stage by stage, each against its own limit.

    stages.py SHARD.jsonl.zst TARGET.jsonl FOLDER

Prints JSON: stage → `[seconds, limit seconds]`. The limit is the fastest known way to do that much:

- read: the whole file into one buffer
- decompress: one call that knows the output's size
- parse: msgspec decoding the text field of lines that are cut already, and encoding it
- ngram: multiply, shift and look up every byte's word, without sums or ends of texts
- compress: both zstd calls on what the default cascade lets through, sizes not looked at
- write: as many bytes into a file, without a format
"""

import json
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zstandard
from msgspec import json as fast_json

from bench_lib.kernels import Row, fit, read_texts, zstd_pair
from zipsel.pool.shards import open_shard
from zipsel.readers.decompress import iter_pieces, open_pieces
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import STRETCH_BYTES, LineChunk, cut_lines
from zipsel.readers.reading import Reading, TextSpec
from zipsel.scorers.ngram import bucket_words, words_at_every_byte
from zipsel.scoring.sidecar_writer import PartBuilder
from zipsel.selection.passes import _LEAST_FRACTION

N_REPEATS = 5
BLOCK_BYTES = 1 << 17


def seconds(work: Callable[[], object]) -> float:
    """Median wall time."""
    taken = []
    for _ in range(N_REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    shard, target, folder = sys.argv[1:]
    reading, parser = Reading(), RowParser(TextSpec())
    stored = Path(shard).read_bytes()

    def read() -> None:
        with open(shard, "rb") as file:
            for _ in iter_pieces(file, shard, ""):
                pass

    def stretches() -> Iterator[LineChunk]:
        with open_pieces(open_shard(shard, 0), reading, at_once=True) as pieces:
            yield from cut_lines(pieces, reading.max_row_bytes, stretch_bytes=STRETCH_BYTES)

    chunks = list(stretches())
    plain = b"".join(chunk.data for chunk in chunks)
    rows = [batch for chunk in chunks for batch in iter_rows(chunk, parser, reading)]
    batches = [batch.texts for batch in rows]
    texts = [text for batch in batches for text in batch.iter_encoded()]
    scorer = fit(texts, read_texts(target))
    (facet,) = scorer.facets.values()
    cascade = scorer.at_threshold(scorer.threshold_for(_LEAST_FRACTION))
    scores = [cascade.score(batch) for batch in batches]
    passed = [np.flatnonzero(~np.isnan(one["alignment"])) for one in scores]
    contenders = [batch.take(kept) for batch, kept in zip(batches, passed, strict=True)]
    path = os.path.join(folder, "part.parquet")

    def write() -> None:
        builder = PartBuilder(cascade.columns, cascade.columns_finished_later)
        for batch, of_batch in zip(rows, scores, strict=True):
            builder.add(batch, of_batch)
        builder.write(path, 0, final=True, threshold=cascade.threshold)

    write()
    written = Path(path).read_bytes()
    lines = plain.splitlines()
    decode = fast_json.Decoder(Row).decode
    hashes, weights = np.empty(BLOCK_BYTES, np.uint64), np.empty(BLOCK_BYTES, np.float32)

    def look_up() -> None:
        for batch in batches:
            for start in range(0, int(batch.offsets[-1]), BLOCK_BYTES):
                block = hashes[: int(batch.offsets[-1]) - start]
                words = words_at_every_byte(batch.buffer, start, len(block))
                bucket_words(words, block, facet.ngram.parameters)
                facet.ngram.weights.take(
                    block.view(np.int64), out=weights[: len(block)], mode="wrap"
                )

    figures = {
        "read": (seconds(read), seconds(Path(shard).read_bytes)),
        "decompress": (
            seconds(lambda: deque(stretches(), maxlen=0)),
            seconds(
                lambda: zstandard.ZstdDecompressor().decompress(stored, max_output_size=len(plain))
            ),
        ),
        "parse": (
            seconds(lambda: [batch for one in chunks for batch in iter_rows(one, parser, reading)]),
            seconds(lambda: [decode(line).text.encode() for line in lines]),
        ),
        "ngram": (
            seconds(lambda: [facet.ngram.score(batch) for batch in batches]),
            seconds(look_up),
        ),
        "compress": (
            seconds(
                lambda: [
                    facet.conditional.sizes(batch, kept)
                    for batch, kept in zip(batches, passed, strict=True)
                ]
            ),
            seconds(zstd_pair(facet.conditional, contenders)),
        ),
        "write": (
            seconds(write),
            seconds(lambda: Path(path).write_bytes(written)),
        ),
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
