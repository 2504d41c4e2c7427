"""Options that go together, levels that win, names that are told."""

import pytest

from zipsel.commands.needs import NEEDS
from zipsel.commands.option_table import options_of
from zipsel.commands.options import Given, gather, read_environment, read_file
from zipsel.commands.rules import flag
from zipsel.commands.settings import run_settings, select_settings
from zipsel.errors import UsageError
from zipsel.storage.workdir import digest_of

BASE = {"pool": ["p"], "target": ["t"], "output": "o", "top_k": 5}


def level(where="", **given):
    return {
        name: value if isinstance(value, Given) else Given(value, where)
        for name, value in given.items()
    }


def take(*levels, command="select"):
    return gather(command, [level(**one) for one in levels])


#: Option → value that changes something, and the options that it needs.
EFFECTIVE = {
    "group_field": ("a", {}), "order": ("input", {}), "add_field": ("a", {}),
    "format": ("parquet", {}), "shard_size": ("1kB", {}), "report": ("r.json", {}),
    "eval_target": (["h"], {}), "fail_if_empty": (True, {}), "text_field": ("a", {}),
    "template": ("{a}", {}), "chat": (True, {}), "target_text_field": ("a", {}),
    "target_template": ("{a}", {}), "target_chat": (True, {}), "no_quotes": (True, {}),
    "chat_parts": ("user", {"chat": True}),
    "delimiter": (";", {}), "encoding": ("utf-16", {}), "strategy": ("sample", {}),
    "temperature": (0.5, {"strategy": "sample"}), "hard_cutoff": (0.1, {"strategy": "stratified"}),
    "dedup": ("none", {}), "near_threshold": (0.5, {"dedup": "near"}),
    "exclude_overlap": (["b"], {}), "keep_leaks": (True, {}), "leak_ngram": (5, {}),
    "leak_overlap": (0.1, {}), "quota": ("a=1", {"group_field": "g"}),
    "max_per_group": (1, {"group_field": "g"}), "mix": ("a=1", {}),
    "contenders": (0.5, {"scorer": "fused"}),
    "scorer": ("ngram", {}), "codec": ("lzma", {"scorer": "ncd"}),
    "level": (9, {"scorer": "fused"}),
    "per_token": (True, {"scorer": "dsir"}), "facets": (2, {}), "seed": (1, {}),
    "sample_bytes": ("1MB", {}), "max_rejects": (5, {}),
    "on_bad_file": ("skip", {}), "max_row_bytes": ("1MB", {}), "long": (True, {}),
    "workers": (3, {}), "engine": ("ray", {}), "ray_address": ("auto", {"engine": "ray"}),
    "work_dir": ("w", {}), "lock": ("fail", {}), "force": (True, {}), "quiet": (True, {}),
    "log_format": ("json", {}), "config": ("c.toml", {}), "profile": ("f", {"target": None}),
    "tokenizer": ("t.json", {"top_k": None, "max_tokens": 5}),
    "fraction": (0.5, {"top_k": None}), "min_alignment": (0, {"top_k": None}),
    "max_bytes": ("1kB", {"top_k": None}), "max_tokens": (9, {"top_k": None}),
    "auto": (True, {"top_k": None}), "top_k": (6, {}), "refit": (True, {}),
}  # fmt: skip


def made(given):
    options = take(given)
    beside = {name: options[name] for name in ("report", "fail_if_empty", "force", "quiet",
                                               "log_format")}  # fmt: skip
    return digest_of([run_settings(options), select_settings(options), beside])


