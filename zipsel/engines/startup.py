"""Keep pandas, which pyarrow would import, out of zipsel's own processes."""

from __future__ import annotations

import sys


class _NoPandas:
    """Raises for pandas, and passes every other module on to the next finder."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of zipsel's own processes", name=name)


def leave_pandas_out() -> None:
    """Make ``import pandas`` fail in this process.

    pyarrow imports an installed pandas with its first array, only to recognize objects of pandas.
    zipsel has none, and the import would cost 0.3 s in every process.
    """
    sys.meta_path.insert(0, _NoPandas())
