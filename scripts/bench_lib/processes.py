"""Fresh processes: how long a command takes, and how large its largest process gets.

Time and memory are measured in different runs, because looking at processes costs time.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE_SECONDS = 0.03
LONGEST_SECONDS = 1200

Command = Sequence[str]


class Failed(Exception):
    """A measured command ended badly; the message holds the end of what it said."""


@dataclass
class Times:
    """Wall times of one command.

    Attributes:
        seconds: One a run, in order.
    """

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median wall time in seconds."""
        return statistics.median(self.seconds)


def zipsel(*arguments: object) -> list[str]:
    """The command line of zipsel in this environment, with what it says kept short."""
    return [sys.executable, "-m", "zipsel", *map(str, arguments), "--quiet"]


def script(name: str, *arguments: object) -> list[str]:
    """A runner of this folder as a command."""
    return [sys.executable, str(Path(__file__).parent / name), *map(str, arguments)]


def run(command: Command, cwd: Path) -> bytes:
    """Run a command to its end and return its standard output.

    Raises:
        Failed: If it ends with another code than 0 or takes too long.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, env=_environment(), capture_output=True, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[2:4]} took more than {LONGEST_SECONDS} s") from None
    if done.returncode:
        raise Failed(done.stderr.decode(errors="replace").strip()[-400:])
    return done.stdout


def alternate(
    commands: Mapping[str, Command], n_runs: int, cwd: Path, clean: Callable[[], None]
) -> dict[str, Times]:
    """Time commands in turn, so that a slow minute of the machine falls on all of them.

    Args:
        commands: Name → command.
        n_runs: Rounds.
        cwd: Where they run.
        clean: Called before every run; removes what an earlier one left.
    """
    times = {name: Times() for name in commands}
    for _ in range(n_runs):
        for name, command in commands.items():
            clean()
            started = time.perf_counter()
            run(command, cwd)
            times[name].seconds.append(time.perf_counter() - started)
    return times


def peak_bytes(command: Command, cwd: Path) -> int:
    """Peak resident memory of the largest process of a command, parent and workers.

    Raises:
        Failed: If the command ends badly.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=_environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = 0
    try:
        while process.poll() is None:
            peak = max(peak, _largest_of_session(process.pid))
            time.sleep(SAMPLE_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    if process.returncode:
        raise Failed(f"exit code {process.returncode}: {' '.join(command[2:])}")
    return peak


def _largest_of_session(session: int) -> int:
    """Largest high-water mark, in bytes, among the processes of a session."""
    largest = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_bytes()
            if int(stat.rpartition(b")")[2].split()[3]) != session:
                continue
            largest = max(largest, high_water_bytes(Path("/proc", entry, "status")))
        except (OSError, ValueError):
            continue  # it ended meanwhile
    return largest


def high_water_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Peak resident memory that a status file tells, in bytes; 0 of a process that has ended."""
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _environment() -> dict[str, str]:
    """Without zipsel's variables, and with compiled modules, as an installed package has them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZIPSEL_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = str(Path(__file__).resolve().parents[1])
    return {**kept, "PYTHONPATH": folder, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
