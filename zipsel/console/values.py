"""Values that people write: their kinds, how text becomes one, and how a message names it.

A kind is a type annotation with its limits (``msgspec.Meta``); its description is what an error
message says after "takes". Text that spells a value is as good as the value, so that an option
means the same on the command line, in a file, in the environment and in Python.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

#: Larger whole numbers are refused: counts and sizes are also kept as floats, which end here.
_LARGEST = 2**53

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_METAVARS = {int: "N", float: "F"}

_FLAGS = {"true": True, "yes": True, "on": True, "1": True,
          "false": False, "no": False, "off": False, "0": False}  # fmt: skip


class Unreadable(ValueError):
    """A value is refused for a reason that its kind alone does not tell."""


def parse_size(text: str) -> int:
    """Read a number of bytes or tokens (``400kB``, ``64MiB``); a ``ValueError`` if it is none."""
    plain = text.strip().lower().removesuffix("b")
    number = plain.rstrip("kmgti")
    size = float(number) * _UNITS.get(plain[len(number) :], math.nan)
    if not abs(size) <= _LARGEST:
        raise ValueError(text)
    return int(size)


Count = Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
Whole = Annotated[int, Meta(description="a whole number")]
Seed = Annotated[int, Meta(ge=0, description="a whole number, 0 or more")]
Size = Annotated[
    int,
    Meta(
        ge=1,
        description="a size of 1 or more, such as 400000, 400kB or 64MiB",
        extra={"parse": parse_size, "metavar": "SIZE"},
    ),
]
Share = Annotated[float, Meta(gt=0, le=1, description="a share, over 0 to 1")]
Name = Annotated[str, Meta(min_length=1, description="a name")]
Names = Annotated[
    str, Meta(min_length=1, description="a name, or several in one text with commas between them")
]
Path = Annotated[str, Meta(min_length=1, description="a path")]
Paths = Annotated[tuple[Path, ...], Meta(description="paths")]


def one_of(names: Collection[str]) -> Meta:
    """The limits of a name that is one of some; more of them may be registered later."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(name)
        return name

    return Meta(extra={"parse": check, "choices": names})


def convert(value: Any, kind: Any) -> Any:
    """The value as its kind wants it.

    Raises:
        ValueError: With a message to follow a name: what the kind takes, what was found.
    """
    try:
        return msgspec.convert(_readable(value, base_of(kind)), base_of(kind))
    except Unreadable:
        raise
    except (msgspec.ValidationError, ValueError, OverflowError):
        hint = nearest(value, choices_of(kind)) if isinstance(value, str) else ""
        if is_many(kind) and isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        raise ValueError(f"takes {describe(kind)}, not {_shown(value)}{hint}") from None


def describe(kind: Any) -> str:
    """What a kind takes, in words."""
    kind = base_of(kind)
    choices = choices_of(kind)
    meta = _meta_of(kind)
    if meta is not None and meta.description is not None:
        return meta.description
    if choices:
        return f"one of {', '.join(choices)}"
    if kind is bool:
        return "true or false"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(describe(one) for one in get_args(kind))
    return {int: "a whole number", float: "a number", str: "text"}.get(kind, str(kind))


def choices_of(kind: Any) -> tuple[str, ...]:
    """The words that a kind takes; empty where it takes other things too."""
    kind = base_of(kind)
    if meta := _meta_of(kind):
        return tuple((meta.extra or {}).get("choices", ()))
    return get_args(kind) if get_origin(kind) is Literal else ()


def is_many(kind: Any) -> bool:
    """Whether a kind takes several values of their own, as paths are."""
    return bool(base_of(kind) == Paths)


def is_path(kind: Any) -> bool:
    """Whether a kind takes a path, or several."""
    return base_of(kind) in (Path, Paths)


def metavar_of(kind: Any) -> str:
    """How the help of an option shows what it takes."""
    kind = base_of(kind)
    meta = _meta_of(kind)
    if meta is not None and "metavar" in (meta.extra or {}):
        return str(meta.extra["metavar"])  # type: ignore[index]
    plain = get_args(kind)[0] if meta else kind
    return f"[{'|'.join(choices_of(kind))}]" if choices_of(kind) else _METAVARS.get(plain, "TEXT")


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean NAME?`` for the closest known name, or nothing."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def base_of(kind: Any) -> Any:
    """A kind without the None that stands for "not given"."""
    if get_origin(kind) in (Union, UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        return Union[tuple(others)]  # noqa: UP007 - of a list
    return kind


def _meta_of(kind: Any) -> Meta | None:
    if get_origin(kind) is not Annotated:
        return None
    return next((one for one in get_args(kind)[1:] if isinstance(one, Meta)), None)


def _readable(value: Any, kind: Any) -> Any:
    """Python's plain value for a kind, read from text where it is text; checked no further."""
    meta = _meta_of(kind)
    plain = get_args(kind)[0] if meta else kind
    extra = (meta.extra if meta else None) or {}
    if "parse" in extra and isinstance(value, (str, *extra.get("reads", ()))):
        return extra["parse"](value)
    if get_origin(plain) is tuple:
        many = [value] if isinstance(value, str | os.PathLike) else value
        if not isinstance(many, list | tuple):
            raise ValueError(value)
        return [_readable(one, get_args(plain)[0]) for one in many]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if get_origin(plain) in (Union, UnionType):
        return _first_readable(value, get_args(plain))
    elif isinstance(value, str):
        value = _read_text(value, plain)
    elif plain in (int, float) and not isinstance(value, bool) and hasattr(value, "__index__"):
        value = value.__index__()  # numpy's numbers too
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise OverflowError(value)
    return value


def _first_readable(value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        try:
            return msgspec.convert(_readable(value, kind), kind)
        except (msgspec.ValidationError, ValueError, OverflowError):
            continue
    raise ValueError(value)


def _read_text(text: str, plain: Any) -> Any:
    if plain is bool:
        return _FLAGS.get(text.strip().lower(), text)
    if plain is int:
        return int(text) if _WHOLE.fullmatch(text.strip()) else text
    if plain is float:
        return float(text)
    if "\0" in text:
        raise ValueError(text)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name of other bytes, which no report could hold
        raise Unreadable(
            f"takes text in UTF-8, which reports need, not {_shown(text)}; rename it"
        ) from None
    return text


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
