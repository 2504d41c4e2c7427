"""The transformer that the LM judge trains, and the configurations for CPU and GPU."""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class LmConfig:
    """Everything the LM judge's numbers depend on, the seed of a run excepted."""

    vocabulary: int = 4096
    n_layers: int = 4
    n_heads: int = 4
    width: int = 192
    context_tokens: int = 256
    batch_windows: int = 8
    pretrain_tokens: int = 3_600_000
    pretrain_rate: float = 2e-3
    finetune_tokens: int = 262_144
    finetune_rate: float = 1e-3
    n_checks: int = 8
    max_examples: int = 100
    n_seeds: int = 1

    def digest(self) -> str:
        """Short name of this configuration, for the cache; the number of seeds is no part."""
        fields = {key: value for key, value in asdict(self).items() if key != "n_seeds"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


CPU_CONFIG = LmConfig()
GPU_CONFIG = LmConfig(
    vocabulary=8192,
    n_layers=8,
    n_heads=8,
    width=512,
    batch_windows=32,
    pretrain_tokens=100_000_000,
    pretrain_rate=1e-3,
    finetune_tokens=2_621_440,
    finetune_rate=3e-4,
    max_examples=400,
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

    def __init__(self, config: LmConfig) -> None:
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
