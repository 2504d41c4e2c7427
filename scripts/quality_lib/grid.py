"""Cells of the quality grid: (task, selector, budget) → what a judge says of the subset.

Everything a cell needs is kept in the cache folder, each under a name that changes with its
content: scores by task and selector, judgements by the digest of the subset's bytes. So a run
that was stopped goes on where it was, and a selector that changes is measured anew as soon as its
scores are (`forget`). Where nothing may be measured (`Bench.measures`), `NotKept` says that a cell
would have to be; cells of earlier results then stand in (`Cell.restore`).
"""

import datetime
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quality_lib.data import Task, load_target
from quality_lib.peers import PEERS, Bench, Scores
from quality_lib.zipsel_runs import ZIPSEL_OPTIONS, score_with_zipsel
from zipsel.evaluation.ppm import (
    bits_per_byte,
    bootstrap_interval,
    cut_text,
    draw_orders,
    join_records,
    ppm_bits,
)

BUDGETS_BYTES = (400_000, 1_000_000, 4_000_000)
# Held-out examples the PPM judge codes; a seeded draw where the target has more.
PPM_MAX_EXAMPLES = 200
if TYPE_CHECKING:
    from quality_lib.lm_judge import LmJudge

SELECTORS = (*ZIPSEL_OPTIONS, *PEERS)


class NotKept(Exception):
    """A cell that has not been measured, in a run that measures nothing."""


@dataclass(frozen=True)
class Cell:
    """One judgement.

    Attributes:
        task: `Task.name`.
        target: Whose held-out half was measured.
        selector: Key of the selector.
        budget_bytes: Bytes asked for, a line feed after each record counted.
        subset_bytes: Bytes there were; less than the budget if the selector had no more.
        n_records: Records of the subset.
        judge: `ppm` or `lm`, and the seed of the latter.
        bits: Bits of each held-out example.
        n_bytes: Bytes of each held-out example.
        curve: LM only: (tokens, bits per byte) along the fine-tuning.
        date: When it was measured, UTC.
        earlier: What the results of an earlier run say, if the cell stands for them; `bits` then
            has one entry, all examples.
    """

    task: str
    target: str
    selector: str
    budget_bytes: int
    subset_bytes: int
    n_records: int
    judge: str
    bits: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    curve: tuple[tuple[float, float], ...] = ()
    date: str = ""
    earlier: Mapping[str, Any] | None = None

    @classmethod
    def restore(cls, stored: Mapping[str, Any]) -> "Cell":
        """From the results of an earlier run."""
        names = "task target selector budget_bytes subset_bytes n_records judge date"
        return cls(
            **{name: stored[name] for name in names.split()},
            bits=np.array([stored["bits_per_byte"]]),
            n_bytes=np.array([1]),
            curve=tuple((tokens, loss) for tokens, loss in stored.get("curve", ())),
            earlier=stored,
        )

    @property
    def is_full(self) -> bool:
        """Whether the selector filled the budget (a character cut off counts as full)."""
        return self.subset_bytes >= self.budget_bytes - 4

    @property
    def bits_per_byte(self) -> float:
        """What the held-out examples cost."""
        return bits_per_byte(self.bits, self.n_bytes)

    def summarize(self) -> dict[str, object]:
        """The cell as it stands in the results, with a 95 % interval over examples."""
        if self.earlier is not None:
            return dict(self.earlier)
        low, high = bootstrap_interval(self.bits, self.n_bytes)
        return {
            "task": self.task,
            "target": self.target,
            "selector": self.selector,
            "budget_bytes": self.budget_bytes,
            "subset_bytes": self.subset_bytes,
            "n_records": self.n_records,
            "judge": self.judge,
            "n_examples": len(self.bits),
            "bits_per_byte": round(self.bits_per_byte, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "date": self.date,
            **({"curve": self.curve} if self.curve else {}),
        }


def held_out(target: str, n_most: int) -> list[bytes]:
    """At most `n_most` examples of the target's test half, a seeded draw in file order."""
    examples = load_target(target, "test")
    if len(examples) <= n_most:
        return examples
    drawn = np.random.default_rng(0).choice(len(examples), n_most, replace=False)
    return [examples[i] for i in sorted(drawn.tolist())]


def load_scores(bench: Bench, task: Task, name: str, budget_bytes: int) -> Scores:
    """Scores of every pool record, from the cache or from the selector.

    A peer scores once for all budgets; zipsel's cascade depends on the budget.

    Raises:
        NotKept: If there are none and nothing may be measured.
    """
    of_zipsel = name in ZIPSEL_OPTIONS
    key = f"{name}@{budget_bytes}" if of_zipsel else name
    path = bench.cache / "scores" / task.name / f"{key}.npy"
    if not path.exists():
        _require_measuring(bench)
        began = time.perf_counter()
        if of_zipsel:
            scores = score_with_zipsel(bench, task, name, budget_bytes)
        else:
            scores = PEERS[name](bench, task)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".partial").open("wb") as file:
            np.save(file, scores)
        path.with_suffix(".partial").rename(path)
        n_seconds = time.perf_counter() - began
        print(f"scored {task.name} with {key} in {n_seconds:.1f} s", flush=True)
    loaded: Scores = np.load(path)
    return loaded


