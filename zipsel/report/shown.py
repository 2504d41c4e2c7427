"""Records as the report shows them: chosen, borderline, left out, refused."""

from __future__ import annotations

import msgspec

#: Characters of a record that the report shows.
SHOWN_CHARACTERS = 200


class Saving(msgspec.Struct, kw_only=True):
    """A stretch of a shown text that the target's dictionary makes cheaper.

    Attributes:
        start: First character, in the shown text.
        end: Character after the last.
        saved_bytes: Its part of ``c_x - c_x_given_t``.
        example: Target example that it comes from, from 0.
        source: The stretch in that example, with a little context.
    """

    start: int
    end: int
    saved_bytes: float
    example: int
    source: str


class Strip(msgspec.Struct, kw_only=True):
    """Why a record scores as it does; parts that the scorer does not have are None.

    Attributes:
        ngram: Bits per byte that the target's n-gram code saves over the pool's.
        conditional: Share of the text's own cost that the target explains.
        c_x: Compressed size in bytes.
        c_x_given_t: Compressed size in bytes, given the target.
        heat: One digit for each shown character: 0 says nothing for the target, 9 the most.
        savings: Stretches of the shown text found in the target, in order.
    """

    ngram: float | None = None
    conditional: float | None = None
    c_x: int | None = None
    c_x_given_t: int | None = None
    heat: str = ""
    savings: list[Saving] = []


class ShownRecord(msgspec.Struct, kw_only=True):
    """A record as the report shows it.

    Attributes:
        rank: From 1; candidates past the budget go on counting.
        chosen: Whether it is in the subset.
        shard: Its file.
        row: Its row there.
        alignment: Its score.
        n_bytes: Length of its text.
        text: The first ``SHOWN_CHARACTERS`` characters.
        group: Value of the group field, if there is one.
        strip: Its explanation, where the scorer can be explained.
        gain: What it added to the records before it, in bits per n-gram of the target; None but
            for chosen records of ``--strategy cover``.
        new: One digit for each shown character: 1 where an n-gram of the target covers it that
            the subset did not hold yet. Empty where the strategy does not ask.
    """

    rank: int
    chosen: bool
    shard: str
    row: int
    alignment: float
    n_bytes: int
    text: str
    group: str | None = None
    strip: Strip | None = None
    gain: float | None = None
    new: str = ""


class RejectExample(msgspec.Struct, kw_only=True):
    """A refused row: where it stands, why, and how it begins."""

    shard: str
    row: int
    reason: str
    snippet: str


class RemovedRecord(msgspec.Struct, kw_only=True):
    """A candidate that was left out.

    Attributes:
        shard: Its file.
        row: Its row there.
        alignment: Its score.
        text: How it begins.
        match: What it was left out for: the example it holds, the record it repeats.
    """

    shard: str
    row: int
    alignment: float
    text: str
    match: str = ""


class Removal(msgspec.Struct, kw_only=True):
    """Candidates left out for one cause.

    Attributes:
        cause: Short and plural: ``leaks``, ``exact duplicates``, ``near duplicates``.
        n_records: How many.
        note: One sentence: the rule, or that it was turned off.
        examples: The best-ranked of them.
        sought: Whether the run looked for any.
    """

    cause: str
    n_records: int
    note: str = ""
    examples: list[RemovedRecord] = []
    sought: bool = True
