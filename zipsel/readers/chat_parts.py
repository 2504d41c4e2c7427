"""The words of one turn of a chat, each with its kind.

Kinds are those of ``--chat-parts``: by who speaks (system, user, assistant), or by what it is
(reasoning, calls and results of tools, media).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from zipsel.readers.rows import Reason, RowError


class Words(NamedTuple):
    """A piece of a turn.

    Attributes:
        kind: Of ``CHAT_PARTS``, or ``other`` for what is never written.
        text: What is written for it.
        of: How it is counted where it is left out; empty to count it by its kind.
    """

    kind: str
    text: str
    of: str = ""

    @property
    def name(self) -> str:
        """How it is counted where it is left out."""
        return self.of or self.kind


#: Role → kind of the words of its turns; other roles answer.
_KINDS_OF_ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "tool": "results", "function": "results", "ipython": "results", "environment": "results",
    "observation": "results", "tool_response": "results", "function_response": "results",
    "function_call": "calls", "tool_call": "calls",
}  # fmt: skip

#: Fields of a turn that hold its words, in the order of writing. Several are names of one thing:
#: ``content`` of OpenAI is ``value`` of ShareGPT. A turn that has two of them with other words has
#: both.
_REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
_DETAILS = ("reasoning_details",)  # the reasoning once more, in parts
_CONTENT = ("content", "value")
_REFUSAL = ("refusal",)
_CALLS = ("tool_calls", "tool_call", "function_calls", "function_call")
_TOOL_RESULTS = ("tool_results", "tool_responses")
_TURN_MEDIA = {"images": "image", "videos": "video", "audios": "audio"}
_TURN_WORDS = frozenset(
    {*_REASONING, *_DETAILS, *_CONTENT, *_REFUSAL, *_CALLS, *_TOOL_RESULTS, "audio"}
)

#: Fields of a turn that may be all that it has, and are no words.
_TURN_FIELDS = _TURN_WORDS | {
    "role", "from", "name", "id", "type", "index", "tool_call_id", "call_id", "weight", "loss",
    "train", "masked", "model", "timestamp", "created_at", "annotations", "metadata",
    "reasoning_signature", "signature", "stop_reason", "finish_reason", "author", "status",
    "recipient", "end_turn", "usage", *_TURN_MEDIA,
}  # fmt: skip


def turn_words(turn: dict[str, Any], role: str) -> list[Words]:
    """The words of a turn: reasoning, content, refusal, tool calls, results of tools.

    Args:
        turn: The turn.
        role: Who speaks.

    Raises:
        RowError: If the turn has no field that could hold words, or no words but in fields that
            are not known.
    """
    if not turn.keys() & _TURN_WORDS:
        raise RowError(Reason.MISSING_FIELD, turn)
    kind = _KINDS_OF_ROLES.get(role.lower(), "assistant")
    words = _field_words(turn, _REASONING, "reasoning") or _field_words(turn, _DETAILS, "reasoning")
    words += _distinct(one for name in _CONTENT for one in content_words(turn.get(name), kind))
    words += _field_words(turn, _REFUSAL, kind)
    if isinstance(turn.get("audio"), dict):
        words.append(Words(kind, _words_of(turn["audio"].get("transcript"))))
        words.append(Words("media", "[audio]", "audio"))
    for field in _CALLS:
        calls = turn.get(field)
        for call in calls if isinstance(calls, list) else [calls]:
            words += _call_words(call, _CALL_FIELDS)
    words += _field_words(turn, _TOOL_RESULTS, "results")
    for field, name in _TURN_MEDIA.items():
        media = turn.get(field)
        words += [Words("media", f"[{name}]", name)] * (
            len(media) if isinstance(media, list) else 0
        )
    words = [one for one in words if one.text]
    others = _other_words(turn, _TURN_FIELDS)
    if others and not any(one.kind not in ("media", "other") for one in words):
        raise RowError(Reason.UNKNOWN_PART)
    return words + others


def is_item(turn: Mapping[str, Any]) -> bool:
    """Whether a turn is a part by itself, as the items of OpenAI's responses are."""
    return kind_of(turn) in _KINDS - {"message"} and not {"role", "from"} & turn.keys()


