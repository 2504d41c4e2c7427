"""A fastText classifier of target against pool: run_fasttext.py POOL TARGET OUTPUT.

Trained on the examples and 20 random records for each, then every record is scored. One thread
scores: the Python binding has no other way. Prints JSON: records a second of the whole process
after start-up, and its peak memory.
"""

import json
import random
import sys
import time
from pathlib import Path

import fasttext

from bench_lib.kernels import read_texts
from bench_lib.processes import high_water_bytes

N_NEGATIVES = 20
EPOCHS = 25
RATE = 0.5


def one_line(text: bytes) -> str:
    """The text without line breaks, which end an example."""
    return text.decode().replace("\n", " ")


def main() -> None:
    """Train, score, write the scores."""
    pool, target, output = sys.argv[1:]
    started = time.perf_counter()
    texts, examples = read_texts(pool), read_texts(target)
    negatives = random.Random(0).sample(texts, min(len(texts), N_NEGATIVES * len(examples)))
    lines = [f"__label__target {one_line(text)}\n" for text in examples]
    lines += [f"__label__pool {one_line(text)}\n" for text in negatives]
    random.Random(1).shuffle(lines)
    train = Path(f"{output}.train.txt")
    train.write_text("".join(lines), encoding="utf-8")
    model = fasttext.train_supervised(
        str(train), lr=RATE, epoch=EPOCHS, wordNgrams=2, bucket=200_000, seed=0, verbose=0
    )
    labels = dict(zip(model.labels, model.get_output_matrix(), strict=True))
    direction = labels["__label__target"] - labels["__label__pool"]
    scores = [float(model.get_sentence_vector(one_line(text)) @ direction) for text in texts]
    Path(output).write_text(json.dumps(scores))
    seconds = time.perf_counter() - started
    figures = {"records_per_second": len(texts) / seconds, "peak_bytes": high_water_bytes()}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
