"""Looks for leaks in the candidates that ``cover`` is about to take, many at once by the engine.

Only a sixth of all candidates is taken, and to look for leaks takes as long as to score. So they
are looked for when a candidate would be taken; where thousands are next in line, ahead of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.readers.reading import TextSpec
from zipsel.selection.blocks import Blocks
from zipsel.selection.leaks import Leak, LeakSources, load_index
from zipsel.selection.spool import RowTexts, SpooledRows

#: Candidates next in line from which on the engine is asked.
_LEAST_AHEAD = 4096

#: Texts of one task.
_TASK_TEXTS = 1024


@dataclass(frozen=True)
class LeakTask:
    """Spooled rows in which leaks are looked for.

    Attributes:
        sources: What must not leak.
        spec: Where the text of a row is.
        files: Path of each spool file, and whether it is a table.
        positions: Positions of the rows among the candidates.
        rows: What is known of each row, ``ROW``.
    """

    sources: LeakSources
    spec: TextSpec
    files: Sequence[tuple[str, bool]]
    positions: NDArray[np.int64]
    rows: NDArray[np.void]

    def __str__(self) -> str:
        """The first file."""
        return f"{len(self.positions)} rows of {self.files[0][0]} and others"


def find_leaks(task: LeakTask) -> list[tuple[int, Leak]]:
    """Positions of the rows of a task that hold a leak, and what leaks."""
    spooled, texts = SpooledRows(task.files, 0, task.rows), RowTexts(task.spec)
    index = load_index(task.sources)
    found = (
        (position, index.find(spooled.read_text(i, texts)))
        for i, position in enumerate(task.positions.tolist())
    )
    return [(position, leak) for position, leak in found if leak is not None]


class LeakSearch:
    """Leaks of the candidates, each looked for once.

    Args:
        sources: What must not leak; None to find nothing.
        spec: Where the text of a row is.
        engine: Looks ahead; None to look only when a candidate is asked for.
    """

    def __init__(
        self, sources: LeakSources | None, spec: TextSpec, engine: Engine | None = None
    ) -> None:
        self._sources = sources
        self._spec = spec
        self._engine = engine if engine is not None and engine.n_workers > 1 else None
        self._texts = RowTexts(spec)
        self._blocks: Blocks[SpooledRows] = Blocks()
        #: Whether each candidate was looked at ahead, and the leaks that were found then.
        self._looked = np.zeros(0, bool)
        self._leaks: dict[int, Leak] = {}

    def add(self, spooled: SpooledRows) -> None:
        """Append candidates."""
        self._blocks.append(spooled, len(spooled.rows))
        self._looked = np.append(self._looked, np.zeros(len(spooled.rows), bool))

    def find(self, position: int) -> Leak | None:
        """The leak in a candidate."""
        if self._sources is None:
            return None
        if self._looked[position]:
            return self._leaks.get(position)
        spooled, place = self._blocks.find(position)
        return load_index(self._sources).find(spooled.read_text(place, self._texts))

    def look_ahead(self, positions: NDArray[np.int64]) -> None:
        """Look for leaks in candidates that are next in line, if they are many."""
        if self._sources is None or self._engine is None or len(positions) < _LEAST_AHEAD:
            return
        positions = positions[~self._looked[positions]]
        for _, result in self._engine.run(find_leaks, self._iter_tasks(self._sources, positions)):
            if isinstance(result, BaseException):
                raise result
            self._leaks.update(result)
        self._looked[positions] = True

    def _iter_tasks(self, sources: LeakSources, positions: NDArray[np.int64]) -> Iterator[LeakTask]:
        for spooled, which, places in self._blocks.split(positions):
            of_block, rows = positions[which], spooled.rows[places]
            order = np.lexsort((rows["start"], rows["file"]))
            for start in range(0, len(order), _TASK_TEXTS):
                some = order[start : start + _TASK_TEXTS]
                of_task = rows[some]
                numbers, of_task["file"] = np.unique(of_task["file"], return_inverse=True)
                files = [spooled.files[number] for number in numbers.tolist()]
                yield LeakTask(sources, self._spec, files, of_block[some], of_task)