def forget(bench: Bench, names: Sequence[str]) -> None:
    """Drop the cached scores of the named selectors for all tasks."""
    for name in names:
        pattern = f"{name}@*.npy" if name in ZIPSEL_OPTIONS else f"{name}.npy"
        for path in bench.cache.glob(f"scores/*/{pattern}"):
            path.unlink()


def take_budget(bench: Bench, scores: Scores, budget_bytes: int) -> list[bytes]:
    """The best records that fill the budget, in pool order, the lowest-ranked one cut.

    Ties go to the earlier record.
    """
    chosen: dict[int, bytes] = {}
    n_left = budget_bytes
    for i in np.argsort(-scores, kind="stable").tolist():
        if n_left <= 1 or scores[i] == -np.inf:
            break
        text = cut_text(bench.pool.texts[i], n_left - 1)
        chosen[i] = text
        n_left -= len(text) + 1
    return [chosen[i] for i in sorted(chosen)]


def measure_ppm(
    bench: Bench, task: Task, name: str, subset: Sequence[bytes], budget_bytes: int
) -> Cell:
    """The PPM judge's cell of one subset, which is judged as a set, as `zipsel eval` does.

    Raises:
        NotKept: If it has not been judged and nothing may be measured.
    """
    examples = held_out(task.target, PPM_MAX_EXAMPLES)
    orders, n_bytes = draw_orders(subset, budget_bytes)
    path = bench.cache / "ppm-sets" / task.target / f"{_digest([*orders[0], *examples])}.json"
    if not path.exists():
        _require_measuring(bench)
        bits = np.mean([ppm_bits(join_records(order), examples) for order in orders], axis=0)
        _write_json(path, {"bits": bits.tolist()})
    stored = json.loads(path.read_text())
    return Cell(
        task=task.name,
        target=task.target,
        selector=name,
        budget_bytes=budget_bytes,
        subset_bytes=n_bytes,
        n_records=len(subset),
        judge="ppm",
        bits=np.array(stored["bits"]),
        n_bytes=np.array(list(map(len, examples))),
        date=_date_of(path),
    )


def measure_lm(
    bench: Bench,
    judge: "LmJudge",
    task: Task,
    name: str,
    subset: Sequence[bytes],
    budget_bytes: int,
    seed: int,
) -> Cell:
    """The LM judge's cell of one subset: the bits where its loss curve is lowest.

    Raises:
        NotKept: If it has not been judged and nothing may be measured.
    """
    examples = held_out(task.target, judge.config.finetuning.max_examples)
    digest = _digest([*subset, *examples])
    folder = bench.cache / f"lm-{judge.config.digest()}" / task.target
    path = folder / f"{digest}-{seed}.json"
    if not path.exists():
        _require_measuring(bench)
        measured = judge.measure(subset, examples, seed=seed)
        content = {"tokens": measured.tokens, "bits": measured.bits.round(3).tolist()}
        _write_json(path, {**content, "seconds": round(measured.n_seconds, 1)})
    stored = json.loads(path.read_text())
    bits, lengths = np.array(stored["bits"]), np.array(list(map(len, examples)))
    losses = bits.sum(axis=1) / lengths.sum()
    return Cell(
        task=task.name,
        target=task.target,
        selector=name,
        budget_bytes=budget_bytes,
        subset_bytes=sum(len(text) + 1 for text in subset),
        n_records=len(subset),
        judge=f"lm-{seed}",
        bits=bits[losses.argmin()],
        n_bytes=lengths,
        curve=tuple(zip(stored["tokens"], losses.round(4).tolist(), strict=True)),
        date=_date_of(path),
    )


def _require_measuring(bench: Bench) -> None:
    if not bench.measures:
        raise NotKept


def newest_date(cells: Iterable[Cell]) -> str:
    """When the last of some cells was measured; empty if there are none."""
    return max((cell.date for cell in cells), default="")


def is_old(date: str, newest: str) -> bool:
    """Whether a date is more than a day before the newest: runs go on over midnight."""
    days = datetime.date.fromisoformat(newest) - datetime.date.fromisoformat(date)
    return days > datetime.timedelta(days=1)


def _date_of(path: Path) -> str:
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date().isoformat()


def _digest(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".partial").write_text(json.dumps(value))
    path.with_suffix(".partial").rename(path)
