"""TOML files with options; unknown keys are refused with the nearest name."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from typing import Any

import click

from zipsel.errors import UsageError


def load_config(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Make a file's values the defaults of a command.

    Raises:
        UsageError: If the file cannot be read or has a key that is no option.
    """
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"--config {path}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: {error}") from None
    known = {param.name or "": param for param in ctx.command.params}
    known.pop("config", None)
    defaults: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0].replace('_', '-')}?" if near else ""
            raise UsageError(f"--config {path}: {key!r} is no option of {ctx.info_name}{hint}")
        many = known[name].nargs == -1 or getattr(known[name], "multiple", False)
        defaults[name] = [value] if many and not isinstance(value, list) else value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
