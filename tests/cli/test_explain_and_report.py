"""``zipsel explain`` and ``zipsel report``: what a person asks of a run that is over."""

import json
import os
import shutil

import pyarrow.feather as feather
import pytest
from made_up import make_records, read_jsonl, write_jsonl

OPTIONS = ("--output", "out", "--top-k", "12", "--group-field", "kind")


@pytest.fixture
def run(select):
    select(*OPTIONS)


def test_top_has_the_alignments_of_the_subset(run, zipsel, tmp_path):
    zipsel("score", "pool", "--target", "target.jsonl", "--output", "scores")
    out = zipsel("explain", "--run", "out", "--top", "12", "--json").stdout.splitlines()
    explained = [json.loads(line) for line in out]
    chosen = feather.read_table(tmp_path / "out" / "chosen.feather").to_pylist()
    assert [one["alignment"] for one in explained] == [row["alignment"] for row in chosen]
    assert [one["record"] for one in explained] == [f"{r['shard']}:{r['row']}" for r in chosen]
    texts = [row["text"] for row in read_jsonl(tmp_path / "out" / "subset-00000.jsonl")]
    assert ["".join(span["text"] for span in one["spans"]) for one in explained] == texts


def test_a_record_by_name_from_another_directory(run, zipsel, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    process = zipsel("explain", "--run", "out", "--record", "pool/part-1.jsonl:3", "--json")
    explained = json.loads(process.stdout)
    row = read_jsonl(tmp_path / "pool" / "part-1.jsonl")[3]
    assert "".join(span["text"] for span in explained["spans"]) == row["text"]


@pytest.mark.parametrize("scorer", ["fused", "conditional", "ngram"])
def test_components_are_those_of_the_sidecar(zipsel, pool, target, tmp_path, scorer):
    import pyarrow.parquet as pq

    zipsel("fit", "pool", "--target", target, "--output", "p", "--scorer", scorer)
    zipsel("score", "pool", "--profile", "p", "--output", "scores")
    table = pq.read_table(next((tmp_path / "scores").glob("**/*part-2*.parquet"))).to_pylist()
    name = f"{pool}/part-2.jsonl:7"
    explained = json.loads(zipsel("explain", "--profile", "p", "--record", name, "--json").stdout)
    for component in {"alignment", "ngram", "conditional", "c_x", "c_x_given_t"} & set(table[7]):
        assert explained[component] == table[7][component]


def test_a_text_on_standard_input_against_a_target_alone(zipsel, target):
    text = read_jsonl(target)[0]["text"]
    process = zipsel("explain", "--target", target, "-", stdin=text.encode())
    assert "conditional" in process.stdout.decode()
    assert "\x1b" not in process.stdout.decode()
    assert max(map(len, process.stdout.decode().splitlines())) <= 80


def test_parquet_rows_are_found(zipsel, pool, target, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = read_jsonl(pool / "part-0.jsonl")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet", row_group_size=7)
    zipsel("select", "p.parquet", "--target", target, "--output", "out", "--top-k", "5")
    top = zipsel("explain", "--run", "out", "--top", "5", "--json").stdout.splitlines()
    by_record = {one["record"]: one["alignment"] for one in map(json.loads, top)}
    for name, alignment in by_record.items():
        one = json.loads(zipsel("explain", "--run", "out", "--record", name, "--json").stdout)
        assert one["alignment"] == alignment


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--run", "out"), 2, "nothing to explain"),
        (("--run", "out", "--target", "target.jsonl", "--top", "1"), 2, "exactly one of"),
        (("--target", "target.jsonl", "--top", "1"), 2, "--top needs --run"),
        (("--run", "pool", "--top", "1"), 2, "is not the output of a run"),
        (("--run", "out", "--record", "pool/part-0.jsonl"), 2, "write SHARD:ROW"),
        (("--run", "out", "--record", "pool/part-0.jsonl:99"), 1, "has no row 99: it has 20"),
        (("--run", "out", "--record", "pool/none.jsonl:1"), 1, "no such file"),
        (("--run", "out", "-"), 2, "standard input has no text"),
    ],
)
def test_mistakes_say_what_to_do(run, zipsel, arguments, code, message):
    assert message in zipsel("explain", *arguments, code=code).stderr.decode()