def kind_of(part: Mapping[str, Any]) -> str:
    """The ``type`` of a part; empty if it has none."""
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def content_words(content: Any, kind: str) -> list[Words]:
    """A turn's content: a string, nothing, or a list of parts."""
    if content is None or content == "":  # a tool call without words
        return []
    if isinstance(content, str):
        return [Words(kind, content)]
    if not isinstance(content, list):
        raise RowError(Reason.WRONG_TYPE)
    return [one for part in content for one in part_words(part, kind)]


#: Fields of a content part that hold words of their own, and those that hold reasoning.
_PART_WORDS = ("text", "value", "refusal", "transcript")
_PART_REASONING = ("thinking", "reasoning", "summary")
_ARGUMENTS = ("arguments", "parameters", "input", "args")
_RESULTS = ("content", "output")

#: Fields of a tool call beside its name and arguments that are no words.
_CALL_FIELDS = frozenset({"type", "id", "index", "call_id", "status"})

_WORDY_KINDS = frozenset(
    {*_PART_WORDS, "thinking", "reasoning", "input_text", "output_text", "summary_text",
     "reasoning_text", "message"}
)  # fmt: skip
_REASONING_KINDS = frozenset({"thinking", "reasoning", "summary_text", "reasoning_text"})
_CALL_KINDS = frozenset(
    {"tool_use", "tool_call", "function_call", "server_tool_use", "custom_tool_call", "mcp_call"}
)
_RESULT_KINDS = frozenset(
    {"tool_result", "function_call_output", "custom_tool_call_output", "web_search_tool_result",
     "code_execution_tool_result", "mcp_tool_result"}
)  # fmt: skip

#: Kind of a part without words → its placeholder.
_MEDIA = {
    "image": "image", "image_url": "image", "input_image": "image", "image_file": "image",
    "audio": "audio", "audio_url": "audio", "input_audio": "audio", "output_audio": "audio",
    "video": "video", "video_url": "video", "input_video": "video",
    "document": "file", "file": "file", "input_file": "file", "container_upload": "file",
    "redacted_thinking": "redacted",
}  # fmt: skip
_KINDS = _WORDY_KINDS | _CALL_KINDS | _RESULT_KINDS | _MEDIA.keys()

#: Fields of a content part whose values are known: words that are taken, and what says no words.
_PART_FIELDS = frozenset(
    {*_PART_WORDS, *_PART_REASONING, *_ARGUMENTS, *_RESULTS, *_MEDIA}
) | {
    "type", "id", "index", "name", "call_id", "tool_use_id", "cache_control", "signature",
    "encrypted_content", "source", "status", "is_error", "annotations", "citations", "logprobs",
}  # fmt: skip
_MEDIA_FIELDS = _PART_FIELDS | {"title", "context", "data"}


def part_words(part: Any, kind: str) -> list[Words]:
    """The words of a content part: of text, reasoning, a tool call, a tool's result, a picture.

    Args:
        part: The part.
        kind: Of a text in it.

    Raises:
        RowError: If the part is of an unknown kind and may have words in unknown fields.
    """
    if part is None or isinstance(part, str):
        return [Words(kind, part)] if part else []
    if not isinstance(part, dict):
        raise RowError(Reason.WRONG_TYPE)
    of = kind_of(part)
    text_kind = "reasoning" if of in _REASONING_KINDS else kind
    words = [Words("reasoning", _reasoning_of(part.get(name))) for name in _PART_REASONING]
    words += [Words(text_kind, _words_of(part.get(name))) for name in _PART_WORDS]
    if of in _CALL_KINDS or first_of(part, _ARGUMENTS) is not None:
        words += _call_words(part, part.keys() - {*_ARGUMENTS})
    result_kind = "results" if of in _RESULT_KINDS else text_kind
    for name in _RESULTS:
        words += _result_words(part.get(name), result_kind)
    if of in _MEDIA:
        words += _media_words(part, _MEDIA[of], kind)
    words = [one for one in words if one.text]
    others = _other_words(part, _MEDIA_FIELDS if of in _MEDIA else _PART_FIELDS)
    if others and (of not in _KINDS or not words):
        raise RowError(Reason.UNKNOWN_PART)
    return words + others


