"""What a user would pick instead of zipsel: every peer turns a task into one score per record.

Higher is better; -inf is never chosen. All see the same pool and the same examples, use one
thread and fixed seeds, and run as their users run them. Where a peer has a habit with several
variants (fastText's negatives, the cosine's aggregate) all are scored, and the tables take the
best one of each target, which favours the peer.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from quality_lib import dsir_scores, moore_lewis, ncd_scores, tsds
from quality_lib.data import ORACLE_DOMAINS, Pool, Task, load_target
from quality_lib.embeddings import Embedder

# gzip 9 codes about 15,000 pairs a second; beyond this many examples, a seeded draw stands for all.
GZIP_MAX_EXAMPLES = 200
# fastText: few examples need more passes than its default of 5, or nothing is learned.
FASTTEXT_EPOCHS = 25
FASTTEXT_RATE = 0.5
FASTTEXT_WORD_NGRAMS = 2
FASTTEXT_BUCKETS = 200_000
TOP_COSINES = 5

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Bench:
    """The pool, and what peers derive from it once for all tasks.

    Attributes:
        pool: The records to choose from.
        cache: Folder that keeps embeddings and features between runs.
        n_threads: Threads of the embedding model.
        measures: Whether what the cache lacks may be measured.
    """

    pool: Pool
    cache: Path
    n_threads: int = 1
    measures: bool = True

    @cached_property
    def dsir_features(self) -> scipy.sparse.csr_array:
        """DSIR's features of the pool."""
        return dsir_scores.load_features(self.pool.texts, self.cache / "dsir-features.npz")

    @cached_property
    def embedder(self) -> Embedder:
        """The sentence-embedding model with its cache."""
        return Embedder(self.cache / "embeddings", self.n_threads)

    @cached_property
    def pool_embeddings(self) -> NDArray[np.float32]:
        """Unit vectors of the pool, shape `(n_records, 384)`."""
        return self.embedder.embed("pool", self.pool.texts)

    @cached_property
    def pool_densities(self) -> NDArray[np.float64]:
        """How many records of the pool say what each record says, for TSDS."""
        return tsds.compute_densities(self.pool_embeddings)

    @cached_property
    def pool_words(self) -> moore_lewis.PoolWords:
        """Words of the pool, for Moore-Lewis."""
        return moore_lewis.PoolWords.read(self.pool.texts)

    def task_embeddings(self, task: Task) -> NDArray[np.float32]:
        """Unit vectors of the task's examples, shape `(n_examples, 384)`."""
        train = load_target(task.target, "train")
        vectors = self.embedder.embed(f"{task.target}.train", train)
        return np.stack(task.pick(list(vectors)))


def task_examples(task: Task) -> list[bytes]:
    """The texts a selector sees."""
    return task.pick(load_target(task.target, "train"))


def score_zipfit_default(bench: Bench, task: Task) -> Scores:
    """`zip-fit` as its users call it: gzip at level 0, which stores."""
    return ncd_scores.compute_stored_alignments(bench.pool.texts, task_examples(task))


def score_zipfit_gzip(bench: Bench, task: Task) -> Scores:
    """ZIP-FIT with gzip 9, on at most `GZIP_MAX_EXAMPLES` examples."""
    examples = task_examples(task)
    if len(examples) > GZIP_MAX_EXAMPLES:
        drawn = np.random.default_rng(0).choice(len(examples), GZIP_MAX_EXAMPLES, replace=False)
        examples = [examples[i] for i in sorted(drawn.tolist())]
    return ncd_scores.compute_alignments(bench.pool.texts, examples, ncd_scores.gzip_9_size)


def score_zipfit_lz4(bench: Bench, task: Task) -> Scores:
    """ZIP-FIT with lz4 0, its authors' fastest."""
    return ncd_scores.compute_alignments(
        bench.pool.texts, task_examples(task), ncd_scores.lz4_0_size
    )


def score_dsir(bench: Bench, task: Task) -> Scores:
    """DSIR with its defaults: summed weights, Gumbel noise, texts of at least 100 tokens."""
    weights = _dsir_weights(bench, task)
    return dsir_scores.resample_scores(
        weights, dsir_scores.count_tokens(bench.dsir_features), seed=0
    )


def score_dsir_per_token(bench: Bench, task: Task) -> Scores:
    """DSIR's weight divided by the number of tokens, without noise or a shortest length."""
    n_tokens = dsir_scores.count_tokens(bench.dsir_features)
    return _dsir_weights(bench, task) / np.maximum(n_tokens, 1)


def score_dsir_per_token_long(bench: Bench, task: Task) -> Scores:
    """DSIR's weight per token among texts of at least 100 tokens."""
    n_tokens = dsir_scores.count_tokens(bench.dsir_features)
    scores = _dsir_weights(bench, task) / np.maximum(n_tokens, 1)
    return np.where(n_tokens >= dsir_scores.MIN_TOKENS, scores, -np.inf)


def _dsir_weights(bench: Bench, task: Task) -> Scores:
    target = dsir_scores.count_features(task_examples(task))
    return dsir_scores.compute_weights(bench.dsir_features, target)


