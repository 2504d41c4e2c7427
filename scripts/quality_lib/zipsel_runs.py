"""zipsel as its users run it: `zipsel select` in a process of its own, once per budget.

Everything is left at its default but what a selector's name says, so the cascade and the removal
of duplicates are part of what is measured. Nothing is reused between runs.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quality_lib.data import Pool, Task, zipsel_environment
from quality_lib.peers import Bench, Scores, task_examples

TOP = ("--strategy", "top")
# Options of `zipsel select` behind the name of each selector.
ZIPSEL_OPTIONS: dict[str, tuple[str, ...]] = {
    "cover": (),
    "cover-fused": ("--scorer", "fused"),
    "fused": (*TOP, "--scorer", "fused"),
    "conditional-1": (*TOP, "--scorer", "conditional", "--level", "1"),
    "conditional-3": (*TOP, "--scorer", "conditional", "--level", "3"),
    "conditional-9": (*TOP, "--scorer", "conditional", "--level", "9"),
    "conditional-19": (*TOP, "--scorer", "conditional", "--level", "19"),
    "ngram": (*TOP, "--scorer", "ngram"),
}
# Records are cut at the budget here, so the run has to go one record beyond it.
SPARE_BYTES = 50_000


def score_with_zipsel(bench: Bench, task: Task, name: str, budget_bytes: int) -> Scores:
    """Minus the rank that `zipsel select` gives each record; -inf where it did not choose it.

    Raises:
        SystemExit: If the run fails; its own message is shown.
    """
    n_bytes = str(budget_bytes + SPARE_BYTES)
    options = ["--max-bytes", n_bytes, *ZIPSEL_OPTIONS[name]]
    chosen = run_select([str(path) for path in bench.pool.paths], task_examples(task), options)
    row_of = _rows_by_id(bench.pool)
    scores = np.full(len(bench.pool), -np.inf)
    for rank, record in enumerate(chosen):
        scores[row_of[str(record["id"])]] = -rank
    return scores


def run_select(
    pool: Sequence[str], examples: Sequence[bytes], options: Sequence[str]
) -> list[dict[str, object]]:
    """Rows that `zipsel select` writes, best first.

    Raises:
        SystemExit: If the run fails; its own message is shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        target, subset = Path(folder, "target.jsonl"), Path(folder, "subset.jsonl")
        lines = (json.dumps({"text": example.decode()}) + "\n" for example in examples)
        target.write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "zipsel", "select", *pool, "--target", str(target)]
        command += ["--output", str(subset), "--work-dir", f"{folder}/work", "--workers", "1"]
        run = subprocess.run(
            [*command, *options],
            env=zipsel_environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if run.returncode != 0:
            raise SystemExit(f"{' '.join([*command, *options])}\n{run.stderr}")
        return [json.loads(line) for line in subset.read_text(encoding="utf-8").splitlines()]


def _rows_by_id(pool: Pool) -> dict[str, int]:
    return {identity: row for row, identity in enumerate(pool.ids)}
