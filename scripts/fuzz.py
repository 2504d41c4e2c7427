"""Fuzz the readers and the template language for ten minutes (make fuzz).

With atheris (a wheel for this Python and platform is looked for, nothing is built) coverage guides
the inputs; without it, random mutations of a small corpus do. Each target runs in a process of its
own, so that a crash of a C library is a finding too. An input that breaks a promise is kept in
--keep and its place printed; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from fuzz_lib.targets import TARGETS, corpus_of

_MAX_BYTES = 4096

#: Seconds that one input may take, far above the milliseconds that it does take.
_INPUT_SECONDS = 60

#: Seconds beyond those of fuzzing: atheris instruments for minutes on a busy machine.
_SPARE_SECONDS = 600

#: Bytes that JSON, UTF-8 or a template gives a meaning.
_MEANINGFUL = b'{}[]",:\\ \n\r\0\xff\xef\xbb\xbf'


def mutate(data: bytes, generator: random.Random, corpus: list[bytes]) -> bytes:
    """A few random edits: bits, bytes, stretches cut, doubled, or taken from another input."""
    mutant = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 4, 8, 32])):
        place = generator.randint(0, len(mutant))
        length = generator.choice([1, 1, 2, 4, 16, 64])
        kind = generator.randrange(6)
        if kind == 0 and mutant:
            mutant[place - 1] ^= 1 << generator.randrange(8)
        elif kind == 1 and mutant:
            mutant[place - 1] = generator.choice([0, 0xFF, 0x7F, 0x80, generator.randrange(256)])
        elif kind == 2:
            del mutant[place : place + length]
        elif kind == 3:
            mutant[place:place] = mutant[place : place + length]
        elif kind == 4:
            other = generator.choice(corpus)
            start = generator.randint(0, len(other))
            mutant[place:place] = other[start : start + length]
        else:
            mutant[place:place] = bytes(
                generator.choices(b'{}[]",:\\ \n\r\0\xff\xef\xbb\xbf', k=length)
            )
    return bytes(mutant[:_MAX_BYTES])


def fuzz_randomly(name: str, seconds: float, seed: int, last: Path) -> None:
    """Mutate until the time is up; ``last`` holds the present input."""
    generator, target = random.Random(seed), TARGETS[name]
    corpus = corpus_of(name)
    end, n_runs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutate(generator.choice(corpus), generator, corpus)
        last.write_bytes(data)
        target(data)
        n_runs += 1
        if generator.random() < 0.001:
            corpus.append(data)
    sys.stderr.write(f"{name}: {n_runs:,} inputs\n")


def fuzz_guided(name: str, seconds: float, seed: int, last: Path) -> None:
    """Let atheris find inputs; the corpus and failing inputs are saved beside ``last``."""
    import atheris

    folder = last.parent / f"{name}-corpus"
    folder.mkdir(exist_ok=True)
    for i, data in enumerate(corpus_of(name)):
        (folder / f"seed-{i}").write_bytes(data)
    atheris.instrument_all()
    options = [f"-max_total_time={int(seconds)}", f"-seed={seed + 1}", f"-max_len={_MAX_BYTES}"]
    options.append(f"-timeout={_INPUT_SECONDS}")
    prefix = f"-artifact_prefix={last.parent}/{name}-"
    atheris.Setup([sys.argv[0], *options, prefix, str(folder)], TARGETS[name])
    atheris.Fuzz()


def have_atheris() -> bool:
    """Whether atheris is there, installing its wheel if the index has one."""
    if find_spec("atheris") is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
        subprocess.run([*command, "atheris"], check=False, capture_output=True)
    return find_spec("atheris") is not None


def run_target(
    fuzz: Callable[[str, float, int, Path], None], name: str, seconds: float, seed: int, keep: Path
) -> bool:
    """Fuzz one target in a process of its own; whether nothing was found."""
    last = keep / f"{name}-last"
    process = multiprocessing.get_context("spawn").Process(
        target=fuzz, args=(name, seconds, seed, last)
    )
    process.start()
    process.join(seconds + _SPARE_SECONDS)
    if process.exitcode == 0:
        last.unlink(missing_ok=True)
        return True
    process.kill()
    what = "hangs" if process.exitcode is None else f"ends with {process.exitcode}"
    sys.stderr.write(f"{name}: {what}; the input is in {last} or beside it\n")
    return False


def main() -> int:
    """Fuzz all targets in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="in all [600]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"))
    parser.add_argument("--only", choices=TARGETS, action="append", help="a target [all]")
    parser.add_argument("--random", action="store_true", help="without atheris")
    options = parser.parse_args()
    options.keep.mkdir(exist_ok=True)
    fuzz = fuzz_randomly if options.random or not have_atheris() else fuzz_guided
    sys.stderr.write(f"{fuzz.__name__}, {options.seconds:.0f} s\n")
    names = options.only or list(TARGETS)
    share = options.seconds / len(names)
    fine = [run_target(fuzz, name, share, options.seed, options.keep) for name in names]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
