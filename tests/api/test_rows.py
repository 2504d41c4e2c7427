"""``zipsel.select`` of rows in memory, and what its result gives back."""

import subprocess
import sys

import pyarrow as pa
import pytest
from made_up import make_records, read_jsonl

import zipsel as package
from zipsel.api.rows import keep_rows
from zipsel.errors import OutputError, UsageError

RECORDS = make_records(40)
TARGET = [{"text": record["text"]} for record in make_records(6, seed=1)]


def as_dataset(rows):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    return datasets.Dataset.from_list(rows)


def as_streamed(rows):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    return datasets.Dataset.from_list(rows).to_iterable_dataset()


def as_polars(rows):
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(rows)


#: Ways to hold rows.
WAYS = {
    "list": list,
    "generator": iter,
    "table": pa.Table.from_pylist,
    "batch": pa.RecordBatch.from_pylist,
    "reader": lambda rows: pa.Table.from_pylist(rows).to_reader(),
    "dataset": as_dataset,
    "streamed": as_streamed,
    "polars": as_polars,
}


def choose(tmp_path, **options):
    return package.select(
        **{"output": tmp_path / "out", "top_k": 5, "keep_leaks": True, "workers": 1, **options}
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("way", WAYS)
def test_rows_in_memory_are_chosen_as_rows_of_a_file(tmp_path, pool, target, select, way):
    hold = WAYS[way]
    of_files = choose(tmp_path, pool=pool, target=target, output=tmp_path / "files")
    rows = [row for path in sorted(pool.iterdir()) for row in read_jsonl(path)]
    result = choose(tmp_path, pool=hold(rows), target=hold(read_jsonl(target)))
    assert [row["text"] for row in result.iter_rows()] == [
        row["text"] for row in of_files.iter_rows()
    ]
    assert result.n_rows == len(rows)


def test_a_benchmark_in_memory_is_kept_out(tmp_path):
    target = [{"text": record["text"]} for record in RECORDS[:6]]
    result = choose(tmp_path, pool=RECORDS, target=target, exclude=RECORDS[6:9], top_k=40,
                    keep_leaks=False)  # fmt: skip
    texts = {row["text"] for row in result.iter_rows()}
    assert not texts & {record["text"] for record in RECORDS[:9]}


def test_a_result_gives_its_rows_back(tmp_path):
    for name in ("out.jsonl", "out.jsonl.zst", "out.parquet"):
        result = choose(tmp_path, pool=RECORDS, target=TARGET, output=tmp_path / name)
        rows = list(result.iter_rows())
        assert len(rows) == 5
        assert all(row in RECORDS for row in rows)
        assert result.to_arrow().to_pylist() == rows
        pytest.importorskip("pandas", reason="pandas is not installed")
        assert result.to_pandas()["text"].tolist() == [row["text"] for row in rows]


def test_a_result_is_short_on_one_line_and_a_table_in_a_notebook(tmp_path):
    text = "def <b>f</b>(): return 1"
    result = choose(tmp_path, pool=[*RECORDS, {"text": text}], target=TARGET, top_k=99)
    assert repr(result).startswith(f"<SelectResult '{tmp_path}/out': 41 of 41 rows, ")
    assert len(repr(result).splitlines()) == 1
    shown = result._repr_html_()
    assert "41 of 41 records" in shown
    assert "The pool ran out" in shown
    assert "<b>f</b>" not in shown


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("target", ["def f(): return 1\n"] * 3, "{'text': text} for text in texts"),
        ("pool", iter(["a text"]), "{'text': text} for text in texts"),
        ("pool", {"train": [{"text": "a"}]}, "a mapping of train; give one of its values"),
        ("pool", iter([]), "pool holds no row"),
        ("pool", [{"text": object()}], "row 0 cannot be written"),
        ("target", [{"text": "a"}, 3], "target holds a value of type int"),
        ("pool", [{"text": "a", 1: "b", "1": "c"}], "the key 1 is no text"),
        ("pool", [{"text": "a", "of": [{"n": {None: "b"}}]}], "the key None is no text"),
        ("pool", object(), "pool is a object, which gives no rows"),
        ("pool", pa.chunked_array([["a text"]]), "{'text': text} for text in texts"),
    ],
)
def test_what_holds_no_rows_is_refused_with_what_to_write(tmp_path, name, value, said):
    with pytest.raises(UsageError) as refused:
        choose(tmp_path, **{"pool": RECORDS, "target": TARGET, name: value})
    assert said in str(refused.value)


