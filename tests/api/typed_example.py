"""A program that a type checker accepts: ``make type`` runs one on it."""

from __future__ import annotations

import zipsel


def choose(texts: list[str], target: list[str]) -> list[str]:
    """Choose texts through files and rows, score them, and read the result back."""
    scorer: zipsel.Scorer = zipsel.Scorer.fit(target, texts)
    best = float(scorer.score(texts).max())
    result: zipsel.SelectResult = zipsel.select(
        [{"text": text} for text in texts],
        target=[{"text": text} for text in target],
        output="subset",
        top_k=10,
        min_alignment=None if best > 0 else 0.0,
    )
    shares: float = result.n_chosen / max(1, result.n_rows)
    if result.threshold is not None and shares > 0:
        return [str(row["text"]) for row in result.iter_rows()]
    return list(result.files)
