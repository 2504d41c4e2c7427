"""The card in an output directory: what ``datasets`` opens it by, and what nothing can break."""

import json
import shutil

import pytest
from made_up import make_records, write_jsonl

from zipsel.report.card import MARKER


@pytest.fixture
def load(tmp_path, monkeypatch):
    """``datasets.load_dataset`` of a directory, without the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    return lambda path: datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("options", [
    ["--format", "jsonl"],
    ["--format", "jsonl.zst"],
    ["--format", "jsonl.gz"],
    ["--format", "parquet"],
    ["--format", "jsonl", "--shard-size", "1kB", "--add-field", "alignment"],
])  # fmt: skip
def test_datasets_opens_the_output_as_its_rows_and_nothing_else(select, tmp_path, load, options):
    select("--top-k", "20", "--output", "out", *options)
    chosen = select("--top-k", "20", "--output", "-").stdout.splitlines()

    loaded = load(tmp_path / "out")

    assert list(loaded) == ["train"]
    assert loaded["train"]["text"][:] == [json.loads(line)["text"] for line in chosen]
    extra = ["alignment", "alignment_gain"] if "--add-field" in options else []
    assert sorted(loaded["train"].column_names) == sorted(["id", "text", "kind", *extra])


def test_a_readme_of_the_users_stays_and_zipsels_own_is_written_again(select, tmp_path):
    card = tmp_path / "out" / "README.md"
    select("--top-k", "5", "--output", "out")
    first = card.read_text()
    assert MARKER in first.splitlines()
    assert "| records | 5 |" in first

    select("--top-k", "6", "--output", "out")
    assert "| records | 6 |" in card.read_text()

    card.write_text("# Mine\n")
    done = select("--top-k", "7", "--output", "out")
    assert card.read_text() == "# Mine\n"
    assert "is not zipsel's and stays" in done.stderr.decode()
    assert 'data_files: "subset-*.jsonl"' in done.stderr.decode()


def test_one_file_and_standard_output_get_no_card(select, tmp_path):
    select("--top-k", "5", "--output", "one.jsonl")
    select("--top-k", "5", "--output", "-")
    assert list(tmp_path.rglob("README.md")) == []


@pytest.mark.filterwarnings("default")
def test_names_from_outside_are_no_markup_and_no_yaml(zipsel, pool, tmp_path, load):
    name = "a`b|c <script>\n---\nconfigs: []\n# x.jsonl"
    examples = [record for record in make_records(16, seed=1) if record["kind"] == "code"]
    shutil.move(write_jsonl(tmp_path / "t.jsonl", examples), tmp_path / name)

    zipsel("select", pool, "--target", name, "--top-k", "5", "--output", "out")

    card = (tmp_path / "out" / "README.md").read_text()
    head, body = card.split(MARKER)
    assert "script" not in head
    in_table = next(line for line in body.splitlines() if line.startswith("| target |"))
    assert in_table == "| target | ``a`b\\|c <script> --- configs: [] # x.jsonl`` |"
    fences = [line for line in body.splitlines() if line.startswith("```")]
    assert fences == ["```python", "```", "```sh", "```"]
    assert len(load(tmp_path / "out")["train"]) == 5


def test_the_card_says_what_chose_the_subset(select, tmp_path, target):
    select("--top-k", "5", "--output", "out", "--scorer", "conditional")
    card = (tmp_path / "out" / "README.md").read_text()
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())

    for said in (
        "| scorer | `conditional` |",
        "| target | `target.jsonl` |",
        f"| text | {report['counts']['n_chosen_bytes']:,} bytes |",
        f"| zipsel | `{report['versions']['zipsel']}` |",
        f"| profile | `{report['profile']['digest']}` |",
    ):
        assert said in card
    assert "license" not in card
