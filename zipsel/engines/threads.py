"""Several cores without processes, for what runs without Python's lock: numpy, digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


def iter_in_threads(
    function: Callable[[One], Other], items: Iterable[One], n_threads: int
) -> Iterator[Other]:
    """Yield what a function returns for each item, in their order."""
    with ThreadPoolExecutor(n_threads) as threads:
        yield from threads.map(function, items)


def do_both(one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """Call two functions at the same time and return what they return."""
    with ThreadPoolExecutor(1) as beside:
        others = beside.submit(other)
        return one(), others.result()
