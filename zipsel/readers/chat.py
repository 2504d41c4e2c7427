"""The text of a chat: the words of all its turns.

The formats are those of OpenAI (chat completions and responses), Anthropic, Hugging Face chat
templates and ShareGPT. No words are dropped in silence: a part of a kind that is not known
refuses its row, and a call of unknown shape is written as JSON. Two chats that differ in reasoning,
content, tool calls or tool results therefore never have the same text. Pictures and sounds have no
words and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from zipsel.readers.rows import Reason, RowError


def chat_text(row: dict[str, Any]) -> str:
    """``role: content`` paragraphs of ``messages`` (OpenAI) or ``conversations`` (ShareGPT).

    Each turn is its role, then its reasoning, content and tool calls, a line each. Ids and other
    fields of a turn are no words and left out.

    Raises:
        RowError: If no turn has words, or a turn has words that cannot be found.
    """
    turns = _first(row, ("messages", "conversations"))
    if turns is None:
        if {"messages", "conversations"} & row.keys():
            raise RowError(Reason.NULL)
        raise RowError(Reason.MISSING_FIELD, row)
    if not isinstance(turns, list):
        raise RowError(Reason.WRONG_TYPE)
    paragraphs = []
    any_words = False
    for turn in turns:
        if not isinstance(turn, dict):
            raise RowError(Reason.WRONG_TYPE)
        words = _turn_words(turn)
        any_words = any_words or bool(words.strip())
        role, name = _first(turn, ("role", "from")), turn.get("name")
        speaker = " ".join(part for part in (role, name) if isinstance(part, str) and part)
        paragraphs.append(f"{speaker}: {words}" if speaker else words)
    if not any_words:
        raise RowError(Reason.EMPTY)
    return "\n\n".join(paragraphs)


#: Fields of a turn that hold its words, in the order of writing. Several are names of one thing:
#: ``content`` of OpenAI is ``value`` of ShareGPT. A turn that has two of them with other words has
#: both.
_REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
_DETAILS = ("reasoning_details",)  # the reasoning once more, in parts
_CONTENT = ("content", "value")
_REFUSAL = ("refusal",)
_CALLS = ("tool_calls", "tool_call", "function_calls", "function_call")
_TOOL_RESULTS = ("tool_results", "tool_responses")
_TURN_WORDS = frozenset(
    {*_REASONING, *_DETAILS, *_CONTENT, *_REFUSAL, *_CALLS, *_TOOL_RESULTS, "audio"}
)

#: Fields of a turn that may be all that it has, and are no words.
_TURN_FIELDS = _TURN_WORDS | {
    "role", "from", "name", "id", "type", "index", "tool_call_id", "call_id", "weight", "loss",
    "train", "masked", "model", "timestamp", "created_at", "annotations", "metadata",
    "reasoning_signature", "signature", "stop_reason", "finish_reason", "author", "status",
    "recipient", "end_turn", "images", "videos", "audios",
}  # fmt: skip

#: Fields of a tool call that hold its arguments, and of a content part that hold a tool's result.
_ARGUMENTS = ("arguments", "parameters", "input")
_RESULTS = ("content", "output")


def _turn_words(turn: dict[str, Any]) -> str:
    """The words of a turn: reasoning, content, refusal, tool calls, results of tools.

    Raises:
        RowError: If the turn has no field that could hold words, or no words but in fields that
            are not known.
    """
    if not turn.keys() & _TURN_WORDS:
        raise RowError(Reason.MISSING_FIELD, turn)
    words = [
        *(_field_texts(turn, _REASONING) or _field_texts(turn, _DETAILS)),
        *dict.fromkeys(_content_text(turn.get(field)) for field in _CONTENT),
        *_field_texts(turn, _REFUSAL),
        *_spoken_words(turn.get("audio")),
    ]
    for field in _CALLS:
        calls = turn.get(field)
        words += map(_call_text, calls if isinstance(calls, list) else [calls])
    words += _field_texts(turn, _TOOL_RESULTS)
    text = "\n".join(filter(None, words))
    if not text and any(
        isinstance(turn[name], str | list | dict) and turn[name]
        for name in turn.keys() - _TURN_FIELDS
    ):
        raise RowError(Reason.UNKNOWN_PART)
    return text


def _field_texts(turn: dict[str, Any], names: Iterable[str]) -> list[str]:
    """What the fields of a turn say; what two of them say alike, once."""
    texts = (_result_text(turn.get(name)) for name in names)
    return list(filter(None, dict.fromkeys(texts)))


def _spoken_words(audio: Any) -> list[str]:
    """The transcript of a turn that was spoken."""
    return [_words_of(audio.get("transcript"))] if isinstance(audio, dict) else []


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first value that is not null or empty, else the first that is not null, else None.

    A column that joins sources has null where a source has no such field.
    """
    found = [value for name in names if (value := values.get(name)) is not None]
    return next((value for value in found if value not in ("", [])), found[0] if found else None)


