"""A mutant: one small change that breaks a promise, and the tests that have to notice it."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change of the package.

    Attributes:
        file: Below ``zipsel/``.
        breaks: What is wrong with the changed program, in a few words.
        old: Text that stands once in the file.
        new: What takes its place.
        tests: Files or tests below ``tests/``, parted by blanks.
        excuse: Why no test can tell, where the mutant may live; empty for all others.
    """

    file: str
    breaks: str
    old: str
    new: str
    tests: str
    excuse: str = ""

    @property
    def nodes(self) -> list[str]:
        """The tests as pytest takes them."""
        return [f"tests/{test}" for test in self.tests.split()]
