"""Training loop of the LM judge: batches of windows in seeded order, AdamW, clipped gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from quality_lib.transformer import Transformer


def iter_batches(
    tokens: NDArray[np.int64], n_context: int, n_windows: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of windows, (inputs, wanted), each `(n_windows, n_context)`.

    Every pass over the tokens cuts the windows at another offset and shuffles them anew. Fewer
    tokens than fill a batch are repeated until they do.
    """
    generator = np.random.default_rng(seed)
    window = np.arange(n_context + 1)
    n_needed = (n_windows + 1) * n_context + 1
    tokens = np.tile(tokens, -(-n_needed // len(tokens)))
    while True:
        offset = int(generator.integers(n_context))
        starts = np.arange(offset, len(tokens) - n_context, n_context)
        generator.shuffle(starts)
        for i in range(0, len(starts) - n_windows + 1, n_windows):
            chosen = starts[i : i + n_windows]
            batch = torch.from_numpy(tokens[chosen[:, None] + window])
            yield batch[:, :-1], batch[:, 1:]


def iter_training(
    model: Transformer,
    batches: Iterator[tuple[Tensor, Tensor]],
    n_steps: int,
    rate: float,
    *,
    decay: bool = False,
) -> Iterator[int]:
    """Train in place; yields the number of steps done after each.

    The learning rate rises over the first twentieth of the steps and then stays at `rate`, or
    falls linearly to a tenth of it if `decay`.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1)
    n_warmup = max(1, n_steps // 20)
    for step in range(n_steps):
        share = min(1.0, (step + 1) / n_warmup)
        if decay:
            share *= 0.1 + 0.9 * (1 - step / n_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        inputs, wanted = next(batches)
        with torch.autocast(device.type, torch.bfloat16, device.type == "cuda"):
            loss = model.losses(inputs.to(device), wanted.to(device)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield step + 1
