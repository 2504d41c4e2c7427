"""The LM judge: a small causal transformer, pretrained once, fine-tuned on each subset.

The model reads byte-pair tokens, is pretrained on random text of the pool, and then trained on
every subset alike: same start, same number of tokens, same learning rate throughout. On the way
it is asked at even intervals what the held-out examples cost, in bits per byte; since the rate
never decays, each of these points is what a shorter run would have reached, so that the tables
can say which share of the tokens a better subset saves.

Without a GPU a model of 2.6 M parameters does this in about a minute and a half on one core; with
one the same code trains `GPU_CONFIG`, a larger model on more tokens and seeds. Everything is
seeded; on one machine and number of threads the numbers repeat.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from quality_lib.lm_training import iter_batches, iter_training
from quality_lib.transformer import CPU_CONFIG, GPU_CONFIG, LmConfig, Transformer

END_OF_TEXT = "<|end|>"
END_TOKEN = 0
LN2 = float(np.log(2))


@dataclass(frozen=True)
class LossCurve:
    """Held-out bits along one fine-tuning.

    Attributes:
        tokens: Tokens trained on at each check; the first is 0.
        bits: Bits of each example at each check, shape `(n_checks + 1, n_examples)`.
        n_bytes: Bytes of each example, shape `(n_examples,)`.
        n_seconds: Wall time of training and checks.
    """

    tokens: list[int]
    bits: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    n_seconds: float


@torch.no_grad()
def _move_towards(averaged: Transformer, model: Transformer, share: float) -> None:
    """Move every weight of `averaged` by `share` of its distance to `model`."""
    for kept, current in zip(averaged.parameters(), model.parameters(), strict=True):
        kept.lerp_(current, share)


def choose_config() -> LmConfig:
    """The larger configuration where a GPU is at hand."""
    return GPU_CONFIG if torch.cuda.is_available() else CPU_CONFIG


class LmJudge:
    """A pretrained model and its tokenizer, made on first use and kept in a cache folder."""

    def __init__(self, config: LmConfig, pool_texts: Sequence[bytes], cache: Path) -> None:
        """Take random pool texts for what is not in the cache yet."""
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._folder = cache / f"lm-start-{config.pretraining_digest()}"
        self._pool_texts = pool_texts

    @property
    def _shuffled(self) -> list[bytes]:
        order = np.random.default_rng(0).permutation(len(self._pool_texts))
        return [self._pool_texts[i] for i in order]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of the pretrained model."""
        return self._load_tokenizer(self._folder / "tokenizer.json")

    @cached_property
    def _pretrained(self) -> dict[str, Any]:
        return self._load_model(self._folder / "model.pt")

    def measure(
        self, subset: Sequence[bytes], examples: Sequence[bytes], *, seed: int = 0
    ) -> LossCurve:
        """Fine-tune a copy of the pretrained model on `subset`; check on held-out `examples`.

        Training windows are drawn in a seeded random order, anew each time all were read.
        """
        began = time.perf_counter()
        recipe = self.config.finetuning
        held_out = examples[: recipe.max_examples]
        model, averaged = self._copy_pretrained(), self._copy_pretrained()
        step_tokens = self._step_tokens()
        n_steps = recipe.n_tokens // step_tokens
        checks = {round(i * n_steps / recipe.n_checks) for i in range(1, recipe.n_checks + 1)}
        tokens, bits = [0], [self._example_bits(averaged, held_out)]
        batches = self._iter_batches(self._encode(subset), seed)
        for n_done in iter_training(model, batches, n_steps, recipe.rate):
            _move_towards(averaged, model, 1 - recipe.averaging)
            if n_done in checks:
                tokens.append(n_done * step_tokens)
                bits.append(self._example_bits(averaged, held_out))
        return LossCurve(
            tokens=tokens,
            bits=np.array(bits),
            n_bytes=np.array(list(map(len, held_out))),
            n_seconds=time.perf_counter() - began,
        )

    def _step_tokens(self) -> int:
        return self.config.pretraining.batch_windows * self.config.pretraining.context_tokens

    def _iter_batches(
        self, tokens: NDArray[np.int64], seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        shape = self.config.pretraining
        return iter_batches(tokens, shape.context_tokens, shape.batch_windows, seed)

    def _load_tokenizer(self, path: Path) -> Tokenizer:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            trainer = trainers.BpeTrainer(
                vocab_size=self.config.pretraining.vocabulary,
                special_tokens=[END_OF_TEXT],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
            tokenizer.train_from_iterator(
                (text.decode() for text in self._shuffled[:5000]), trainer
            )
            tokenizer.save(str(path))
        return Tokenizer.from_file(str(path))

    def _load_model(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            torch.manual_seed(0)
            model = self._new_model()
            recipe = self.config.pretraining
            n_steps = recipe.n_tokens // self._step_tokens()
            batches = self._iter_batches(self._encode(self._shuffled, recipe.n_tokens), seed=0)
            for n_done in iter_training(model, batches, n_steps, recipe.rate, decay=True):
                if n_done % 100 == 0:
                    print(f"pretraining: step {n_done} of {n_steps}", flush=True)
            torch.save(model.state_dict(), path.with_suffix(".partial"))
            path.with_suffix(".partial").rename(path)
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        return state

    def _new_model(self) -> Transformer:
        return Transformer(self.config.pretraining).to(self.device)

    def _copy_pretrained(self) -> Transformer:
        model = self._new_model()
        model.load_state_dict(self._pretrained)
        return model

    def _encode(self, texts: Sequence[bytes], limit: int | None = None) -> NDArray[np.int64]:
        """Tokens of the texts one after another, an end token before each and at the end."""
        tokens: list[int] = []
        for text in texts:
            tokens.append(END_TOKEN)
            tokens += self.tokenizer.encode(text.decode()).ids
            if limit is not None and len(tokens) > limit:
                break
        return np.array([*tokens, END_TOKEN], dtype=np.int64)

    @torch.no_grad()
    def _example_bits(self, model: Transformer, examples: Sequence[bytes]) -> NDArray[np.float64]:
        """Bits of each example, cut into windows of the model's context, none seeing another."""
        n_context = self.config.pretraining.context_tokens
        owners, windows = [], []
        for i, example in enumerate(examples):
            tokens = [END_TOKEN, *self.tokenizer.encode(example.decode()).ids, END_TOKEN]
            for start in range(0, len(tokens) - 1, n_context):
                owners.append(i)
                windows.append(tokens[start : start + n_context + 1])
        # Windows of similar length share a batch, so that little of it is padding.
        by_length = sorted(range(len(windows)), key=lambda w: len(windows[w]))
        bits = np.zeros(len(examples))
        for first in range(0, len(by_length), 16):
            batch = by_length[first : first + 16]
            n_longest = max(len(windows[w]) for w in batch)
            padded = np.full((len(batch), n_longest), -1)
            for row, w in enumerate(batch):
                padded[row, : len(windows[w])] = windows[w]
            both = torch.from_numpy(padded).to(self.device)
            losses = model.losses(both[:, :-1].clamp(min=0), both[:, 1:]).sum(dim=1)
            np.add.at(bits, [owners[w] for w in batch], losses.double().cpu().numpy() / LN2)
        return bits
