"""A process alone with texts in memory: how fast are the bare kernels of each scorer?

    kernels.py POOL.jsonl TARGET.jsonl SHARE N_NCD_TEXTS N_NCD_EXAMPLES

Prints JSON: name → bytes of text a second (`ncd-...`: likewise, of the texts it took). The texts
lie in memory in batches, as readers hand them out; what is timed is what no implementation can do
without: hashing and look-up for `ngram`, the two zstd calls for `conditional`, both for `fused`,
for the cascade `ngram` on all and zstd on the share that it passes, a compression a pair for `ncd`.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import zstandard

from zipsel.scorers.codecs import size_function
from zipsel.scorers.conditional import ConditionalScorer
from zipsel.scorers.fit import DEFAULT_SAMPLE_BYTES, FitSettings
from zipsel.scorers.fused import FusedScorer
from zipsel.texts import BATCH_BYTES, TextBatch

N_REPEATS = 3


class Row(msgspec.Struct):
    """What is needed of a line."""

    text: str


def read_texts(path: str) -> list[bytes]:
    """UTF-8 texts of a JSONL file."""
    decode = msgspec.json.Decoder(Row).decode
    lines = Path(path).read_bytes().splitlines()
    return [text for text in (decode(line).text.encode() for line in lines) if text]


def iter_batches(texts: Sequence[bytes]) -> Iterator[TextBatch]:
    """Texts in batches as readers make them."""
    batch: list[bytes] = []
    n_bytes = 0
    for text in texts:
        batch.append(text)
        n_bytes += len(text)
        if n_bytes >= BATCH_BYTES:
            yield TextBatch.from_encoded(batch)
            batch, n_bytes = [], 0
    if batch:
        yield TextBatch.from_encoded(batch)


def fit(texts: Sequence[bytes], target: Sequence[bytes]) -> FusedScorer:
    """``fused``, fitted on as large a sample as `select` takes."""
    step = max(1, sum(map(len, texts)) // DEFAULT_SAMPLE_BYTES)
    examples, sample = TextBatch.from_encoded(target), TextBatch.from_encoded(texts[::step])
    return FusedScorer.fit({"": examples}, sample, FitSettings(scorer="fused"))


def rate(work: Callable[[], object], n_bytes: int) -> float:
    """Bytes a second, median of a few repeats."""
    seconds = []
    for _ in range(N_REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return n_bytes / statistics.median(seconds)


def pair_rate(codec: str, level: int, texts: Sequence[bytes], examples: Sequence[bytes]) -> float:
    """Bytes of text a second if every text meets every example."""
    size = size_function(codec, level)

    def work() -> None:
        for x in texts:
            size(x)
            for y in examples:
                size(x + y)

    return rate(work, sum(map(len, texts)))


def zstd_pair(scorer: ConditionalScorer, batches: Sequence[TextBatch]) -> Callable[[], None]:
    """Both zstd calls on every text, without so much as a look at the sizes."""
    compressors = scorer._compressors
    buffers = []
    for batch in filter(len, batches):  # zstandard refuses to compress nothing
        segments = np.empty((len(batch), 2), np.uint64)
        segments[:, 0], segments[:, 1] = batch.offsets[:-1], batch.n_bytes
        buffers.append(zstandard.BufferWithSegments(batch.buffer.data, segments.tobytes()))

    def work() -> None:
        for buffer in buffers:
            for compressor in compressors:
                compressor.multi_compress_to_buffer(buffer)

    return work


def main() -> None:
    """Measure and print."""
    pool, target, fraction, n_texts, n_examples = sys.argv[1:]
    texts, examples = read_texts(pool), read_texts(target)
    batches = list(iter_batches(texts))
    n_bytes = sum(map(len, texts))
    scorer = fit(texts, examples)
    cascade = scorer.at_threshold(scorer.threshold_for(float(fraction)))
    few, some = texts[:: max(1, len(texts) // int(n_texts))], examples[: int(n_examples)]

    (facet,) = scorer.facets.values()
    ngram = rate(lambda: [facet.ngram.score(batch) for batch in batches], n_bytes)
    conditional = rate(zstd_pair(facet.conditional, batches), n_bytes)
    rates = {
        "ngram": ngram,
        "conditional": conditional,
        "fused": 1 / (1 / ngram + 1 / conditional),
        "cascade": rate(lambda: [cascade.score(batch) for batch in batches], n_bytes),
        "ncd-gzip-1": pair_rate("gzip", 1, few, some),
        "ncd-lz4-0": pair_rate("lz4", 0, few, some),
    }
    sys.stdout.write(json.dumps(rates))


if __name__ == "__main__":
    main()
