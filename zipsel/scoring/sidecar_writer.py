"""Gathers the scored rows of one chunk and writes them as a sidecar part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from zipsel.readers.rows import RowBatch, Taken
from zipsel.scorers import ScoreColumns
from zipsel.scoring.histogram import N_LENGTH_BINS, length_bins, pack
from zipsel.scoring.packs import PackEntry
from zipsel.scoring.sidecar import PACK_KEY, SUMMARY_KEY, PartSummary
from zipsel.storage.staging import temporary_sibling
from zipsel.texts import TextBatch


@dataclass
class RowCounts:
    """Counts the rows of one chunk, for the summary of its part.

    Attributes:
        n_rows: Rows, accepted and refused.
        damage: What ended the shard early, where it is salvaged.
    """

    n_rows: int = 0
    damage: str = ""
    _n_bytes: int = 0
    _rejects: dict[str, int] = field(default_factory=dict)
    _found: str = ""
    _taken: Taken = field(default_factory=Taken)
    _groups: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, rows: RowBatch) -> None:
        """Count a batch of rows."""
        self.n_rows += rows.n_rows
        self.damage = self.damage or rows.damage
        self._n_bytes += int(rows.texts.offsets[-1])
        self._found = self._found or rows.found
        self._taken.add(rows.taken)
        for reason, _ in rows.rejects.values():
            self._rejects[reason.value] = self._rejects.get(reason.value, 0) + 1
        if rows.groups:
            for group, length in zip(rows.groups, rows.texts.n_bytes.tolist(), strict=True):
                n_records, n_total = self._groups.get(group or "", (0, 0))
                self._groups[group or ""] = (n_records + 1, n_total + length)

    def summarize(
        self, index: int, *, final: bool, threshold: float | None, has_lines: bool
    ) -> PartSummary:
        """The summary, without histogram and lengths."""
        return PartSummary(
            index=index,
            n_rows=self.n_rows,
            n_bytes=self._n_bytes,
            rejects=self._rejects,
            groups=self._groups,
            threshold=threshold,
            final=final,
            damage=self.damage or None,
            has_lines=has_lines,
            found=self._found,
            fields=dict(self._taken.fields),
            left_out=dict(self._taken.left_out),
        )


@dataclass
class PartBuilder:
    """Gathers the scored rows of one chunk.

    Attributes:
        columns: The scorer's columns and their numpy types.
        finished_later: Columns that hold nothing where a row is no contender.
        kept: Fraction of contenders, best first, whose lines are kept: of those that are added
            together, or by ``kept_above``.
        kept_above: The alignment from which on lines are kept, if it is known.
    """

    columns: Mapping[str, str]
    finished_later: frozenset[str] = frozenset()
    kept: float = 0.0
    kept_above: float | None = None
    _columns: dict[str, list[pa.Array]] = field(default_factory=dict)
    _counts: RowCounts = field(default_factory=RowCounts)
    _contenders: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _lengths: np.ndarray = field(default_factory=lambda: np.zeros(N_LENGTH_BINS, np.int64))

    def add(self, rows: RowBatch, scores: ScoreColumns) -> None:
        """Append a batch of rows and the scores of its accepted texts."""
        refused = np.ones(rows.n_rows, bool)
        refused[rows.accepted] = False
        n_bytes = rows.texts.n_bytes
        contends = ~np.isnan(scores["alignment"])
        no_contender = refused.copy()
        no_contender[rows.accepted] = ~contends
        for name, dtype in self.columns.items():
            values = np.zeros(rows.n_rows, dtype)
            values[rows.accepted] = scores[name]
            mask = no_contender if name in self.finished_later else refused
            self._append(name, pa.array(values, mask=mask))
        lengths = np.zeros(rows.n_rows, np.int32)
        lengths[rows.accepted] = n_bytes
        self._append("n_bytes", pa.array(lengths, mask=refused))
        self._append("offset", pa.array(rows.offsets, mask=rows.offsets < 0))
        if rows.groups:
            self._add_groups(rows)
        else:
            self._append("group", pa.nulls(rows.n_rows, pa.string()))
        self._add_rejects(rows)
        if self.kept:
            self._add_lines(rows, rows.accepted[self._best(scores["alignment"])])
        self._counts.add(rows)
        self._lengths += length_bins(n_bytes)
        self._contenders.append((scores["alignment"][contends], n_bytes[contends]))

    def _add_nothing(self) -> None:
        none = np.zeros(0, np.int64)
        rows = RowBatch(none, TextBatch.from_encoded([]), none, {}, [])
        self.add(rows, {name: np.zeros(0, dtype) for name, dtype in self.columns.items()})

    def _append(self, name: str, values: pa.Array) -> None:
        self._columns.setdefault(name, []).append(values)

    def _add_groups(self, rows: RowBatch) -> None:
        values: list[str | None] = [None] * rows.n_rows
        for i, group in zip(rows.accepted.tolist(), rows.groups, strict=True):
            values[i] = group
        self._append("group", pa.array(values, pa.string()))

    def _best(self, alignment: np.ndarray) -> np.ndarray:
        """Which of some texts are contenders whose lines are kept."""
        contends = np.flatnonzero(~np.isnan(alignment))
        if self.kept >= 1 or len(contends) == 0:
            return contends
        lowest = self.kept_above
        if lowest is None:
            lowest = np.quantile(alignment[contends], 1 - self.kept)
        return contends[alignment[contends] >= lowest]

    def _add_lines(self, rows: RowBatch, contenders: np.ndarray) -> None:
        lines: list[bytes | None] = [None] * rows.n_rows
        if rows.lines is not None:
            for i in contenders.tolist():
                lines[i] = rows.lines[i]
        self._append("line", pa.array(lines, pa.large_binary()))

    def _add_rejects(self, rows: RowBatch) -> None:
        reasons: list[str | None] = [None] * rows.n_rows
        snippets: list[bytes | None] = [None] * rows.n_rows
        for i, (reason, snippet) in rows.rejects.items():
            reasons[i], snippets[i] = reason.value, snippet
        self._append("reject", pa.array(reasons, pa.string()))
        self._append("snippet", pa.array(snippets, pa.binary()))

    def write(
        self,
        path: str,
        index: int,
        *,
        final: bool,
        threshold: float | None = None,
        damage: str | None = None,
    ) -> PartSummary:
        """Write the part and return its summary.

        Raises:
            OutputError: If it cannot be written.
        """
        table = self.table()
        self._counts.damage = damage or ""
        summary = self._counts.summarize(
            index, final=final, threshold=threshold, has_lines=self.kept > 0
        )
        summary = replace(
            summary,
            lengths={i: int(self._lengths[i]) for i in np.flatnonzero(self._lengths).tolist()},
            histogram=pack(*map(np.concatenate, zip(*self._contenders, strict=True))),
        )
        _write(path, table, SUMMARY_KEY, summary)
        return summary

    def write_pack(self, path: str, entries: Sequence[PackEntry]) -> None:
        """Write the rows as a pack.

        Raises:
            OutputError: If it cannot be written.
        """
        write_pack(path, self.table(), entries)

    def table(self) -> pa.Table:
        """The rows so far; without any it has all columns nevertheless."""
        if not self._columns:
            self._add_nothing()
        return pa.table({name: pa.chunked_array(parts) for name, parts in self._columns.items()})


def write_pack(path: str, table: pa.Table, entries: Sequence[PackEntry]) -> None:
    """Write a pack of the rows of some entries.

    Raises:
        OutputError: If it cannot be written.
    """
    _write(path, table, PACK_KEY, list(entries))


def _write(path: str, table: pa.Table, key: bytes, about: Any) -> None:
    table = table.replace_schema_metadata({key: msgspec.json.encode(about)})
    with temporary_sibling(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", compression_level=1, use_dictionary=["group"]
        )