def _content_text(content: Any) -> str:
    """A turn's content: a string, or a list of parts, their words a line each."""
    if isinstance(content, str):
        return content
    if content is None:  # a tool call without words
        return ""
    if not isinstance(content, list):
        raise RowError(Reason.WRONG_TYPE)
    return "\n".join(filter(None, map(_part_text, content)))


#: Fields of a content part that hold words of their own.
_PART_WORDS = ("text", "value", "thinking", "reasoning", "refusal", "transcript")

_WORDY_KINDS = frozenset({*_PART_WORDS, "input_text", "output_text", "summary_text"})
_CALL_KINDS = frozenset({"tool_use", "tool_call", "function_call", "server_tool_use"})
_RESULT_KINDS = frozenset({"tool_result", "function_call_output"})
_WORDLESS_KINDS = frozenset(
    {"image", "image_url", "input_image", "audio", "audio_url", "input_audio", "video", "video_url"}
)
_KINDS = _WORDY_KINDS | _CALL_KINDS | _RESULT_KINDS | _WORDLESS_KINDS

#: Fields of a content part whose values are known: words that are taken, and what says no words.
_PART_FIELDS = frozenset({*_PART_WORDS, *_ARGUMENTS, *_RESULTS, *_WORDLESS_KINDS}) | {
    "type", "id", "index", "name", "call_id", "tool_use_id", "cache_control", "signature"
}  # fmt: skip


def _part_text(part: Any) -> str:
    """The words of a content part: of text, reasoning, a tool call or a tool's result.

    Raises:
        RowError: If the part is of an unknown kind and may have words in unknown fields.
    """
    if part is None or isinstance(part, str):
        return part or ""
    if not isinstance(part, dict):
        raise RowError(Reason.WRONG_TYPE)
    kind = part.get("type") if isinstance(part.get("type"), str) else ""
    words = [_words_of(part.get(name)) for name in _PART_WORDS]
    if kind in _CALL_KINDS or _first(part, _ARGUMENTS) is not None:
        words.append(_call_text(part))
    words += [_result_text(part.get(name)) for name in _RESULTS]
    text = "\n".join(filter(None, words))
    if kind not in _KINDS or (not text and kind not in _WORDLESS_KINDS):
        others = [part[name] for name in part.keys() - _PART_FIELDS]
        if any(isinstance(value, str | list | dict) and value for value in others):
            raise RowError(Reason.UNKNOWN_PART)
    return text


def _words_of(value: Any) -> str:
    """A string, or the ``value`` of an object that holds one (as OpenAI's threads have it)."""
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, str) else ""


def _result_text(result: Any) -> str:
    """What a tool has returned: a string, content parts, or any other value as JSON."""
    if isinstance(result, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and "type" in part) for part in result
    ):
        return _content_text(result)
    return "" if result is None else _as_json(result)


def _call_text(call: Any) -> str:
    """A tool call as ``name(arguments)``; one of unknown shape as JSON."""
    if not isinstance(call, dict):
        return "" if call is None else _as_json(call)
    inner = _first(call, ("function", "custom"))
    inner = inner if isinstance(inner, dict) else call
    name, arguments = inner.get("name"), _first(inner, _ARGUMENTS)
    if not isinstance(name, str):
        return _as_json(call)
    return f"{name}({'' if arguments is None else _as_json(arguments)})"


def _as_json(value: Any) -> str:
    """A string as it is, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
