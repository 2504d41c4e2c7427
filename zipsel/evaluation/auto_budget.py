"""``--auto``: the budget that held-out target examples ask for.

The target is split into folds. For each, the pool is ranked by the other folds, and as the subset
grows along that ranking, the bits per byte of the held-out fold under the PPM judge are measured:
they fall while closer text comes in, flatten, and rise once the subset drifts away. The answer is
the smallest subset within one percent of the best, on the mean curve. TAROT stops on the same
question, asked of gradient distances. One choice a fold serves all sizes: under ``cover`` every
beginning of the ranking is the choice for a smaller budget.

What is looked at ends at ``LARGEST_BYTES`` or a fifth of the pool, since the judge reads every
byte; a curve that still falls there says that more would help.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from zipsel.console.messages import Log, PartLog
from zipsel.errors import UsageError
from zipsel.evaluation.ppm import bits_per_byte, join_records, ppm_bits
from zipsel.evaluation.verdicts import Curve
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import Reading
from zipsel.readers.target import read_target
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.targets import read_targets
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings
from zipsel.storage.workdir import WorkDir
from zipsel.texts import TextBatch

N_FOLDS = 3
LARGEST_BYTES = 8 << 20
_SMALLEST_BYTES = 1 << 16
_POOL_SHARE = 0.2
_STEPS_PER_DOUBLING = 2
#: Held-out examples that are judged in each fold, at most.
_MAX_JUDGED = 40
_TOLERANCE = 0.01

#: Runs a selection, and shows its progress on the log.
Select = Callable[[RunSettings, SelectSettings, Log], None]


@dataclass(frozen=True)
class AutoBudget:
    """A budget in bytes of text, the curve of each fold and of their mean, and what they say."""

    budget: Budget
    curve: Curve
    conclusion: str


def find_budget(
    settings: RunSettings, select: SelectSettings, pool_bytes: float, run: Select, log: Log
) -> AutoBudget:
    """Measure folds and settle on a size.

    Raises:
        UsageError: If the run has a profile in place of a target, or the target has too few
            examples or several names.
    """
    if settings.profile is not None:
        raise UsageError("--auto splits the target, so it needs --target and not --profile")
    targets = read_targets(settings)
    if len(targets) > 1 or len(next(iter(targets.values()))) < 2 * N_FOLDS:
        raise UsageError(f"--auto needs one target with at least {2 * N_FOLDS} examples")
    target = next(iter(targets.values()))
    largest = int(max(_SMALLEST_BYTES, min(LARGEST_BYTES, _POOL_SHARE * pool_bytes)))
    with WorkDir(settings.work_dir).scratch("auto") as folder:
        select = replace(
            select,
            budget=Budget("max_bytes", largest),
            order="rank",
            add_field=None,
            format=None,
            exclude=_copy_excluded(settings, select.exclude, folder),
            eval_target=(),
        )
        settings = replace(
            settings, target_reading=Reading(), work_dir=os.path.join(folder, "work"), store=None
        )
        folds = _Folds(settings, select, target, folder)
        curves = []
        with log.progress("--auto", N_FOLDS, "folds") as whole:
            for number in range(N_FOLDS):
                part = PartLog(log, f"--auto, fold {number + 1} of {N_FOLDS}", whole)
                curves.append(folds.measure(number, run, part))
                whole.advance(len(target), 0, 1)
    return _conclude(curves)


@dataclass(frozen=True)
class _Folds:
    """The folds of a target.

    Attributes:
        settings: Of a fold's run, but for its target.
        select: Of its choice, but for the output and what the fold holds out.
        target: All examples.
        folder: Where the folds' files go.
    """

    settings: RunSettings
    select: SelectSettings
    target: TextBatch
    folder: str

    def measure(self, number: int, run: Select, log: Log) -> dict[int, float]:
        """Choose by the examples of the other folds; returns the curve of a fold's own."""
        path = os.path.join(self.folder, f"fold-{number}")
        is_held_out = np.arange(len(self.target)) % N_FOLDS == number
        train = _write(f"{path}-train.jsonl", self.target.take(np.flatnonzero(~is_held_out)))
        held_out = self.target.take(np.flatnonzero(is_held_out))
        exclude = (*self.select.exclude, _write(f"{path}-held-out.jsonl", held_out))
        of_fold = replace(self.select, output=f"{path}.jsonl", exclude=exclude)
        run(replace(self.settings, target=(train,)), of_fold, log)
        examples = list(held_out.iter_encoded())[:_MAX_JUDGED]
        return _judge(of_fold.output, examples, self.settings, log)


