"""A row of each vendor's documented chat, and its text written out by hand."""

import pytest

from zipsel.readers.chat import chat_text
from zipsel.readers.reading import CHAT_PARTS
from zipsel.readers.rows import Reason, RowError

#: Name → row, text.
ROWS = {
    # platform.openai.com/docs/api-reference/chat: a call and what the function returned
    "openai-chat": (
        {"messages": [
            {"role": "developer", "content": "You are terse."},
            {"role": "user", "content": "What's the weather in Paris?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function",
                 "function": {"name": "get_weather", "arguments": '{"location":"Paris"}'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius": 12}'},
            {"role": "assistant", "content": "12 degrees.", "refusal": None}],
         "tools": [{"type": "function", "function": {"name": "get_weather"}}],
         "parallel_tool_calls": False},
        "developer: You are terse.\n\n"
        "user: What's the weather in Paris?\n\n"
        'assistant: get_weather({"location":"Paris"})\n\n'
        'tool: {"celsius": 12}\n\n'
        "assistant: 12 degrees.",
        {"tools": 1},
    ),
    # the same guide, images and sounds
    "openai-vision": (
        {"messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]},
            {"role": "assistant", "content": "A boardwalk."}]},
        "user: What is this?\n[image]\n[audio]\n\nassistant: A boardwalk.",
        {"image": 1, "audio": 1},
    ),
    # legacy functions, platform.openai.com/docs/guides/fine-tuning
    "openai-function-call": (
        {"messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}, "weight": 0},
            {"role": "function", "name": "f", "content": "rain"}],
         "functions": [{"name": "f"}]},
        "user: Weather?\n\nassistant: f({})\n\nfunction f: rain",
        {"tools": 1},
    ),
    # platform.openai.com/docs/api-reference/responses: items without roles
    "openai-responses": (
        {"instructions": "Be kind.",
         "input": [{"role": "user", "content": [{"type": "input_text", "text": "2 + 2?"}]}],
         "output": [
             {"type": "reasoning", "id": "rs_1",
              "summary": [{"type": "summary_text", "text": "Add."}]},
             {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "add",
              "arguments": "[2,2]", "status": "completed"},
             {"type": "function_call_output", "call_id": "c", "output": "4"},
             {"type": "message", "id": "m", "role": "assistant", "status": "completed",
              "content": [{"type": "output_text", "text": "Four.", "annotations": []}]}]},
        "system: Be kind.\n\nuser: 2 + 2?\n\nAdd.\n\nadd([2,2])\n\n4\n\nassistant: Four.",
        {},
    ),
    # platform.openai.com/docs/guides/direct-preference-optimization
    "openai-preference": (
        {"input": {"messages": [{"role": "user", "content": "Hi?"}]},
         "preferred_output": [{"role": "assistant", "content": "Hello!"}],
         "non_preferred_output": [{"role": "assistant", "content": "What."}]},
        "user: Hi?\n\nassistant: Hello!",
        {"rejected": 1},
    ),
    # docs.anthropic.com/en/api/messages: the system's words stand beside the messages
    "anthropic": (
        {"model": "m", "system": [{"type": "text", "text": "Be brief.",
                                   "cache_control": {"type": "ephemeral"}}],
         "messages": [
             {"role": "user", "content": [
                 {"type": "document", "title": "Report",
                  "source": {"type": "text", "media_type": "text/plain", "data": "It rained."}},
                 {"type": "image", "source": {"type": "base64", "data": "aGk="}},
                 {"type": "text", "text": "Did it rain?"}]},
             {"role": "assistant", "content": [
                 {"type": "thinking", "thinking": "See the report.", "signature": "x"},
                 {"type": "redacted_thinking", "data": "EmwKAhg="},
                 {"type": "tool_use", "id": "t1", "name": "look", "input": {"page": 1}}]},
             {"role": "user", "content": [
                 {"type": "tool_result", "tool_use_id": "t1", "is_error": False, "content": [
                     {"type": "text", "text": "page one"},
                     {"type": "image", "source": {"type": "url", "url": "https://a/b"}}]}]},
             {"role": "assistant", "content": "Yes."}],
         "tools": [{"name": "look", "input_schema": {}}]},
        "system: Be brief.\n\n"
        "user: Report\nIt rained.\n[image]\nDid it rain?\n\n"
        'assistant: See the report.\n[redacted]\nlook({"page": 1})\n\n'
        "user: page one\n[image]\n\n"
        "assistant: Yes.",
        {"image": 2, "redacted": 1, "tools": 1},
    ),
    # ShareGPT as LLaMA-Factory documents it, with tools
    "sharegpt": (
        {"system": "You act.", "tools": '[{"name": "f"}]', "conversations": [
            {"from": "human", "value": "Go."},
            {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
            {"from": "observation", "value": "done"},
            {"from": "gpt", "value": "Gone."}]},
        "system: You act.\n\nhuman: Go.\n\n"
        'function_call: {"name": "f", "arguments": {}}\n\nobservation: done\n\ngpt: Gone.',
        {"tools": 1},
    ),
    # huggingface.co/docs/trl/dataset_formats: prompt and completion, in turns and in words
    "trl-prompt-completion": (
        {"prompt": [{"role": "user", "content": "What color is the sky?"}],
         "completion": [{"role": "assistant", "content": "It is blue."}]},
        "user: What color is the sky?\n\nassistant: It is blue.",
        {},
    ),
    "trl-standard": (
        {"prompt": "The sky is", "completion": " blue."},
        "user: The sky is\n\nassistant:  blue.",
        {},
    ),
    # of a preference the chosen answer is the text
    "trl-preference": (
        {"prompt": [{"role": "user", "content": "Sky?"}],
         "chosen": [{"role": "assistant", "content": "Blue."}],
         "rejected": [{"role": "assistant", "content": "Green."}]},
        "user: Sky?\n\nassistant: Blue.",
        {"rejected": 1},
    ),
    "trl-implicit-prompt": (
        {"chosen": [{"role": "user", "content": "Sky?"}, {"role": "assistant", "content": "Blue."}],
         "rejected": [{"role": "user", "content": "Sky?"},
                      {"role": "assistant", "content": "Green."}]},
        "user: Sky?\n\nassistant: Blue.",
        {"rejected": 1},
    ),
    # UltraFeedback, binarized: the prompt once more at the beginning of the answers
    "trl-prompt-twice": (
        {"prompt": "Sky?",
         "chosen": [{"role": "user", "content": "Sky?"},
                    {"role": "assistant", "content": "Blue."}]},
        "user: Sky?\n\nassistant: Blue.",
        {},
    ),
    # Qwen, DeepSeek and vLLM: reasoning beside the content
    "reasoning": (
        {"messages": [{"role": "user", "content": "1 + 1?"},
                      {"role": "assistant", "reasoning_content": "Add.", "content": "2"}]},
        "user: 1 + 1?\n\nassistant: Add.\n2",
        {},
    ),
    # langchain.messages: the type says who speaks
    "langchain": (
        {"messages": [{"type": "human", "content": "Time?"},
                      {"type": "ai", "content": "", "tool_calls": [
                          {"id": "1", "name": "now", "args": {"zone": "UTC"}}]},
                      {"type": "tool", "content": "noon", "tool_call_id": "1"}]},
        'human: Time?\n\nai: now({"zone": "UTC"})\n\ntool: noon',
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_the_text_of_each_shape_is_as_documented(name):
    row, text, left_out = ROWS[name]
    assert chat_text(row) == (text, left_out)


@pytest.mark.parametrize(
    ("kept", "text", "left_out"),
    [
        (("user", "assistant"), "user: Report\nIt rained.\nDid it rain?\n\nassistant: Yes.",
         {"system": 1, "reasoning": 1, "calls": 1, "results": 1, "image": 2, "redacted": 1,
          "tools": 1}),
        (("calls",), 'assistant: look({"page": 1})',
         {"system": 1, "user": 3, "assistant": 1, "reasoning": 1, "results": 1, "image": 2,
          "redacted": 1, "tools": 1}),
        (("assistant", "tools"),
         'tools: [{"name": "look", "input_schema": {}}]\n\nassistant: Yes.',
         {"system": 1, "user": 3, "reasoning": 1, "calls": 1, "results": 1, "image": 2,
          "redacted": 1}),
    ],
)  # fmt: skip
def test_parts_that_are_not_wanted_are_left_out_and_counted(kept, text, left_out):
    assert chat_text(ROWS["anthropic"][0], kept) == (text, left_out)


def test_every_part_of_every_shape_is_written_or_counted():
    for row, _, _ in ROWS.values():
        for kind in CHAT_PARTS:
            others = [other for other in CHAT_PARTS if other != kind]
            whole, part = chat_text(row, CHAT_PARTS), chat_text(row, others)
            assert (part.text == whole.text) == (part.left_out == whole.left_out) or kind == "media"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, Reason.MISSING_FIELD),
        ({"prompt": "only a text"}, Reason.MISSING_FIELD),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, Reason.EMPTY),
        ({"prompt": "Sky?", "completion": None}, Reason.NULL),
        ({"prompt": 3, "completion": "x"}, Reason.WRONG_TYPE),
    ],
)
def test_what_is_no_chat_is_refused(row, reason):
    with pytest.raises(RowError) as refused:
        chat_text(row)
    assert refused.value.reason == reason


