"""An explanation, as ``explain --json`` prints it."""

from __future__ import annotations

import msgspec


class Source(msgspec.Struct, kw_only=True, frozen=True):
    """The target example that has a stretch, too.

    Attributes:
        example: Target example, from 0; -1 where it runs over the end of one.
        text: The stretch in that example, with a little context.
    """

    example: int
    text: str


class Span(msgspec.Struct, kw_only=True):
    """A stretch of a text and its part of each component.

    Attributes:
        start: First byte.
        end: Byte after the last.
        kind: ``target``, ``repeat``, ``new``, or ``rest`` for what was not parsed.
        text: The bytes, undecodable ones at its ends replaced.
        saved_bytes: Its part of ``c_x - c_x_given_t``; None without that component.
        ngram_bits: Its part of ``ngram * n_bytes``; None without that component.
        source: Where the target has it.
    """

    start: int
    end: int
    kind: str
    text: str
    saved_bytes: float | None = None
    ngram_bits: float | None = None
    source: Source | None = None


class Explanation(msgspec.Struct, kw_only=True):
    """Why a text scores as it does.

    Attributes:
        record: ``SHARD:ROW``, or ``-`` for standard input.
        scorer: Name of the scorer.
        alignment: The score.
        n_bytes: Length of the text.
        ngram: Column ``ngram`` of the sidecar, or None.
        conditional: Column ``conditional`` of the sidecar, or None.
        c_x: Compressed size in bytes.
        c_x_given_t: Compressed size in bytes, given the target.
        unallotted_bytes: The part of ``c_x - c_x_given_t`` that belongs to no span.
        moments: Mean and standard deviation over the pool of ``conditional``, then of ``ngram``,
            with which ``fused`` makes the alignment of both.
        facet: The facet that the text is closest to, where the target has several.
        spans: In order, without gaps.
        weights: The n-gram weight of each parsed byte, in bits; empty without that component.
    """

    record: str
    scorer: str
    alignment: float
    n_bytes: int
    ngram: float | None = None
    conditional: float | None = None
    c_x: int | None = None
    c_x_given_t: int | None = None
    unallotted_bytes: float | None = None
    moments: list[float] | None = None
    facet: str | None = None
    spans: list[Span] = []
    weights: list[float] = []