def test_options_are_checked_before_rows_are_written(tmp_path):
    with pytest.raises(UsageError, match="top-kk is no option of select"):
        choose(tmp_path, pool=RECORDS, target=TARGET, top_kk=3)
    assert list(tmp_path.iterdir()) == []


def test_a_script_without_a_main_guard_is_told_what_to_write(tmp_path):
    (tmp_path / "script.py").write_text(
        "import zipsel\n\n"
        "rows = [{'text': f'def f{i}(): return {i}'} for i in range(50)]\n"
        "zipsel.select(rows, target=rows[:6], output='out', top_k=3, workers=2, keep_leaks=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("zipsel.errors.UsageError: ")
    assert "script.py, line 4: " in last
    assert "if __name__ == '__main__':" in last
    assert not (tmp_path / "out").exists()
    script = (tmp_path / "script.py").read_text()
    done = subprocess.run(
        [sys.executable, "-"], cwd=tmp_path, capture_output=True, text=True, input=script
    )
    assert "<stdin> is no file: save it, or pass workers=1" in done.stderr.splitlines()[-1]


def test_a_table_has_the_fields_that_only_later_rows_have(tmp_path):
    rows = [{"text": "a text of words"}, {"text": "another text", "note": "kept"}]
    result = choose(tmp_path, pool=rows, target=TARGET)
    table = result.to_arrow().sort_by("text")
    assert table.to_pylist() == [{"note": None, **rows[0]}, rows[1]]


def test_a_table_has_no_other_values_than_the_rows(tmp_path):
    rows = [{"text": "a text of words", "n": 1.5}, {"text": "another text", "n": True}]
    result = choose(tmp_path, pool=rows, target=TARGET, order="input")
    with pytest.raises(pa.ArrowInvalid, match="field 'n': true or false where other rows have num"):
        result.to_arrow()
    assert list(result.iter_rows()) == rows


def test_a_table_has_the_types_of_the_parquet_that_was_chosen_from(tmp_path):
    n_ns = pa.array([1, 86_399_999_999_999], pa.time64("ns"))
    table = pa.table({"text": ["a text of words", "another text"], "at": n_ns})
    result = choose(tmp_path, pool=table, target=TARGET, output=tmp_path / "out.parquet")
    assert result.to_arrow().sort_by("text").equals(table)


def test_rows_are_given_back_however_large_they_and_their_numbers_are(tmp_path):
    n_bytes = 65 << 20
    line = f'{{"n": 1{"0" * 5000}, "text": "{"word " * (n_bytes // 5)}"}}\n'
    (tmp_path / "pool.jsonl").write_text(line)
    result = choose(tmp_path, pool=tmp_path / "pool.jsonl", target=TARGET, max_row_bytes="100MB")
    (row,) = result.iter_rows()
    assert len(row["text"]) == n_bytes // 5 * 5


def test_rows_that_two_threads_give_at_once_stay_apart(tmp_path):
    """One begins to give its rows while those of the other are half given."""
    other = make_records(10, seed=2)

    def give():
        yield from RECORDS[:20]
        path = keep_rows("target", other, str(tmp_path / "work"))
        assert read_jsonl(path) == other
        yield from RECORDS[20:]

    assert read_jsonl(keep_rows("pool", give(), str(tmp_path / "work"))) == RECORDS


def test_rows_that_are_given_again_leave_the_file_that_another_run_may_be_reading(tmp_path):
    choose(tmp_path, pool=RECORDS, target=TARGET)
    kept = list((tmp_path / ".zipsel" / "rows").iterdir())
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in kept}
    choose(tmp_path, pool=RECORDS, target=TARGET, top_k=6)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in kept} == before


def test_a_streamed_data_set_may_have_other_columns_later(tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")

    def give():
        for i in range(1100):
            yield {"text": f"a text of words {i}", "note": "late" if i > 1050 else None}

    streamed = datasets.IterableDataset.from_generator(give)
    result = choose(tmp_path, pool=streamed, target=TARGET, top_k=1100, dedup="none")
    assert result.n_chosen == 1100
    assert sum(row["note"] == "late" for row in result.iter_rows()) == 49


def test_a_result_has_no_rows_of_a_later_run(pool, target, tmp_path):
    def select(top_k):
        return package.select(pool, target=target, output=tmp_path / "out", top_k=top_k, workers=1)

    first = select(8)
    assert first.to_arrow().num_rows == 8
    again = select(8)
    assert len(list(again.iter_rows())) == len(list(first.iter_rows())) == 8
    assert select(5).to_arrow().num_rows == 5
    with pytest.raises(OutputError, match="out holds the subset of a later run"):
        list(first.iter_rows())
