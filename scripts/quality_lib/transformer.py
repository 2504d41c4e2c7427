"""The transformer that the LM judge trains, and the configurations for CPU and GPU."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Pretraining:
    """The model and its start: everything that the pretrained weights depend on."""

    vocabulary: int
    n_layers: int
    n_heads: int
    width: int
    context_tokens: int
    batch_windows: int
    n_tokens: int
    rate: float


@dataclass(frozen=True)
class Finetuning:
    """What happens to every subset alike.

    Attributes:
        n_tokens: Tokens trained on.
        rate: Learning rate, the same throughout after a short warm-up.
        averaging: Share that the running mean of the weights keeps at each step. Checks use this
            mean, which does at any point what letting the rate decay does at the end.
        n_checks: Points of the loss curve after the start.
        max_examples: Held-out examples that are read at each check.
    """

    n_tokens: int
    rate: float
    averaging: float
    n_checks: int
    max_examples: int


@dataclass(frozen=True)
class LmConfig:
    """Everything the LM judge's numbers depend on, and how many seeds are averaged."""

    pretraining: Pretraining
    finetuning: Finetuning
    n_seeds: int

    def pretraining_digest(self) -> str:
        """Short name of the pretrained weights."""
        return _digest(asdict(self.pretraining))

    def for_bytes(self, n_bytes: int) -> "LmConfig":
        """The same for subsets of so many bytes: read as often as one of a megabyte is."""
        n_tokens = self.finetuning.n_tokens * n_bytes // 1_000_000
        return replace(self, finetuning=replace(self.finetuning, n_tokens=n_tokens))

    def digest(self) -> str:
        """Short name of everything but the seeds."""
        return _digest([asdict(self.pretraining), asdict(self.finetuning)])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


CPU_CONFIG = LmConfig(
    Pretraining(
        vocabulary=4096,
        n_layers=4,
        n_heads=4,
        width=192,
        context_tokens=256,
        batch_windows=8,
        n_tokens=3_600_000,
        rate=2e-3,
    ),
    Finetuning(n_tokens=262_144, rate=5e-4, averaging=0.95, n_checks=8, max_examples=100),
    n_seeds=1,
)
# A quarter of the pretraining and half of the rest: for a machine that is shared, in pairs only.
SMALL_CONFIG = LmConfig(
    replace(CPU_CONFIG.pretraining, n_tokens=900_000),
    Finetuning(n_tokens=131_072, rate=5e-4, averaging=0.95, n_checks=4, max_examples=50),
    n_seeds=1,
)
GPU_CONFIG = LmConfig(
    Pretraining(
        vocabulary=8192,
        n_layers=8,
        n_heads=8,
        width=512,
        context_tokens=256,
        batch_windows=32,
        n_tokens=100_000_000,
        rate=1e-3,
    ),
    Finetuning(n_tokens=1_048_576, rate=3e-4, averaging=0.95, n_checks=8, max_examples=400),
    n_seeds=3,
)


class Block(nn.Module):
    """Pre-norm self-attention and a feed-forward layer four times as wide."""

    def __init__(self, width: int, n_heads: int) -> None:
        """Weights with PyTorch's own initialization."""
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.norm_feed = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Residual update of `hidden`, shape `(n_windows, n_tokens, width)`."""
        n_windows, n_tokens, width = hidden.shape
        joint = self.query_key_value(self.norm_attention(hidden))
        heads = joint.view(n_windows, n_tokens, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.mix(mixed.transpose(1, 2).reshape(n_windows, n_tokens, width))
        updated: Tensor = hidden + self.narrow(functional.gelu(self.widen(self.norm_feed(hidden))))
        return updated


class Transformer(nn.Module):
    """A causal language model whose output weights are its token embeddings."""

    def __init__(self, config: Pretraining) -> None:
        """Random weights from PyTorch's current seed."""
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context_tokens, config.width)
        self.blocks = nn.Sequential(
            *(Block(config.width, config.n_heads) for _ in range(config.n_layers))
        )
        self.norm = nn.LayerNorm(config.width)
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def losses(self, inputs: Tensor, wanted: Tensor) -> Tensor:
        """Cost in nats of each token of `wanted`, shape `(n_windows, n_tokens)`; padding is -1."""
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        hidden = self.blocks(self.tokens(inputs) + self.positions(positions))
        logits = functional.linear(self.norm(hidden), self.tokens.weight)
        return functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=-1, reduction="none"
        ).view_as(wanted)