def _conclude(curves: Sequence[dict[int, float]]) -> AutoBudget:
    """The budget that the mean of the folds' curves asks for."""
    sizes = sorted(set.intersection(*(set(curve) for curve in curves)))
    mean = np.array([[curve[size] for size in sizes] for curve in curves]).mean(axis=0)
    best = settle(np.array(sizes), mean)
    of_best, least = mean[sizes.index(best)], int(np.argmin(mean))
    conclusion = (
        f"{best:,} bytes of text are the smallest subset within 1 % of the best of {len(sizes)} "
        f"sizes: {of_best:.3f} bits per byte of held-out examples"
    )
    if best != sizes[least]:
        conclusion += f", {mean[least]:.3f} with {sizes[least]:,} bytes"
    conclusion += "."
    if best == sizes[-1]:
        conclusion += " The curve still falls at its end: a larger subset may be better."
    series = {"mean": list(zip(map(float, sizes), mean.tolist(), strict=True))}
    for i, of_fold in enumerate(curves):
        series[f"fold {i + 1}"] = [(float(size), of_fold[size]) for size in sizes]
    curve = Curve(
        title="Automatic budget",
        x_label="subset, bytes of text",
        y_label="Bits per byte of held-out target examples",
        series=series,
        mark=float(best),
        log_x=True,
        note=f"Lower is better. {conclusion}",
    )
    return AutoBudget(Budget("max_bytes", best), curve, conclusion)


def settle(sizes: NDArray[np.int64], bits: NDArray[np.float64]) -> int:
    """The smallest size whose bits per byte are within ``_TOLERANCE`` of the least."""
    good = bits <= bits.min() * (1 + _TOLERANCE)
    return int(sizes[int(np.argmax(good))])


def _judge(
    path: str, examples: Sequence[bytes], settings: RunSettings, log: Log
) -> dict[int, float]:
    """Bytes of the subset in a file → bits per byte of a fold's held-out examples."""
    subset = join_records(_read(path, settings.reading))
    lengths = np.array([len(example) for example in examples])
    sizes, curve = _sizes(len(subset)), {}
    with log.progress("judging", sum(sizes)) as progress:
        for size in sizes:
            bits = ppm_bits(subset[:size], examples, n_workers=settings.workers)
            curve[size] = bits_per_byte(bits, lengths)
            progress.advance(len(examples), size, size)
    return curve


def _copy_excluded(settings: RunSettings, patterns: Sequence[str], folder: str) -> tuple[str, ...]:
    """Texts of benchmarks, in files of the form that the folds' own files have."""
    return tuple(
        _write(
            os.path.join(folder, f"exclude-{i}.jsonl"),
            read_target([pattern], settings.target_reading),
        )
        for i, pattern in enumerate(patterns)
    )


def _sizes(largest: int) -> list[int]:
    """Sizes in even ratios; those of a shorter subset are among those of a longer one."""
    n_steps = int(np.log2(max(1.0, largest / _SMALLEST_BYTES)) * _STEPS_PER_DOUBLING)
    return [int(_SMALLEST_BYTES * 2 ** (i / _STEPS_PER_DOUBLING)) for i in range(n_steps + 1)]


def _write(path: str, texts: TextBatch) -> str:
    with open(path, "wb") as file:
        for text in texts.iter_texts():
            file.write(msgspec.json.encode({"text": text}) + b"\n")
    return path


def _read(path: str, reading: Reading) -> list[bytes]:
    parser = RowParser(reading.text)
    with open(path, "rb") as file:
        return [parser.parse(line)[0].encode() for line in file]
