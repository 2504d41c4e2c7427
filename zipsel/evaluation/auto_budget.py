"""``--auto``: the budget that held-out target examples ask for.

The target is split into folds. For each, the pool is ranked by the other folds, and as the subset
grows along that ranking, the bits per byte of the held-out fold under the PPM judge are measured:
they fall while closer text comes in, flatten, and rise once the subset drifts away. The answer is
the smallest subset within one percent of the best, on the mean curve. TAROT stops on the same
question, asked of gradient distances.

What is looked at ends at ``LARGEST_BYTES`` or a fifth of the pool, since the judge reads every
byte; a curve that still falls there says that more would help.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.evaluation.ppm import bits_per_byte, join_records, ppm_bits
from zipsel.evaluation.verdicts import Curve
from zipsel.readers.json_rows import RowParser
from zipsel.readers.rows import Reading
from zipsel.scoring.inputs import read_targets
from zipsel.scoring.settings import ScoreSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings
from zipsel.texts import TextBatch

N_FOLDS = 3
LARGEST_BYTES = 8 << 20
_SMALLEST_BYTES = 1 << 16
_POOL_SHARE = 0.2
_STEPS_PER_DOUBLING = 2
#: Held-out examples that are judged in each fold, at most.
_MAX_JUDGED = 40
_TOLERANCE = 0.01

#: Runs a selection.
Select = Callable[[ScoreSettings, SelectSettings], None]


@dataclass(frozen=True)
class AutoBudget:
    """A budget and how it was found.

    Attributes:
        budget: The budget, in bytes of text.
        curve: Bits per byte against subset bytes, one series a fold and their mean.
    """

    budget: Budget
    curve: Curve


def find_budget(
    settings: ScoreSettings, select: SelectSettings, pool_bytes: float, run: Select
) -> AutoBudget:
    """Measure folds and settle on a size.

    Args:
        settings: What the run is asked for; its target is split.
        select: Likewise; its budget is not looked at.
        pool_bytes: Text in the pool, about.
        run: Selects.

    Raises:
        UsageError: If the target has a profile for an answer, too few examples or several names.
    """
    if settings.profile is not None:
        raise UsageError("--auto splits the target, so it needs --target and not --profile")
    targets = read_targets(settings)
    if len(targets) > 1 or len(next(iter(targets.values()))) < 2 * N_FOLDS:
        raise UsageError(f"--auto needs one target with at least {2 * N_FOLDS} examples")
    target = next(iter(targets.values()))
    largest = int(max(_SMALLEST_BYTES, min(LARGEST_BYTES, _POOL_SHARE * pool_bytes)))
    with _folder(settings) as folder:
        settings = replace(settings, work_dir=os.path.join(folder, "work"), store=None)
        curves = [
            _measure_fold(settings, select, target, fold, largest, folder, run)
            for fold in range(N_FOLDS)
        ]
    sizes = sorted(set.intersection(*(set(curve) for curve in curves)))
    mean = np.array([[curve[size] for size in sizes] for curve in curves]).mean(axis=0)
    best = settle(np.array(sizes), mean)
    series = {
        "mean": list(zip(map(float, sizes), mean.tolist(), strict=True)),
        **{
            f"fold {i + 1}": [(float(size), curve[size]) for size in sizes]
            for i, curve in enumerate(curves)
        },
    }
    curve = Curve(
        title="Automatic budget",
        x_label="subset, bytes of text",
        y_label="bits per byte of held-out target examples",
        series=series,
        mark=float(best),
        log_x=True,
        note="Lower is better. The mark is the smallest subset within 1 % of the best."
        + (" The curve still falls at its end: a larger subset may be better."
           if best == sizes[-1] else ""),
    )  # fmt: skip
    return AutoBudget(Budget("max_bytes", best), curve)


def settle(sizes: NDArray[np.int64], bits: NDArray[np.float64]) -> int:
    """The smallest size whose bits per byte are within ``_TOLERANCE`` of the least."""
    good = bits <= bits.min() * (1 + _TOLERANCE)
    return int(sizes[int(np.argmax(good))])


def _measure_fold(
    settings: ScoreSettings,
    select: SelectSettings,
    target: TextBatch,
    fold: int,
    largest: int,
    folder: str,
    run: Select,
) -> dict[int, float]:
    """Subset bytes → bits per byte of a fold's examples."""
    rows = np.arange(len(target))
    held_out = target.take(rows[rows % N_FOLDS == fold])
    path = os.path.join(folder, f"fold-{fold}")
    fold_settings = replace(
        settings,
        target=(_write(f"{path}-train.jsonl", target.take(rows[rows % N_FOLDS != fold])),),
        target_reading=Reading(),
    )
    fold_select = replace(
        select,
        budget=Budget("max_bytes", largest),
        output=f"{path}.jsonl",
        add_field=None,
        format=None,
        exclude=(*select.exclude, _write(f"{path}-held-out.jsonl", held_out)),
    )
    run(fold_settings, fold_select)
    texts = _read(f"{path}.jsonl", settings.reading)
    examples = list(held_out.iter_encoded())[:_MAX_JUDGED]
    lengths = np.array([len(example) for example in examples])
    subset = join_records(texts)
    return {
        size: bits_per_byte(ppm_bits(subset[:size], examples, n_workers=settings.workers), lengths)
        for size in _sizes(len(subset))
    }


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


@contextmanager
def _folder(settings: ScoreSettings) -> Iterator[str]:
    folder = os.path.join(settings.work_dir, "auto", str(os.getpid()))
    os.makedirs(folder, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
