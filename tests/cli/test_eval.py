"""``zipsel eval`` as users run it: the table, the JSON, what is said on standard error."""

import json

import pytest
from made_up import make_records, write_jsonl

pytest.importorskip("pyppmd", reason="the judge needs the extra eval")


@pytest.fixture
def held_out(tmp_path):
    """Ten examples of code that neither pool nor target has."""
    examples = [record for record in make_records(20, seed=7) if record["kind"] == "code"]
    return write_jsonl(tmp_path / "held-out.jsonl", examples)


@pytest.fixture
def subsets(tmp_path):
    """Code, and as many records of law."""
    records = make_records(120, seed=3)
    return [
        write_jsonl(tmp_path / f"{kind}.jsonl", [r for r in records if r["kind"] == kind])
        for kind in ("code", "law")
    ]


def text_bytes(path):
    return sum(len(json.loads(line)["text"]) + 1 for line in path.read_bytes().splitlines())


def test_json_ranks_subsets_beside_random_ones_of_the_same_bytes(zipsel, pool, held_out, subsets):
    done = zipsel("eval", "--target", held_out, *subsets, "--pool", pool, "--json")
    found = json.loads(done.stdout)

    code, law = found["subsets"]
    assert set(code) == {"path", "bytes", "bits_per_byte", "low", "high"}
    assert [one["path"] for one in found["subsets"]] == list(map(str, subsets))
    assert code["bits_per_byte"] < found["random"]["bits_per_byte"] < law["bits_per_byte"]
    assert code["low"] < code["bits_per_byte"] < code["high"]
    assert {code["bytes"], law["bytes"], found["random"]["bytes"]} == {found["random"]["bytes"]}


def test_the_larger_subset_is_cut_and_it_is_said(zipsel, tmp_path, held_out, subsets):
    small = tmp_path / "small.jsonl"
    small.write_bytes(b"".join(subsets[0].read_bytes().splitlines(keepends=True)[:20]))

    done = zipsel("eval", "--target", held_out, *subsets, small, "--json")

    assert {one["bytes"] for one in json.loads(done.stdout)["subsets"]} == {text_bytes(small)}
    assert done.stderr.count(b"the size of the smallest") == 2
    assert b"small.jsonl" not in done.stderr


def test_more_than_max_bytes_is_not_read_and_it_is_said(zipsel, held_out, subsets):
    done = zipsel("eval", "--target", held_out, subsets[0], "--max-bytes", "2kB", "--json")

    assert json.loads(done.stdout)["subsets"][0]["bytes"] == 2000
    assert b"--max-bytes" in done.stderr


def test_a_held_out_example_in_a_subset_is_warned_of(zipsel, held_out, subsets):
    leaked = held_out.read_bytes().splitlines(keepends=True)[4]
    subsets[0].write_bytes(leaked + subsets[0].read_bytes())

    done = zipsel("eval", "--target", held_out, *subsets, "--log-format", "json")

    logged = map(json.loads, done.stderr.splitlines())
    (warning,) = (one["message"] for one in logged if one["level"] == "warning")
    assert "held-out example 4 stands in" in warning
    assert "code.jsonl" in warning


def test_examples_of_the_target_that_chose_are_warned_of(zipsel, select, target, held_out):
    warning = b"of 11 held-out examples 1 are in the target that chose out"
    seen = target.read_bytes().splitlines(keepends=True)[3]
    held_out.write_bytes(held_out.read_bytes() + seen)
    assert warning in select("--top-k", 9, "--output", "out", "--eval-target", held_out).stderr
    select("--top-k", 9, "--output", "out.jsonl")

    done = zipsel("eval", "--target", held_out, "out", "out.jsonl")

    assert warning in done.stderr
    assert warning + b".jsonl" in done.stderr


def test_a_directory_that_select_wrote_is_a_subset(zipsel, select, pool, held_out):
    select("--top-k", 20, "--output", "out")
    select("--top-k", 20, "--output", "out.parquet")

    done = zipsel("eval", "--target", held_out, "out", "out.parquet", "--pool", pool)
    table = done.stdout.decode()

    assert "bits per byte" in table
    assert "against random" in table
    first, second = (line.split() for line in table.splitlines()[1:3])
    assert (first[0], second[0]) == ("out", "out.parquet")
    assert first[1:] == second[1:]  # the same records, whatever the format
    assert first[-1].startswith("-")


def test_seed_and_workers(zipsel, pool, held_out, subsets):
    def run(*options):
        arguments = ["eval", "--target", held_out, subsets[0], "--pool", pool, "--json", *options]
        return zipsel(*arguments).stdout

    assert run("--workers", 1) == run("--workers", 3)
    assert run("--seed", 1) == run("--seed", 1)
    assert run("--seed", 1) != run("--seed", 2)


