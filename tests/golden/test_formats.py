"""The same rows as JSONL, CSV, Arrow and Parquet have the same alignments and give one choice."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records
from pyarrow import feather

from zipsel.commands.fit import run_fit
from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.pool.finding import find_shards
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.plan import score_pool
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.task import Job
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings

N_SHARDS = 3


def make_strings():
    """Records of strings, some with what CSV has to quote."""
    records = [{k: str(v) for k, v in one.items()} for one in make_records(120)]
    for i, record in enumerate(records):
        if i % 5 == 0:
            record["text"] += f'\r\nsecond, "line"\tü {i}'
    return records


def to_csv(records, delimiter):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def to_ipc(records, open_writer, n_rows, **options):
    sink = io.BytesIO()
    table = pa.Table.from_pylist(records)
    with open_writer(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=n_rows)
    return sink.getvalue()


def to_parquet(records):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, row_group_size=16)
    return sink.getvalue()


def to_feather(records):
    sink = io.BytesIO()
    feather.write_feather(pa.Table.from_pylist(records), sink, compression="zstd", chunksize=9)
    return sink.getvalue()


def to_words(records):
    """A stream with dictionaries, another one in each batch."""
    sink = io.BytesIO()
    schema = pa.schema(
        {"id": pa.string(), "text": pa.string(), "kind": pa.dictionary(pa.int8(), pa.string())}
    )
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, len(records), 7):
            batch = pa.RecordBatch.from_pylist(records[start : start + 7])
            kind = batch["kind"].dictionary_encode().cast(schema.field("kind").type)
            writer.write_batch(pa.record_batch([batch["id"], batch["text"], kind], schema=schema))
    return sink.getvalue()


FORMATS = {
    ".jsonl": lambda r: b"".join(json.dumps(one).encode() + b"\n" for one in r),
    ".parquet": to_parquet,
    ".csv": lambda r: to_csv(r, ","),
    ".tsv": lambda r: to_csv(r, "\t"),
    ".csv.gz": lambda r: gzip.compress(to_csv(r, ",")),
    ".tsv.zst": lambda r: zstandard.compress(to_csv(r, "\t")),
    ".feather": to_feather,
    "-file.arrow": lambda r: to_ipc(r, pa.ipc.new_file, 11),
    "-stream.arrow": lambda r: to_ipc(r, pa.ipc.new_stream, 1000),
    "-packed.arrow": lambda r: to_ipc(r, pa.ipc.new_stream, 8, compression="lz4"),
    "-words.arrow": to_words,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Format → its pool; ``profile``; ``target``."""
    folder, records = tmp_path_factory.mktemp("formats"), make_strings()
    pools = {}
    for i, (suffix, encode) in enumerate(FORMATS.items()):
        pools[suffix] = folder / f"pool-{i}"
        pools[suffix].mkdir()
        for n in range(N_SHARDS):
            part = records[n * 40 : (n + 1) * 40]
            (pools[suffix] / f"{n}{suffix}").write_bytes(encode(part))
    target = folder / "target.csv"
    target.write_bytes(to_csv([one for one in make_records(16, 1) if one["kind"] == "code"], ","))
    settings = RunSettings(pool=(str(pools[".jsonl"]),), target=(str(target),))
    run_fit(Run(settings, Log(quiet=True)), str(folder / "p.profile"))
    return {**pools, "target": target, "profile": folder / "p.profile"}


def choose(files, suffix, tmp_path, **options):
    settings = RunSettings(
        pool=(str(files[suffix]),), profile=str(files["profile"]), work_dir=str(tmp_path / "work")
    )
    stdout = io.BytesIO()
    select = SelectSettings(budget=Budget("top_k", 40), add_field="alignment", **options)
    with LocalEngine(1) as engine:
        run_select(Run(settings, Log(quiet=True), stdout=stdout), select, engine)
    return stdout.getvalue()


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_choice_from_any_format(files, tmp_path, suffix):
    chosen = [
        [json.loads(line) for line in choose(files, one, tmp_path / one, output="-").splitlines()]
        for one in (".jsonl", suffix)
    ]
    assert len(chosen[0]) == 40
    assert chosen[1] == chosen[0]


@pytest.mark.parametrize("suffix", [".csv", "-file.arrow", "-words.arrow", ".feather"])
def test_as_parquet_the_columns_are_those_of_the_pool(files, tmp_path, suffix):
    choose(files, suffix, tmp_path, output=str(tmp_path / "out.parquet"))
    rows = choose(files, ".jsonl", tmp_path, output="-").splitlines()

    table = pq.read_table(tmp_path / "out.parquet")

    assert table.to_pylist() == [json.loads(row) for row in rows]
    assert table.schema.names == ["id", "text", "kind", "alignment", "alignment_gain"]
    assert {table.schema.field(name).type for name in ("id", "text")} == {pa.string()}
    assert pa.types.is_dictionary(table.schema.field("kind").type) == (suffix == "-words.arrow")


@pytest.mark.parametrize("suffix", FORMATS)
def test_small_chunks_have_the_scores_of_large_ones(files, tmp_path, monkeypatch, suffix):
    """As a huge file is cut for many workers."""

    def alignments(folder):
        path = str(files["profile"])
        file = ProfileFile(path, Profile.load(path).digest)
        job = Job(file, settings.reading, str(tmp_path / folder))
        with LocalEngine(1) as engine:
            scores = score_pool(engine, job, find_shards([str(files[suffix])])[0])
        assert scores.n_rows == 120
        columns = [pq.read_table(part.path)["alignment"].to_pylist() for part in scores.parts]
        return len(scores.parts), [value for column in columns for value in column]

    settings = RunSettings(pool=("-",), profile=str(files["profile"]))
    n_whole, whole = alignments("whole")
    monkeypatch.setattr(Job, "chunk_bytes", 700)
    monkeypatch.setattr("zipsel.readers.arrow.BATCH_BYTES", 300)
    n_parts, parts = alignments("parts")

    assert parts == whole
    assert n_whole == N_SHARDS
    assert n_parts > 2 * N_SHARDS


def test_a_csv_target_counts_as_its_texts(files, tmp_path):
    texts = [one["text"] for one in make_records(16, 1) if one["kind"] == "code"]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts))
    settings = RunSettings(pool=(str(files[".jsonl"]),), target=(str(tmp_path / "t.jsonl"),))
    profile = run_fit(Run(settings, Log(quiet=True)), str(tmp_path / "p.profile"))
    run_again = RunSettings(pool=settings.pool, target=(str(files["target"]),))
    again = run_fit(Run(run_again, Log(quiet=True)), str(tmp_path / "q.profile"))
    assert list(profile.target.iter_texts()) == list(again.target.iter_texts()) == texts
