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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

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


def choose_config() -> LmConfig:
    """The larger configuration where a GPU is at hand."""
    return GPU_CONFIG if torch.cuda.is_available() else CPU_CONFIG


class LmJudge:
    """A pretrained model and its tokenizer, made on first use and kept in a cache folder."""

    def __init__(self, config: LmConfig, pool_texts: Sequence[bytes], cache: Path) -> None:
        """Load the pretrained model, or train tokenizer and model on random pool texts."""
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        folder = cache / f"lm-{config.digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        shuffled = [pool_texts[i] for i in np.random.default_rng(0).permutation(len(pool_texts))]
        self.tokenizer = self._load_tokenizer(folder / "tokenizer.json", shuffled)
        self._pretrained = self._load_model(folder / "model.pt", shuffled)

    def measure(
        self, subset: Sequence[bytes], examples: Sequence[bytes], *, seed: int = 0
    ) -> LossCurve:
        """Fine-tune a copy of the pretrained model on `subset`; check on held-out `examples`.

        Training windows are drawn in a seeded random order, anew each time all were read.
        """
        began = time.perf_counter()
        held_out = examples[: self.config.max_examples]
        model = self._new_model()
        model.load_state_dict(self._pretrained)
        n_steps = self.config.finetune_tokens // self._step_tokens()
        n_checks = self.config.n_checks
        checks = {round(i * n_steps / n_checks) for i in range(1, n_checks + 1)}
        tokens, bits = [0], [self._example_bits(model, held_out)]
        steps = self._train(model, self._encode(subset), n_steps, self.config.finetune_rate, seed)
        for n_done in steps:
            if n_done in checks:
                tokens.append(n_done * self._step_tokens())
                bits.append(self._example_bits(model, held_out))
        return LossCurve(
            tokens=tokens,
            bits=np.array(bits),
            n_bytes=np.array(list(map(len, held_out))),
            n_seconds=time.perf_counter() - began,
        )

    def _step_tokens(self) -> int:
        return self.config.batch_windows * self.config.context_tokens

    def _load_tokenizer(self, path: Path, texts: Sequence[bytes]) -> Tokenizer:
        if not path.exists():
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            trainer = trainers.BpeTrainer(
                vocab_size=self.config.vocabulary,
                special_tokens=[END_OF_TEXT],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
            tokenizer.train_from_iterator((text.decode() for text in texts[:5000]), trainer)
            tokenizer.save(str(path))
        return Tokenizer.from_file(str(path))

    def _load_model(self, path: Path, texts: Sequence[bytes]) -> dict[str, Any]:
        if not path.exists():
            torch.manual_seed(0)
            model = self._new_model()
            n_steps = self.config.pretrain_tokens // self._step_tokens()
            tokens = self._encode(texts, limit=self.config.pretrain_tokens)
            rate = self.config.pretrain_rate
            for n_done in self._train(model, tokens, n_steps, rate, seed=0, decay=True):
                if n_done % 100 == 0:
                    print(f"pretraining: step {n_done} of {n_steps}", flush=True)
            torch.save(model.state_dict(), path.with_suffix(".partial"))
            path.with_suffix(".partial").rename(path)
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        return state

    def _new_model(self) -> Transformer:
        return Transformer(self.config).to(self.device)

    def _encode(self, texts: Sequence[bytes], limit: int | None = None) -> NDArray[np.int64]:
        """Tokens of the texts one after another, an end token before each and at the end."""
        tokens: list[int] = []
        for text in texts:
            tokens.append(END_TOKEN)
            tokens += self.tokenizer.encode(text.decode()).ids
            if limit is not None and len(tokens) > limit:
                break
        return np.array([*tokens, END_TOKEN], dtype=np.int64)

    def _iter_batches(
        self, tokens: NDArray[np.int64], seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches of windows; every pass cuts the windows at another offset."""
        n_context = self.config.context_tokens
        generator = np.random.default_rng(seed)
        window = np.arange(n_context + 1)
        # A subset of less than one batch is repeated until it fills one.
        n_needed = self._step_tokens() + n_context + 1
        tokens = np.tile(tokens, -(-n_needed // len(tokens)))
        while True:
            offset = int(generator.integers(n_context))
            starts = np.arange(offset, len(tokens) - n_context, n_context)
            generator.shuffle(starts)
            for i in range(0, len(starts), self.config.batch_windows):
                if i + self.config.batch_windows <= len(starts):
                    chosen = starts[i : i + self.config.batch_windows]
                    batch = torch.from_numpy(tokens[chosen[:, None] + window]).to(self.device)
                    yield batch[:, :-1], batch[:, 1:]

    def _train(
        self,
        model: Transformer,
        tokens: NDArray[np.int64],
        n_steps: int,
        rate: float,
        seed: int,
        *,
        decay: bool = False,
    ) -> Iterator[int]:
        """Train in place; yields the number of steps done after each."""
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1
        )
        batches = self._iter_batches(tokens, seed)
        n_warmup = max(1, n_steps // 20)
        for step in range(n_steps):
            share = min(1.0, (step + 1) / n_warmup)
            if decay:
                share *= 0.1 + 0.9 * (1 - step / n_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            model.train()
            with torch.autocast(self.device.type, torch.bfloat16, self.device.type == "cuda"):
                loss = model.losses(*next(batches)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield step + 1

    @torch.no_grad()
    def _example_bits(self, model: Transformer, examples: Sequence[bytes]) -> NDArray[np.float64]:
        """Bits of each example, cut into windows of the model's context, none seeing another."""
        model.eval()
        n_context = self.config.context_tokens
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