def test_templates_of_subset_and_target(zipsel, tmp_path, held_out):
    rows = [{"q": "what is", "a": record["text"]} for record in make_records(40, seed=3)]
    subset = write_jsonl(tmp_path / "qa.jsonl", rows)
    options = ("--template", "{q}\\n{a}", "--target-text-field", "text", "--json")

    found = json.loads(zipsel("eval", "--target", held_out, subset, *options).stdout)

    assert found["subsets"][0]["bytes"] == sum(len(r["q"]) + len(r["a"]) + 2 for r in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["eval", "{subset}"], 2, b"--target"),
        (["eval", "--target", "{held_out}"], 2, b"at least one subset"),
        (["eval", "--target", "{held_out}", "nowhere.jsonl"], 1, b"nowhere.jsonl: no such file"),
        (["eval", "--target", "{held_out}", "{empty}"], 2, b"has no text"),
        (["eval", "--target", "{held_out}", "{subset}", "--pool", "{empty}"], 2, b"has no text"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    zipsel, tmp_path, held_out, subsets, arguments, code, message
):
    (tmp_path / "empty.jsonl").touch()
    names = {"held_out": held_out, "subset": subsets[0], "empty": tmp_path / "empty.jsonl"}

    done = zipsel(*(argument.format(**names) for argument in arguments), code=code)

    assert message in done.stderr
    assert done.stdout == b""


def test_a_subset_on_standard_input(zipsel, held_out, subsets):
    of_file = json.loads(zipsel("eval", "--target", held_out, subsets[0], "--json").stdout)
    done = zipsel("eval", "--target", held_out, "-", "--json", stdin=subsets[0].read_bytes())
    streamed = json.loads(done.stdout)
    assert streamed["subsets"][0].pop("path") == "-"
    del of_file["subsets"][0]["path"]
    assert streamed == of_file
    assert b"both name standard input" in zipsel("eval", "--target", "-", "-", code=2).stderr


def test_refused_rows_of_a_subset_are_counted(zipsel, held_out, subsets):
    subsets[0].write_bytes(b'{"text": 1}\nnot json\n' + subsets[0].read_bytes())

    done = zipsel("eval", "--target", held_out, subsets[0])

    assert b"2 rows without usable text left out" in done.stderr


def test_select_reports_what_its_subset_is_worth(tmp_path, select, held_out):
    select("--top-k", 20, "--output", "out", "--eval-target", held_out)
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())

    curve = report["curves"][-1]
    assert set(curve["series"]) == {"subset", "random"}
    whole = curve["series"]["subset"][-1][0]
    for points in curve["series"].values():
        assert [x for x, _ in points] == [int(share * whole) for share in (0.125, 0.25, 0.5, 1)]
    assert curve["series"]["subset"][-1][1] < curve["series"]["random"][-1][1]
    assert "10 examples" in curve["title"]
    assert report["stages"]["evaluate"] > 0
    assert "Held-out evaluation" in (tmp_path / "out" / "report.html").read_text()


def test_another_held_out_set_is_no_up_to_date_run(tmp_path, select, held_out):
    arguments = ("--top-k", 20, "--output", "out", "--eval-target", held_out)
    select(*arguments)
    assert b"up to date" in select(*arguments).stderr

    held_out.write_bytes(b"".join(held_out.read_bytes().splitlines(keepends=True)[:5]))
    select(*arguments)

    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert "5 examples" in report["curves"][-1]["title"]


def test_select_to_standard_output_needs_a_report(select, held_out):
    done = select("--top-k", 2, "--output", "-", "--eval-target", held_out, code=2)

    assert b"name a file for it with --report" in done.stderr


def test_held_out_examples_are_read_before_the_work(tmp_path, select):
    done = select("--top-k", 2, "--output", "out", "--eval-target", "nowhere.jsonl", code=1)

    assert b"nowhere.jsonl" in done.stderr
    assert not (tmp_path / ".zipsel" / "scores").exists()


def test_parquet_subsets_are_measured_in_rank_order(tmp_path, zipsel, select, target, held_out):
    """The curve of a Parquet pool is that of the same pool as JSONL."""
    select("--top-k", 60, "--dedup", "none", "--output", "all.parquet")
    zipsel(
        "select", "all.parquet", "--target", target, "--top-k", 20, "--output", "out.parquet",
        "--eval-target", held_out,
    )  # fmt: skip
    found = json.loads((tmp_path / "out.parquet.zipsel" / "report.json").read_bytes())
    done = zipsel("eval", "--target", held_out, "out.parquet", "--json")

    judged = json.loads(done.stdout)["subsets"][0]
    assert found["curves"][-1]["series"]["subset"][-1] == [judged["bytes"], judged["bits_per_byte"]]


def test_what_excel_wrote_is_a_subset_and_a_target(zipsel, tmp_path):
    (tmp_path / "a.csv").write_text("id;text\n1;a b c d e f g h\n2;b c d e f g\n", "utf-16")
    options = ["--delimiter", ";", "--encoding", "utf-16"]
    zipsel("eval", "a.csv", "--target", "a.csv", *options)
    done = zipsel("explain", "--target", "a.csv", "--record", "a.csv:1", "--json", *options)
    assert b'"text":"b c d e f g"' in done.stdout or b"b c d e f g" in done.stdout


def test_options_of_csv_are_refused_where_no_input_is_csv(zipsel, pool, target):
    for command in (["eval", pool], ["explain", "--record", f"{pool}/part-0.jsonl:1"]):
        done = zipsel(*command, "--target", target, "--delimiter", ";", code=2)
        assert b"--delimiter would have no effect: no input is CSV or TSV" in done.stderr
