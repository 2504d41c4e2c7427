"""Choose language-model training data by compression.

zipsel streams a pool of JSONL, Parquet, Arrow or CSV shards past a set of target examples and
keeps what a compressor that has seen the target finds cheapest: ZIP-FIT's idea (arXiv 2410.18194)
with a scorer that costs O(text) instead of O(text x targets). See README.md for the commands.

From Python: ``Scorer`` scores texts and tables, ``select`` does what the command does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipsel.api.scorer import Scorer
    from zipsel.api.select import SelectResult, select

__all__ = ["Scorer", "SelectResult", "select"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used: the command line starts without it."""
    if name in __all__:
        from zipsel import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
