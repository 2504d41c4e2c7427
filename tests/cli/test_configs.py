"""Options from files and from the environment, and the examples in configs/."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


def write_pool_of_chats(tmp_path, records):
    lines = [
        json.dumps({"messages": [{"role": "user", "content": record["text"]}]})
        for record in records
    ]
    (tmp_path / "chats.jsonl").write_text("\n".join(lines))
    questions = [
        json.dumps({"question": "def return?", "answer": record["text"]})
        for record in records
        if record["kind"] == "code"
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(questions[:5]))


@pytest.mark.parametrize("config", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_every_example_runs_as_its_comment_says(tmp_path, zipsel, pool, target, records, config):
    shutil.copy(config, tmp_path)
    settings = tomllib.loads(config.read_text())
    inputs = ["pool", *(() if "profile" in settings else ("--target", target))]
    if settings.get("chat"):
        write_pool_of_chats(tmp_path, records)
        inputs = ["chats.jsonl", "--target", "questions.jsonl"]
    if "profile" in settings:
        zipsel("fit", "pool", "--target", target, "--output", settings["profile"])
    zipsel("select", *inputs, "--config", config.name, "--output", "out")

    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["scorer"] == settings.get("scorer", "ngram")
    assert report["counts"]["n_chosen"] > 0


def test_configs_cover_the_papers_own_setting():
    paper = tomllib.loads(next(p for p in CONFIGS if p.stem == "zip-fit").read_text())
    assert (paper["scorer"], paper["codec"]) == ("ncd", "gzip")
    assert paper["top-k"] > 0


def test_the_command_line_wins_over_file_and_environment(tmp_path, select):
    (tmp_path / "c.toml").write_text('top-k = 7\nadd-field = "from_file"\nscorer = "ngram"\n')
    env = {"ZIPSEL_TOP_K": "9", "ZIPSEL_ADD_FIELD": "from_env"}
    lines = select("--output", "-", "--config", "c.toml", env={}).stdout.splitlines()
    assert len(lines) == 7
    assert "from_file" in json.loads(lines[0])

    lines = select("--output", "-", "--top-k", 5, "--config", "c.toml", env=env).stdout.splitlines()
    assert len(lines) == 5
    assert "from_env" in json.loads(lines[0])


def test_a_file_can_hold_every_argument(tmp_path, zipsel, pool, target):
    (tmp_path / "all.toml").write_text(
        f'pool = ["{pool}/part-0.jsonl", "{pool}/part-1.jsonl"]\ntarget = "{target}"\n'
        'output = "out"\nmax-bytes = "1kB"\nworkers = 1\nquiet = true\n'
    )
    done = zipsel("select", "--config", "all.toml")
    assert done.stderr == b""
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["counts"]["n_rows"] == 40


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("topk = 3", b"did you mean top-k?"),
        ("min_alignmnt = 3", b"did you mean min-alignment?"),
        ("zzzzzzzz = 3", b"zzzzzzzz in c.toml is no option of select"),
        ("top-k = ", b"c.toml"),
        ('top-k = "many"', b"--top-k"),
        ('scorer = "magic"', b"--scorer"),
    ],
)
def test_what_a_file_may_not_hold(tmp_path, select, text, hint):
    (tmp_path / "c.toml").write_text(text)
    done = select("--output", "out", "--config", "c.toml", code=2)
    assert hint in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_config_is_a_usage_error(select):
    done = select("--output", "out", "--config", "no.toml", code=2)
    assert b"no.toml: no such file" in done.stderr


def test_options_from_the_environment(select, target, zipsel, pool):
    env = {"ZIPSEL_TARGET": str(target), "ZIPSEL_OUTPUT": "-", "ZIPSEL_TOP_K": "4"}
    assert len(zipsel("select", pool, env=env).stdout.splitlines()) == 4