def _score_fasttext(bench: Bench, task: Task, n_negatives_per_example: int) -> Scores:
    """Margin of a fastText classifier of the examples against random records of the pool.

    The margin orders as the probability does, which saturates in single precision.
    """
    import fasttext

    def one_line(text: bytes) -> str:
        return text.decode().replace("\n", " ")

    examples = task_examples(task)
    n_negatives = min(n_negatives_per_example * len(examples), len(bench.pool))
    negatives = np.random.default_rng(0).choice(len(bench.pool), n_negatives, replace=False)
    lines = [f"__label__target {one_line(text)}\n" for text in examples]
    lines += [f"__label__pool {one_line(bench.pool.texts[i])}\n" for i in negatives]
    np.random.default_rng(1).shuffle(lines)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        model = fasttext.train_supervised(
            file.name,
            lr=FASTTEXT_RATE,
            epoch=FASTTEXT_EPOCHS,
            wordNgrams=FASTTEXT_WORD_NGRAMS,
            bucket=FASTTEXT_BUCKETS,
            thread=1,
            seed=0,
            verbose=0,
        )
    weight_of = dict(zip(model.labels, model.get_output_matrix(), strict=True))
    direction = weight_of["__label__target"] - weight_of["__label__pool"]
    return np.array(
        [model.get_sentence_vector(one_line(text)) @ direction for text in bench.pool.texts],
        dtype=np.float64,
    )


def score_fasttext_1x(bench: Bench, task: Task) -> Scores:
    """FastText with as many random records as examples."""
    return _score_fasttext(bench, task, 1)


def score_fasttext_20x(bench: Bench, task: Task) -> Scores:
    """FastText with 20 random records per example."""
    return _score_fasttext(bench, task, 20)


def _cosines(bench: Bench, task: Task) -> NDArray[np.float32]:
    """Cosines of every record with every example, shape `(n_records, n_examples)`."""
    return bench.pool_embeddings @ bench.task_embeddings(task).T


def score_minilm_mean(bench: Bench, task: Task) -> Scores:
    """Mean cosine of MiniLM embeddings to the examples."""
    return np.asarray(_cosines(bench, task).mean(axis=1), dtype=np.float64)


def score_minilm_max(bench: Bench, task: Task) -> Scores:
    """Largest cosine of MiniLM embeddings to an example."""
    return np.asarray(_cosines(bench, task).max(axis=1), dtype=np.float64)


def score_minilm_top(bench: Bench, task: Task) -> Scores:
    """Mean of the five largest cosines of MiniLM embeddings to examples."""
    ordered = np.partition(_cosines(bench, task), -TOP_COSINES, axis=1)
    return np.asarray(ordered[:, -TOP_COSINES:].mean(axis=1), dtype=np.float64)


def score_tsds(bench: Bench, task: Task) -> Scores:
    """TSDS over MiniLM embeddings, by its KNN-KDE variant."""
    examples = bench.task_embeddings(task)
    densities = bench.pool_densities
    return tsds.draw_scores(tsds.compute_probabilities(bench.pool_embeddings, examples, densities))


def score_moore_lewis(bench: Bench, task: Task) -> Scores:
    """Moore-Lewis by word 5-grams."""
    return moore_lewis.score_texts(bench.pool_words, task_examples(task))


def score_oracle(bench: Bench, task: Task) -> Scores:
    """Random records of the domains a person would pick by their labels; no others."""
    domains = ORACLE_DOMAINS.get(task.target, ())
    fits = np.array([source in domains for source in bench.pool.sources])
    return np.where(fits, _random_scores(bench, "oracle"), -np.inf)


def _random_scores(bench: Bench, salt: str) -> Scores:
    return np.random.default_rng(list(salt.encode())).random(len(bench.pool))


def score_random_0(bench: Bench, task: Task) -> Scores:
    """Random records, first seed."""
    return _random_scores(bench, "random 0")


def score_random_1(bench: Bench, task: Task) -> Scores:
    """Random records, second seed."""
    return _random_scores(bench, "random 1")


def score_random_2(bench: Bench, task: Task) -> Scores:
    """Random records, third seed."""
    return _random_scores(bench, "random 2")


PEERS: dict[str, Callable[[Bench, Task], Scores]] = {
    "zipfit-default": score_zipfit_default,
    "zipfit-gzip-9": score_zipfit_gzip,
    "zipfit-lz4-0": score_zipfit_lz4,
    "dsir": score_dsir,
    "dsir-per-token": score_dsir_per_token,
    "dsir-per-token-long": score_dsir_per_token_long,
    "fasttext-1x": score_fasttext_1x,
    "fasttext-20x": score_fasttext_20x,
    "minilm-mean": score_minilm_mean,
    "minilm-max": score_minilm_max,
    "minilm-top5": score_minilm_top,
    "tsds": score_tsds,
    "moore-lewis": score_moore_lewis,
    "random-0": score_random_0,
    "random-1": score_random_1,
    "random-2": score_random_2,
    "oracle": score_oracle,
}