def _other_words(values: Mapping[str, Any], known: Collection[str]) -> list[Words]:
    """Fields that nobody knows and that may hold words: written nowhere, but counted."""
    others = (value for name, value in values.items() if name not in known)
    return [
        Words("other", "…", "other fields")
        for value in others
        if isinstance(value, str | list | dict) and value
    ]


def _media_words(part: Mapping[str, Any], name: str, kind: str) -> list[Words]:
    """A placeholder; the words of a document that is sent as text."""
    about = [Words(kind, _words_of(part.get(name))) for name in ("title", "context")]
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") in ("text", "content"):
        return about + content_words(source.get("data", source.get("content")), kind)
    return [*about, Words("media", f"[{name}]", name)]


def _field_words(turn: Mapping[str, Any], names: Iterable[str], kind: str) -> list[Words]:
    """What the fields of a turn say; what two of them say alike, once."""
    return _distinct(one for name in names for one in _result_words(turn.get(name), kind))


def _distinct(words: Iterable[Words]) -> list[Words]:
    return list(dict.fromkeys(words))


def first_of(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first value that is not null or empty, else the first that is not null, else None.

    A column that joins sources has null where a source has no such field.
    """
    found = [value for name in names if (value := values.get(name)) is not None]
    return next((value for value in found if value not in ("", [])), found[0] if found else None)


def _words_of(value: Any) -> str:
    """A string, or the ``value`` of an object that holds one (as OpenAI's threads have it).

    Raises:
        RowError: If there is something else, which may be words.
    """
    if isinstance(value, dict):
        value = value.get("value", value)
    if isinstance(value, str):
        return value
    if value:
        raise RowError(Reason.WRONG_TYPE)
    return ""


def _reasoning_of(value: Any) -> str:
    """Reasoning as a string or, in OpenAI's responses, as a list of summaries."""
    if isinstance(value, list):
        words = content_words(value, "reasoning")
        return "\n".join(one.text for one in words if one.kind != "other")
    return _words_of(value)


def _result_words(result: Any, kind: str) -> list[Words]:
    """What a tool has returned: a string, content parts, or any other value as JSON."""
    if result is None or result == "":
        return []
    is_content = isinstance(result, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and kind_of(part) in _KINDS)
        for part in result
    )
    return content_words(result, kind) if is_content else [Words(kind, as_json(result))]


def _call_words(call: Any, known: Collection[str]) -> list[Words]:
    """A tool call as ``name(arguments)``, and what else it holds; one of unknown shape as JSON.

    Args:
        call: The call.
        known: Its fields that are no words, or that its caller takes or counts.
    """
    if not isinstance(call, dict):
        return [] if call is None else [Words("calls", as_json(call))]
    inner = first_of(call, ("function", "custom"))
    inner = inner if isinstance(inner, dict) else call
    name, arguments = inner.get("name"), first_of(inner, _ARGUMENTS)
    if not isinstance(name, str):
        return [Words("calls", as_json(call))]
    said = [inner, name, arguments]
    beside = {field: value for field, value in call.items() if value not in said}
    others = _other_words(beside, known)
    if inner is not call:
        beside = {field: value for field, value in inner.items() if value not in said}
        others += _other_words(beside, _CALL_FIELDS)
    return [Words("calls", f"{name}({'' if arguments is None else as_json(arguments)})"), *others]


def as_json(value: Any) -> str:
    """A string as it is, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