U, A = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("row", "left_out"),
    [
        ({"messages": [U, A], "conversations": [A]}, {}),
        ({"messages": [U, A], "prompt": "Hi?", "chosen": [U, A]}, {}),
        ({"messages": [U, A], "conversations": [A, U]}, {"conversations": 1}),
        ({"messages": [U], "prompt": "Hi?", "completion": "No."}, {"completion": 1}),
        ({"messages": [U], "prompt": [U], "chosen": [A]}, {"chosen": 1}),
        ({"messages": [{**U, "caption": "more"}, A]}, {"other fields": 1}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi?", "b": "c"}]}]},
         {"other fields": 1}),
        ({"messages": [U, {"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function", "result": "noon",
             "function": {"name": "now", "arguments": "{}", "input": {"zone": "UTC"}}},
            {"name": "now", "args": {}, "error": "late"}]}]},
         {"other fields": 3}),
        ({"messages": [U, {"role": "assistant", "content": [
            {"type": "tool_use", "name": "now", "input": {"a": 1}, "arguments": "{}"}]}]},
         {"other fields": 1}),
    ],
)  # fmt: skip
def test_words_beside_the_turns_are_counted(row, left_out):
    text, counts = chat_text(row)
    assert text.startswith("user: Hi?")
    assert counts == left_out
