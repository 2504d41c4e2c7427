"""A fitted scorer for texts, tables and streams of tables.

It is what the command line's profile is, with Python's types around it: it pickles small
and always to the same bytes, so that any framework that maps a function over a table can carry
it. Its scores are those of the sidecars, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.commands.options import Given, fill, gather
from zipsel.console import values
from zipsel.errors import ShardError, UsageError
from zipsel.readers.columns import pick_columns, read_batch
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.row_text import check_text
from zipsel.readers.rows import RowError
from zipsel.scorers import scorer_class
from zipsel.scorers.fit import FitSettings, fit_scorer
from zipsel.scorers.profile import Profile
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.texts import TextBatch

Table = TypeVar("Table", pa.RecordBatch, pa.Table)

#: Rows scored at once.
_BATCH_ROWS = 1024


class Scorer:
    """A fitted scorer: texts in, alignments out.

    Args:
        profile: What was learned of target and pool.
        text: Where the text of a row is, for tables: a column (dotted for nested ones), or a
            ``TextSpec`` with a template or chat.
    """

    def __init__(self, profile: Profile, *, text: str | TextSpec = "text") -> None:
        self.profile = profile
        self.text = to_spec(text)

    @classmethod
    def fit(
        cls,
        target: Iterable[str],
        pool_sample: Iterable[str] = (),
        *,
        scorer: str = "ngram",
        codec: str | None = None,
        level: int | None = None,
        text: str | TextSpec = "text",
    ) -> Scorer:
        """Learn a target against a sample of the pool.

        Args:
            target: Examples to match; few suffice (10 to 100).
            pool_sample: Texts of the pool, a few megabytes drawn evenly; ``fused`` and ``ngram``
                need them.
            scorer: ``fused``, ``conditional``, ``ngram`` or ``ncd``.
            codec: For ``ncd``.
            level: Compression level; None for the scorer's default.
            text: As for the class.

        Raises:
            TypeError: If ``target`` or ``pool_sample`` is one text, or holds what is no text.
            UsageError: If there is no target, an example is empty or no Unicode, a sample is
                needed, or scorer, codec and level do not fit.
        """
        given = {"scorer": scorer, "codec": codec, "level": level}
        files = dict.fromkeys(("pool", "target", "output"), "texts")  # no file is read or written
        options = gather("fit", [{name: Given(one) for name, one in {**given, **files}.items()}])
        settings = fill(FitSettings, options)
        examples = TextBatch.from_texts(_checked("target", target))
        sample = TextBatch.from_texts(_checked("pool_sample", pool_sample))
        if not len(examples):
            raise UsageError("the target has no example")
        if scorer_class(scorer).needs_sample and not len(sample):
            raise UsageError(f"{scorer} needs pool_sample: texts of the pool, a few megabytes")
        origin: dict[str, Any] = {
            "target": [],
            "scorer": scorer,
            "codec": codec,
            "level": level,
            "n_sample_records": len(sample),
            "n_sample_bytes": int(sample.offsets[-1]),
        }
        fitted = fit_scorer(settings, {"": examples}, sample)
        ngrams = TargetNgrams.fit(examples, sample)
        return cls(Profile(fitted, examples, origin, ngrams), text=text)

    @classmethod
    def load(cls, path: str | Path, *, text: str | TextSpec = "text") -> Scorer:
        """Read a profile that ``save`` or ``zipsel fit`` wrote.

        Raises:
            ProfileError: If it is none, or damaged, or of another version.
        """
        return cls(Profile.load(path), text=text)

    def save(self, path: str | Path) -> None:
        """Write the profile, for ``load`` and for ``--profile``; whole or not at all.

        Raises:
            UsageError: If the path is none.
            OutputError: If it cannot be written.
        """
        try:
            self.profile.save(values.convert(path, values.Path))
        except ValueError as error:
            raise UsageError(f"save {error}") from None

    @property
    def digest(self) -> str:
        """Names the profile; scores of equal digests can be compared."""
        return self.profile.digest

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the profile's own bytes, which do not depend on what was scored before."""
        return _rebuild, (self.profile.payload, self.text.kind, self.text.value)

    def score(self, texts: Iterable[str | None] | pa.Array | pa.ChunkedArray) -> NDArray[Any]:
        """Score texts.

        Args:
            texts: Strings, or anything of the Arrow interface: pyarrow arrays, Polars series.

        Returns:
            Alignments, float64 ``(n,)``, higher is closer; NaN for what ``zipsel score`` would
            refuse: null, empty, white space, a lone surrogate.

        Raises:
            TypeError: If something is no text.
        """
        return self.score_columns(texts)["alignment"]

    def score_columns(self, texts: Iterable[str | None] | pa.Array) -> dict[str, NDArray[Any]]:
        """As ``score``, with the components that the alignment comes from, each ``(n,)``."""
        arrays = list(_iter_arrays(texts))
        tables = [pa.record_batch({"text": array}) for array in arrays]
        return self._score(tables, TextSpec())

    def score_batch(self, batch: Table, *, name: str = "alignment") -> Table:
        """Append the alignment of each row to a table, as float64; null where it has none.

        Args:
            batch: A ``RecordBatch`` or ``Table`` with the columns that the text is made of.
            name: Of the new column.

        Raises:
            UsageError: If a column of the text is missing, or one is called ``name`` already.
        """
        names = batch.schema.names
        if name in names:
            raise UsageError(f"the table has a column {name!r} already; give another name=")
        try:
            pieces = batch.select(pick_columns(names, "the table", Reading(self.text)))
        except ShardError as error:
            raise UsageError(f"the table {error.problem}") from None
        tables = [pieces] if isinstance(batch, pa.RecordBatch) else pieces.to_batches()
        alignment = self._score(tables, self.text)["alignment"]
        column = pa.array(alignment, mask=np.isnan(alignment))
        return batch.append_column(pa.field(name, pa.float64()), column)

    def score_batches(
        self, batches: Iterable[pa.RecordBatch], *, name: str = "alignment"
    ) -> Iterator[pa.RecordBatch]:
        """``score_batch`` over a stream, as Spark's ``mapInArrow`` wants it."""
        for batch in batches:
            yield self.score_batch(batch, name=name)

    def _score(self, tables: Sequence[pa.RecordBatch], spec: TextSpec) -> dict[str, NDArray[Any]]:
        columns: dict[str, list[NDArray[Any]]] = {
            column: [np.zeros(0, dtype)] for column, dtype in self.profile.scorer.columns.items()
        }
        for table in tables:
            for start in range(0, table.num_rows, _BATCH_ROWS):
                rows = read_batch(table.slice(start, _BATCH_ROWS), Reading(spec))
                scores = self.profile.scorer.score(rows.texts)
                for column, dtype in self.profile.scorer.columns.items():
                    missing = np.nan if dtype.startswith("float") else 0
                    values = np.full(rows.n_rows, missing, dtype)
                    values[rows.accepted] = scores[column]
                    columns[column].append(values)
        return {column: np.concatenate(values) for column, values in columns.items()}


