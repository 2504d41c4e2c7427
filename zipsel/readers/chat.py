"""The text of a chat: the words of all its turns.

A row is a chat in the shape of OpenAI (chat completions, responses, preferences), Anthropic
(``system`` beside ``messages``), ShareGPT (``conversations``) or Hugging Face TRL (``prompt`` with
``completion``, ``chosen`` or ``rejected``). Its text is a paragraph a turn: the role, a colon, then
reasoning, content, tool calls and results, a line each. A call is ``name(arguments)``. A picture, a
sound, a film or a file has no words and stands as ``[image]``; a chat of such alone has no text.

No words are dropped in silence: a part of a kind that is not known refuses its row, a call of
unknown shape is written as JSON, and what is left out by its kind is counted. Two chats that differ
in words that are kept therefore never have the same text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from zipsel.readers.chat_parts import (
    Words,
    as_json,
    content_words,
    first_of,
    is_item,
    kind_of,
    part_words,
    turn_words,
)
from zipsel.readers.reading import CHAT_FIELDS, DEFAULT_CHAT_PARTS
from zipsel.readers.rows import Reason, RowError

#: Fields that hold all turns, the first that has any.
_TURNS = ("messages", "conversations")

#: Fields that hold what was asked, and what was answered, where a chat stands in two fields.
_ASKED = ("prompt", "input")
_ANSWERED = ("completion", "chosen", "output", "preferred_output")

#: Fields that hold an answer that was not preferred: never part of the text, but counted.
_REJECTED = ("rejected", "non_preferred_output")

#: Fields beside the turns that hold what the system was told, and which tools there were.
_SYSTEM = ("system", "instructions")
_TOOLS = ("tools", "functions")


class ChatText(NamedTuple):
    """The text of a chat, and what is not in it.

    Attributes:
        text: The paragraphs.
        left_out: Kind of part → how many of them are not in the text, or only as a placeholder;
            also the fields beside the turns that say something else.
    """

    text: str
    left_out: Counter[str]


def chat_text(row: dict[str, Any], kept: Iterable[str] = DEFAULT_CHAT_PARTS) -> ChatText:
    """Make the text of a chat.

    Ids and the like are no words and left out; other fields of a turn are counted.

    Args:
        row: The row.
        kept: Kinds of parts that are written, of ``CHAT_PARTS``.

    Raises:
        RowError: If no turn has words that are kept, or a turn has words that cannot be found.
    """
    kept, left_out = frozenset(kept), Counter[str]()
    paragraphs: list[str] = []
    has_words = False
    for speaker, words in _iter_turns(row):
        lines = []
        for one in words:
            left_out[one.name] += bool(one.text) and (one.kind not in kept or one.kind == "media")
            if one.kind in kept:
                lines.append(one.text)
                has_words = has_words or (one.kind != "media" and bool(one.text.strip()))
        if lines or not words:
            text = "\n".join(filter(None, lines))
            paragraphs.append(f"{speaker}: {text}" if speaker else text)
    if not has_words:
        raise RowError(Reason.EMPTY)
    for name in _REJECTED:
        left_out["rejected"] += bool(row.get(name))
    left_out.update(_unsaid_fields(row))
    return ChatText("\n\n".join(paragraphs), +left_out)


class _Turn(NamedTuple):
    """Who speaks, and what is said."""

    speaker: str
    words: list[Words]


def _iter_turns(row: dict[str, Any]) -> Iterable[_Turn]:
    """The turns of a row, what stands beside them first.

    Raises:
        RowError: If there are none.
    """
    turns = _find_turns(row)
    for name in _SYSTEM:
        words = content_words(row.get(name), "system")
        if words and not (turns and _is_of_system(turns[0], words)):
            yield _Turn("system", words)
    for name in _TOOLS:
        if row.get(name):
            yield _Turn("tools", [Words("tools", as_json(row[name]))])
    for turn in turns:
        if not isinstance(turn, dict):
            raise RowError(Reason.WRONG_TYPE)
        if is_item(turn):
            yield _Turn("", part_words(turn, "assistant"))
            continue
        role = first_of(turn, ("role", "from")) or kind_of(turn)  # LangChain has types for roles
        parts = (role, turn.get("name"))
        speaker = " ".join(part for part in parts if isinstance(part, str) and part)
        yield _Turn(speaker, turn_words(turn, role if isinstance(role, str) else ""))


def _is_of_system(turn: Any, words: list[Words]) -> bool:
    """Whether a turn says the same as the field beside the turns."""
    return (
        isinstance(turn, dict)
        and first_of(turn, ("role", "from")) in ("system", "developer")
        and content_words(first_of(turn, ("content", "value")), "system") == words
    )


def _find_turns(row: dict[str, Any]) -> list[Any]:
    turns = first_of(row, _TURNS)
    if turns is None:
        asked, answered = first_of(row, _ASKED), first_of(row, _ANSWERED)
        if isinstance(asked, dict):  # OpenAI's preferences
            asked = first_of(asked, _TURNS)
        of_lists = isinstance(asked, list) or isinstance(answered, list)
        if of_lists or (answered is not None and "prompt" in row):  # not Alpaca's three strings
            return _joined(_as_turns(asked, "user"), _as_turns(answered, "assistant"))
        if any(name in row and row[name] is None for name in (*_TURNS, *_ANSWERED)):
            raise RowError(Reason.NULL)
        raise RowError(Reason.MISSING_FIELD, row)
    if not isinstance(turns, list):
        raise RowError(Reason.WRONG_TYPE)
    return turns


def _unsaid_fields(row: dict[str, Any]) -> Iterable[str]:
    """Yield the fields of a chat that say something else than its turns."""
    turns = _find_turns(row)
    for name in CHAT_FIELDS:
        value = row.get(name)
        if isinstance(value, dict):
            value = first_of(value, _TURNS)
        if isinstance(value, str):
            is_said = any(
                isinstance(turn, dict) and first_of(turn, ("content", "value")) == value
                for turn in turns
            )
        else:
            is_said = not isinstance(value, list) or value in (
                turns[: len(value)],
                turns[len(turns) - len(value) :],
            )
        if value and not is_said:
            yield name


def _as_turns(value: Any, role: str) -> list[Any]:
    """Turns of a field that may hold one text in their place."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if not isinstance(value, list):
        raise RowError(Reason.WRONG_TYPE)
    return value


def _joined(asked: list[Any], answered: list[Any]) -> list[Any]:
    """What was asked and what was answered; an answer may begin with what was asked."""
    return answered if answered[: len(asked)] == asked else asked + answered
