"""Explains texts by the parts of a scorer; the numbers add up to those of the sidecar.

``ngram``: the alignment is the mean weight of the n-grams that begin at the text's bytes. An
explanation holds these weights, and a span holds their sum.

``conditional``: the alignment is ``(c_x - c_x_given_t) / c_x``. zstd measures the saving
``c_x - c_x_given_t``. It is divided among the stretches that the dictionary also has, in proportion
to an estimate of each stretch's saving (``factorize``): the sum is exact, its parts are estimates.
A saving without any such stretch (entropy tables, rounding to bytes) is ``unallotted_bytes``.

Only the first ``EXPLAINED_BYTES`` of a text are parsed. The rest is one span, with its own measured
part of both sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zipsel.errors import UsageError
from zipsel.explain.factorize import (
    DictionaryIndex,
    ExampleFinder,
    Factor,
    estimate_savings,
    factorize,
)
from zipsel.explain.model import Explanation, Source, Span
from zipsel.scorers import Parts, as_explainable
from zipsel.scorers.conditional import ConditionalScorer
from zipsel.scorers.ngram import NgramScorer
from zipsel.scorers.profile import Profile
from zipsel.texts import TextBatch

EXPLAINED_BYTES = 1 << 16

#: Savings are multiples of this, so that their sum in float64 is exact.
_SAVING_RESOLUTION = 2.0**-10


def explain_texts(
    profile: Profile,
    texts: Sequence[str],
    records: Sequence[str],
    *,
    explained_bytes: int = EXPLAINED_BYTES,
) -> list[Explanation]:
    """Explain texts, each on its own, by the parts of the facet that it is closest to.

    Raises:
        UsageError: If the scorer has no parts to explain.
    """
    scorer, batch = profile.scorer, TextBatch.from_texts(texts)
    explainable = as_explainable(scorer)
    if explainable is None:
        raise UsageError(
            f"--scorer {scorer.name} has no parts to explain; name the target instead of the "
            "profile: --target FILE"
        )
    parts_of = explainable.parts(batch)
    explanations = [
        Explanation(
            record=record,
            scorer=scorer.name,
            alignment=alignment,
            n_bytes=n_bytes,
            moments=None if parts.moments is None else parts.moments.tolist(),
            facet=parts.facet,
        )
        for record, parts, alignment, n_bytes in zip(
            records,
            parts_of,
            scorer.score(batch)["alignment"].tolist(),
            batch.n_bytes.tolist(),
            strict=True,
        )
    ]
    encoded = list(batch.iter_encoded())
    for parts in {id(parts): parts for parts in parts_of}.values():
        here = [i for i, of_text in enumerate(parts_of) if of_text is parts]
        _explain(
            parts,
            profile.target,
            [encoded[i] for i in here],
            [explanations[i] for i in here],
            explained_bytes,
        )
    return explanations


def _explain(
    parts: Parts,
    target: TextBatch,
    texts: Sequence[bytes],
    explanations: Sequence[Explanation],
    explained_bytes: int,
) -> None:
    """Fill in the spans and components of texts that share their parts."""
    heads = [text[:explained_bytes] for text in texts]
    parsed: list[list[Span]] = [
        [_span(head, Factor(0, len(head), "new", -1))] if head else [] for head in heads
    ]
    if parts.conditional is not None:
        parsed = _explain_conditional(parts.conditional, target, texts, heads, explanations)
    for explanation, text, head, spans in zip(explanations, texts, heads, parsed, strict=True):
        explanation.spans = spans
        if len(text) > len(head):
            _add_rest(explanation, parts.conditional, text, len(head))
    if parts.ngram is not None:
        _explain_ngram(parts.ngram, texts, heads, explanations)


def _span(text: bytes, factor: Factor) -> Span:
    shown = text[factor.start : factor.end].decode(errors="replace")
    return Span(start=factor.start, end=factor.end, kind=factor.kind, text=shown)


def _sizes(scorer: ConditionalScorer, texts: Sequence[bytes]) -> list[tuple[int, int]]:
    c_x, c_x_given_t = scorer.sizes(TextBatch.from_encoded(texts), np.arange(len(texts)))
    return list(zip(c_x.tolist(), c_x_given_t.tolist(), strict=True))


def _explain_conditional(
    scorer: ConditionalScorer,
    target: TextBatch,
    texts: Sequence[bytes],
    heads: Sequence[bytes],
    explanations: Sequence[Explanation],
) -> list[list[Span]]:
    """Fill in ``conditional`` and return the spans of the heads."""
    index = DictionaryIndex(scorer.dictionary, heads)
    finder = ExampleFinder(scorer.dictionary, target)
    all_spans = []
    for (c_x, c_x_given_t), (c_head, c_head_given_t), head, explanation in zip(
        _sizes(scorer, texts), _sizes(scorer, heads), heads, explanations, strict=True
    ):
        explanation.c_x, explanation.c_x_given_t = c_x, c_x_given_t
        explanation.conditional = 1 - c_x_given_t / c_x
        factors = factorize(head, index)
        estimates = estimate_savings(head, factors, len(scorer.dictionary))
        shares, left = share_out(c_head - c_head_given_t, estimates)
        explanation.unallotted_bytes = left
        spans = []
        for factor, share in zip(factors, shares, strict=True):
            span = _span(head, factor)
            span.saved_bytes = share
            if factor.kind == "target":
                span.source = Source(**finder.find(factor.source, factor.end - factor.start))
            spans.append(span)
        all_spans.append(spans)
    return all_spans


def share_out(total: int, estimates: Sequence[float]) -> tuple[list[float], float]:
    """Divide a total in proportion to estimates, in steps small enough that the sum is exact.

    Returns:
        The parts, and the remainder: all of the total if no estimate or no saving is positive.
    """
    whole = sum(estimates)
    if whole <= 0 or total <= 0:
        return [0.0] * len(estimates), float(total)
    shares = [
        round(total * estimate / whole / _SAVING_RESOLUTION) * _SAVING_RESOLUTION
        for estimate in estimates
    ]
    largest = max(range(len(shares)), key=shares.__getitem__)
    shares[largest] += total - sum(shares)
    return shares, 0.0


def _add_rest(
    explanation: Explanation, conditional: ConditionalScorer | None, text: bytes, start: int
) -> None:
    """Append the span of the bytes that were not parsed."""
    rest = Span(start=start, end=len(text), kind="rest", text="")
    if conditional is not None and explanation.c_x is not None:
        c_head, c_head_given_t = _sizes(conditional, [text[:start]])[0]
        saved = explanation.c_x - (explanation.c_x_given_t or 0)
        rest.saved_bytes = float(saved - (c_head - c_head_given_t))
    explanation.spans.append(rest)


def _explain_ngram(
    scorer: NgramScorer,
    texts: Sequence[bytes],
    heads: Sequence[bytes],
    explanations: Sequence[Explanation],
) -> None:
    """Fill in ``ngram``; only the bytes of the heads get a weight each."""
    for explanation, text, head in zip(explanations, texts, heads, strict=True):
        total = float(scorer.sums(TextBatch.from_encoded([text]))[0])
        # The n-grams that begin in the head reach past its end.
        reach = TextBatch.from_encoded([text[: len(head) + scorer.parameters.n - 1]])
        weights = scorer.position_weights(reach)[: len(head)].astype(np.float64)
        explanation.ngram = total / max(1, len(text))
        explanation.weights = weights.tolist()
        for span in explanation.spans:
            in_head = float(weights[span.start : span.end].sum())
            span.ngram_bits = total - float(weights.sum()) if span.kind == "rest" else in_head