def test_a_run_whose_profile_is_gone_says_so(run, zipsel, tmp_path):
    shutil.rmtree(tmp_path / ".zipsel")
    process = zipsel("explain", "--run", "out", "--top", "1", code=1)
    assert "work directory was removed" in process.stderr.decode()


def test_report_is_made_again_from_its_numbers(run, zipsel, tmp_path):
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("report.html", "README.md")}
    for name in before:
        (tmp_path / "out" / name).unlink()
    zipsel("report", "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before


def test_a_report_file_beside_a_single_output(select, zipsel, tmp_path):
    select("--output", "best.jsonl", "--top-k", "5")
    zipsel("report", "best.jsonl")
    assert (tmp_path / "best.jsonl.zipsel" / "report.html").exists()
    zipsel("explain", "--run", "best.jsonl", "--top", "1")


def test_two_runs_compared(run, select, zipsel):
    select("--output", "more", "--top-k", "20", "--group-field", "kind")
    both = json.loads(zipsel("report", "out", "more", "--json").stdout)
    assert (both["n_a"], both["n_b"], both["n_common"]) == (12, 20, 12)
    assert both["jaccard"] == 12 / 20
    assert both["rank_correlation"] == 1
    assert [moved["rank_b"] for moved in both["only_b"]] == list(range(13, 21))
    assert both["settings"]["budget"] == ["--top-k 12", "--top-k 20"]
    shown = zipsel("report", "out", "more").stdout.decode()
    assert "12 records are in both runs: 100% of A's 12 and 60% of B's 20." in shown
    assert "\x1b" not in shown


def test_equal_runs_are_equal(run, select, zipsel):
    select("--output", "again", "--top-k", "12", "--group-field", "kind", "--work-dir", "w")
    shown = zipsel("report", "out", "again").stdout.decode()
    assert "Both runs chose the same 12 records, in the same order." in shown


def test_report_refuses_what_is_none(zipsel, pool, tmp_path):
    assert "is not the output of a run" in zipsel("report", pool, code=2).stderr.decode()
    (tmp_path / "report.json").write_text('{"schema_version": 99}')
    message = zipsel("report", ".", code=2).stderr.decode()
    assert "has schema version 99" in message
    assert "run the select again" in message


def test_a_page_is_not_written_over_what_the_run_has_read(zipsel, select, target, tmp_path):
    write_jsonl(tmp_path / "benchmark.jsonl", make_records(3, seed=9))
    select("--output", "out", "--top-k", 5, "--exclude-overlap", "benchmark.jsonl")
    select("--output", "other", "--top-k", 6)
    for page in (target, "benchmark.jsonl"):
        for command in (["explain", "--run", "out", "--top", 1], ["report", "out", "other"]):
            done = zipsel(*command, "--html", page, code=2)
            assert b"would write over the input" in done.stderr


@pytest.mark.parametrize("place", [".", "-", "pipe"])
def test_an_output_that_can_be_no_file_is_refused_before_the_work(
    zipsel, select, pool, target, tmp_path, place
):
    os.mkfifo(tmp_path / "pipe")
    select("--output", "out", "--top-k", 5)
    record = f"{pool}/part-0.jsonl:1"
    for done in (
        select("--output", "new", "--top-k", 5, "--report", place, code=2),
        zipsel("fit", pool, "--target", target, "--output", place, code=2),
        zipsel("explain", "--target", target, "--record", record, "--html", place, code=2),
        zipsel("report", "out", "out", "--html", place, code=2),
    ):
        assert b"name a file" in done.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "-").exists()