@pytest.mark.parametrize("name", sorted(set(options_of("select")) - set(BASE) | {"top_k"}))
def test_every_option_of_select_changes_what_is_done(name):
    value, needed = EFFECTIVE[name]
    without = {**BASE, **needed}
    if name in ("fraction", "min_alignment", "max_bytes", "max_tokens", "auto", "profile"):
        without = {**BASE}
    assert made({**BASE, **needed, name: value}) != made(without)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"temperature": 0.3}, ("--temperature", "--strategy sample")),
        ({"temperature": 0.3, "strategy": "top"}, ("--temperature", "--strategy sample")),
        ({"hard_cutoff": 0.5, "strategy": "sample"}, ("--hard-cutoff", "--strategy stratified")),
        ({"near_threshold": 0.7}, ("--near-threshold", "--dedup near")),
        ({"tokenizer": "t"}, ("--tokenizer", "--max-tokens")),
        ({"ray_address": "auto"}, ("--ray-address", "--engine ray")),
        ({"quota": "a=1"}, ("--quota", "--group-field")),
        ({"max_per_group": 3}, ("--max-per-group", "--group-field")),
        ({"keep_leaks": True, "leak_ngram": 5}, ("--leak-ngram", "--keep-leaks")),
        ({"keep_leaks": True, "exclude_overlap": "b"}, ("--exclude-overlap", "--keep-leaks")),
        ({"target": None, "profile": "f", "scorer": "fused"}, ("--scorer", "--profile")),
        ({"target": None, "profile": "f", "level": 3}, ("--level", "--profile")),
        ({"target": None, "profile": "f", "seed": 3}, ("--seed", "--target")),
        ({"target": None, "profile": "f", "target_chat": True}, ("--target-chat", "--target")),
        ({"scorer": "ngram", "contenders": 0.5}, ("--contenders", "--scorer fused")),
        ({"scorer": "ncd", "sample_bytes": "1MB"}, ("--sample-bytes", "--scorer ngram")),
        ({"output": "o.jsonl", "shard_size": "1MB"}, ("--shard-size", "--output")),
        ({"output": "o.jsonl", "format": "parquet"}, ("--format", "--output")),
        ({"output": "-", "eval_target": "h"}, ("--eval-target", "--report")),
        ({"quota": "a=1", "group_field": "g", "mix": "b=1"}, ("--quota", "--mix")),
        ({"quota": "a=1", "group_field": "g", "strategy": "stratified"}, ("--quota", "--strategy")),
        ({"top_k": None, "min_alignment": 0, "strategy": "sample"},
         ("--strategy", "--min-alignment")),
        ({"chat_parts": "user"}, ("--chat-parts", "--chat")),
        ({"chat": True, "text_field": "a"}, ("--chat", "--text-field")),
        ({"max_bytes": 5}, ("--top-k", "--max-bytes")),
        ({"target": ["a=x", "b=y"], "facets": 2}, ("--facets", "--target NAME=PATH")),
        ({"target": ["a=x", "b=y"], "scorer": "ncd"}, ("--scorer", "--target NAME=PATH")),
        ({"pool": ["-"], "lock": "fail"}, ("--lock", "POOL")),
        ({"pool": ["-"], "force": True}, ("--force", "POOL")),
        ({"pool": ["-"], "on_bad_file": "skip"}, ("--on-bad-file", "POOL")),
        ({"pool": ["-"], "refit": True}, ("--refit", "POOL")),
        ({"output": "-", "refit": True}, ("--refit", "--output")),
        ({"target": None, "profile": "f", "refit": True}, ("--refit", "--target")),
    ],
)  # fmt: skip
def test_an_option_without_effect_is_refused_by_both_names(given, named):
    with pytest.raises(UsageError) as caught:
        take({**BASE, **given})
    for name in named:
        assert name in str(caught.value)


STREAM = {"pool": ["-"], "target": ["t"], "output": "-"}


@pytest.mark.parametrize("command", ["select", "score"])
def test_a_work_directory_in_which_a_stream_keeps_nothing_is_refused(command):
    base = {**STREAM, "target": None, "profile": "code.profile", "work_dir": "w"}
    base |= {"min_alignment": 0} if command == "select" else {}
    with pytest.raises(UsageError, match="--work-dir needs something to keep"):
        take(base, command=command)
    for kept in ({"output": "o"}, {"profile": None, "target": ["t"]}, {"profile": "s3://b/p"}):
        assert "work_dir" in take({**base, **kept}, command=command).given


@pytest.mark.parametrize("command", ["select", "score"])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"order": "rank"}, "--report"),
        ({"group_field": "g"}, "--output -"),
        ({"seed": 1}, "--output -"),
    ],
)
def test_what_has_no_effect_on_single_lines_is_refused_where_lines_are_answered(
    command, given, named
):
    (name,) = given
    if name not in options_of(command):
        return
    base = {**STREAM, "min_alignment": 0} if command == "select" else STREAM
    with pytest.raises(UsageError, match=rf"{flag(name)} needs .*{named}"):
        take({**base, **given}, command=command)
    assert name in take({**base, **given, "output": "o"}, command=command).given
    assert name in take({**base, **given, "pool": ["p"]}, command=command).given
    assert name not in take(base, level("c.toml", **given), command=command).given


