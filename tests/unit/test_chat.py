"""The text of a chat holds all its words, or the row is refused."""

import copy

import pytest

from zipsel.readers.chat import chat_text
from zipsel.readers.rows import Reason, RowError


def turn(**fields):
    return {"messages": [{"role": "assistant", **fields}]}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]},
         "user: hi\n\nassistant: yo"),
        ({"conversations": [{"from": "human", "value": "hi"}]}, "human: hi"),
        ({"messages": None, "conversations": [{"from": "gpt", "value": "x"}]}, "gpt: x"),
        ({"messages": [], "conversations": [{"from": "gpt", "value": "x"}]}, "gpt: x"),
        ({"messages": [{"content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]}]},
         "a\n[image]\nb"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": None}]},
         "user: x\n\ntool: "),
        ({"messages": [{"role": "tool", "name": "get_time", "content": "noon"}]},
         "tool get_time: noon"),
        ({"messages": [{"role": "user", "content": "hi", "from": None, "value": None},
                       {"role": None, "content": None, "from": "gpt", "value": "yo"},
                       {"role": "user", "content": "", "from": None, "value": "ho"}]},
         "user: hi\n\ngpt: yo\n\nuser: ho"),
        (turn(reasoning_content="Hm.", content="Yes."), "assistant: Hm.\nYes."),
        (turn(content=[{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]),
         "assistant: Hm.\nYes."),
        (turn(content=None, function_call={"name": "f", "arguments": '{"a": 1}'}),
         'assistant: f({"a": 1})'),
        (turn(content="Let me see.", tool_calls=[
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
            {"name": "g"}, {"type": "custom", "custom": {"name": "h", "input": "é"}}]),
         'assistant: Let me see.\nf({"a": 1})\ng()\nh(é)'),
        (turn(tool_calls=[{"function": None, "sql": "select 1"}]),
         'assistant: {"function": null, "sql": "select 1"}'),
        (turn(content=[{"type": "tool_use", "id": "t", "name": "f", "input": {}}]),
         "assistant: f({})"),
        (turn(content=[{"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "text", "text": "noon"}, {"type": "image", "source": {"data": "aGk="}}]}]),
         "assistant: noon\n[image]"),
        (turn(content=[{"type": "tool_result", "content": [{"title": "noon"}]}]),
         'assistant: [{"title": "noon"}]'),
        (turn(content=[{"type": "text", "text": {"value": "noon", "annotations": []}}]),
         "assistant: noon"),
        (turn(content=[{"type": "markdown", "text": "noon"}]), "assistant: noon"),
        (turn(content=[{"type": "tool_result", "content": 7}]), "assistant: 7"),
        (turn(content=[{"type": "tool_result", "content": False}]), "assistant: false"),
        (turn(content=None, audio={"id": "a", "transcript": "noon"}), "assistant: noon\n[audio]"),
        (turn(content="noon", value="night"), "assistant: noon\nnight"),
        (turn(content="noon", value="noon"), "assistant: noon"),
        (turn(content="Yes.", reasoning="Hm.", reasoning_content="Well."),
         "assistant: Well.\nHm.\nYes."),
    ],
)  # fmt: skip
def test_chats_become_paragraphs(row, text):
    assert chat_text(row).text == text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": "hi"}, Reason.WRONG_TYPE),
        ({"messages": ["hi"]}, Reason.WRONG_TYPE),
        ({"messages": [{"role": "user", "content": 3}]}, Reason.WRONG_TYPE),
        ({"messages": []}, Reason.EMPTY),
        ({"messages": None, "conversations": None}, Reason.NULL),
        ({"messages": None}, Reason.NULL),
        ({"text": "x"}, Reason.MISSING_FIELD),
        (turn(message="words under another name"), Reason.MISSING_FIELD),
        (turn(content=None), Reason.EMPTY),
        (turn(content=[{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]),
         Reason.EMPTY),
        (turn(content=[{"type": "text", "text": "a"}, {"type": "chart", "title": "b"}]),
         Reason.UNKNOWN_PART),
        (turn(content=[{"type": "markdown", "text": "a", "footnote": "b"}]), Reason.UNKNOWN_PART),
        (turn(content=[{"type": "tool_result", "stdout": "b"}]), Reason.UNKNOWN_PART),
        (turn(content=[{"type": ["text"], "body": "b"}]), Reason.UNKNOWN_PART),
        (turn(content="", text="words under another name"), Reason.UNKNOWN_PART),
        ({"messages": [{"role": "user", "content": "x"},
                       {"role": "tool", "content": None, "response": {"a": 1}}]},
         Reason.UNKNOWN_PART),
    ],
)  # fmt: skip
def test_a_chat_whose_words_cannot_be_found_is_refused(row, reason):
    with pytest.raises(RowError) as refused:
        chat_text(row)
    assert refused.value.reason == reason


TRACE = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
        {"role": "assistant", "reasoning": "I need a clock.", "content": None, "tool_calls": [
            {"function": {"name": "get_time", "arguments": {"zone": {"name": "UTC"}}}}]},
        {"role": "tool", "name": "get_time", "content": [{"type": "tool_result", "content": "12"}]},
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "content": [{"type": "tool_use", "name": "g", "input": [1, "b"]}]},
        {"role": "assistant", "content": "Noon.", "refusal": "No more."},
    ]
}  # fmt: skip


def words_in(value, path=()):
    """Paths of all strings but the kinds of parts."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, dict | list):
            yield from words_in(inner, (*path, key))
        elif isinstance(inner, str) and key != "type":
            yield (*path, key)


@pytest.mark.parametrize("path", list(words_in(TRACE)), ids=str)
def test_traces_that_differ_in_any_word_have_different_texts(path):
    other = copy.deepcopy(TRACE)
    place = other
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] += " otherwise"
    assert chat_text(other) != chat_text(TRACE)
