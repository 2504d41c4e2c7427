"""Choose language-model training data by compression.

zipsel scores every record of a pool by how well a code made from target examples compresses it
(ZIP-FIT's idea, arXiv 2410.18194), and writes the subset that teaches the target best. README.md
has the commands; ``Scorer`` and ``select`` are the same from Python.

The map, in the order in which a record passes; a folder imports only from folders above it:

* ``texts``, ``errors``: a batch of texts in one buffer; everything a run can end with
* ``console``: messages and progress on standard error
* ``storage``: bytes on this machine and behind URLs, staged files, the work directory
* ``pool``: which files there are, and their formats
* ``engines``: run a function over tasks: processes, Ray
* ``scorers``: fit a scorer to the target, score texts
* ``readers``: one shard → batches of rows; rows again by their places
* ``explain``: why a text scores as it does
* ``scoring``: pass one: fit, plan chunks, score them into sidecar parts
* ``selection``: pass two: rank, fetch candidates, take until the budget is full
* ``output``: subset, scores, manifest: whole files or none
* ``evaluation``: what a subset is worth to held-out examples
* ``report``: the numbers of a run, and the same for people
* ``commands``, ``api``, ``cli``: what each command does; from Python; from the command line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipsel.api.result import SelectResult
    from zipsel.api.scorer import Scorer
    from zipsel.api.select import select

__all__ = ["Scorer", "SelectResult", "select"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used: the command line starts without it."""
    if name in __all__:
        from zipsel import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The interface alone, also before it is imported."""
    return [*__all__, "__version__"]
