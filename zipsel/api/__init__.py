"""The Python interface; ``zipsel.Scorer`` and ``zipsel.select`` are these."""

from zipsel.api.result import SelectResult
from zipsel.api.scorer import Scorer
from zipsel.api.select import select

__all__ = ["Scorer", "SelectResult", "select"]