def test_folders_with_an_equals_sign_are_one_target_of_the_usual_scorer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lang=en").mkdir()
    (tmp_path / "lang=de").mkdir()
    assert take({**BASE, "target": ["lang=en", "lang=de"]})["scorer"] == "ngram"
    assert take({**BASE, "target": ["code=a", "math=b"]})["scorer"] == "fused"


def test_facets_are_kept_for_one_target_even_if_it_has_a_name():
    assert "facets" in take({**BASE, "target": ["a=x", "a=y"], "facets": 2}).given


@pytest.mark.parametrize(
    "option",
    [{"on_bad_file": "stop"}, {"on_bad_file": "salvage"}, {"order": "input"}, {"workers": 2}],
)
def test_what_has_an_effect_on_a_stream_is_taken(option):
    assert option.keys() <= take({**STREAM, "min_alignment": 0, **option}).given


@pytest.mark.parametrize("need", [need for needs in NEEDS.values() for need in needs])
def test_needs_speak_of_options_that_some_command_has(need):
    known = set().union(*(options_of(command) for command in NEEDS))
    assert set(need.options) <= known


def test_a_budget_on_a_nearer_level_replaces_a_farther_one():
    file = level("c.toml", max_tokens=100, tokenizer="t.json")
    options = take(BASE, file)
    assert (options["top_k"], options["max_tokens"], options["tokenizer"]) == (5, None, None)
    near = {**BASE, "top_k": None, "max_tokens": 7}
    options = take(near, file)
    assert (options["max_tokens"], options["tokenizer"]) == (7, "t.json")


def test_what_a_nearer_level_replaces_takes_along_what_only_it_needed():
    file = level("c.toml", strategy="sample", temperature=0.5, scorer="ncd", codec="lzma")
    options = take({**BASE, "strategy": "top", "scorer": "ngram"}, file)
    assert options["codec"] is None
    assert "temperature" not in options.given


def test_a_flag_can_be_taken_back_on_a_nearer_level():
    assert not take({**BASE, "chat": False}, level("c.toml", chat=True))["chat"]


def test_a_message_names_the_file_or_variable():
    with pytest.raises(UsageError, match=r"--top-k \(c.toml\) takes a whole number, .* not True"):
        take({**BASE, "top_k": None}, level("c.toml", top_k=True))
    with pytest.raises(UsageError, match=r"--top-k \(ZIPSEL_TOP_K\)"):
        take({**BASE, "top_k": None}, read_environment("select", {"ZIPSEL_TOP_K": "5.5"}))


def test_the_nearest_name_is_told():
    with pytest.raises(UsageError, match=r"strateg is no option of select; did you mean strategy"):
        take({**BASE, "strateg": "top"})
    with pytest.raises(UsageError, match=r"ZIPSEL_TOPK is no .*did you mean ZIPSEL_TOP_K"):
        read_environment("select", {"ZIPSEL_TOPK": "5"})


def test_variables_that_two_commands_mean_differently_do_not_collide():
    variables = {"ZIPSEL_FORMAT": "jsonl.gz", "ZIPSEL_MAX_BYTES": "1kB", "ZIPSEL_SEED": "1"}
    assert set(read_environment("score", variables)) == {"seed"}
    assert set(read_environment("eval", variables)) == {"seed"}
    assert set(read_environment("select", variables)) == {"format", "max_bytes", "seed"}


def test_a_variable_holds_a_path_with_a_blank_and_several_paths_a_line_each():
    found = read_environment("select", {"ZIPSEL_TARGET": "my file.jsonl\nb.jsonl"})
    assert found["target"].value == ["my file.jsonl", "b.jsonl"]


@pytest.mark.parametrize("option", ["workers", "engine", "ray_address", "force", "lock"])
def test_fit_and_demo_have_no_option_that_they_would_ignore(option):
    assert option not in options_of("fit")
    assert option == "workers" or option not in options_of("demo")


def test_flags_are_spelled_as_on_the_command_line():
    assert flag("leak_ngram") == "--leak-ngram"


@pytest.mark.parametrize("value", [0, True, 1.5, [], ["c.toml"], {}, b"c.toml", ""])
def test_what_names_no_configuration_file_is_refused(value):
    with pytest.raises(UsageError, match="--config takes a path"):
        read_file(value)


def test_a_list_of_text_fields_is_told_how_to_be_written():
    with pytest.raises(UsageError, match="several in one text with commas between"):
        gather("select", [{"text_field": Given(["text", "body"])}])