def _checked(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Texts to fit on: as in files, unusable ones are refused in a target, left out of a sample."""
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name} is one text; write {name}=[text]")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name}: text {i} is a {type(text).__name__}, not a str")
        try:
            yield check_text(text)
        except RowError as error:
            if name == "target":
                raise UsageError(f"{name}: text {i} is refused ({error}); leave it out") from None


def _rebuild(payload: bytes, kind: Any, value: str) -> Scorer:
    return Scorer(Profile.from_payload(payload), text=TextSpec(kind, value))


def to_spec(text: str | TextSpec) -> TextSpec:
    """A column's name as the spec that it stands for."""
    return TextSpec("field", text) if isinstance(text, str) else text


def _iter_arrays(texts: Any) -> Iterator[pa.Array]:
    """Arrow arrays of strings, of bounded size where ``texts`` are Python's."""
    if isinstance(texts, str | bytes):
        raise TypeError("expected texts, found one; write score([text])")
    if isinstance(texts, pa.Array):
        texts = pa.chunked_array([texts])
    elif not isinstance(texts, pa.ChunkedArray) and hasattr(texts, "__arrow_c_stream__"):
        texts = pa.chunked_array(texts)
    if isinstance(texts, pa.ChunkedArray):
        _check_type(texts.type)
        yield from texts.chunks
        return
    held: list[str | None] = []
    for i, text in enumerate(texts):
        held.append(_usable(text, i))
        if len(held) == _BATCH_ROWS:
            yield pa.array(held, pa.large_string())
            held = []
    yield pa.array(held, pa.large_string())


def _check_type(kind: pa.DataType) -> None:
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "null")
    if not any(getattr(pa.types, f"is_{test}")(values) for test in tests):
        raise TypeError(f"the array holds {kind}, not strings")


def _usable(text: Any, i: int) -> str | None:
    """The text; None where it is null or cannot be encoded."""
    if isinstance(text, str):
        return text if text.isascii() or not _has_surrogate(text) else None
    if text is None or text != text:  # NaN is pandas' null
        return None
    raise TypeError(f"text {i} is a {type(text).__name__}, not a str")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
