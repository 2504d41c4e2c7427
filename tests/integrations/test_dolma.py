"""``score --format dolma``: attribute files that Dolma's mixer reads beside the documents."""

import gzip
import json

import msgspec
import pytest
import zstandard
from made_up import make_records, read_jsonl

import zipsel as package


@pytest.fixture
def documents(tmp_path):
    """Two files of Dolma documents, one without text in a row."""
    texts = [record["text"] for record in make_records(40)]
    texts[3], texts[5] = "", texts[5] + " é ∑ 🗜"
    rows = [{"id": f"doc-{i}", "text": text, "source": "made-up"} for i, text in enumerate(texts)]
    folder = tmp_path / "documents" / "part"
    folder.mkdir(parents=True)
    for i in range(2):
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows[20 * i : 20 * (i + 1)])
        compress, suffix = ((gzip.compress, "gz"), (zstandard.compress, "zst"))[i]
        (folder / f"{i}.jsonl.{suffix}").write_bytes(compress(lines))
    return tmp_path / "documents"


def read_packed(path):
    if path.suffix == ".gz":
        lines = gzip.decompress(path.read_bytes())
    else:
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    return [json.loads(line) for line in lines.splitlines()]


def test_rows_match_the_documents(zipsel, documents, target, tmp_path):
    zipsel("fit", documents, "--target", target, "--output", "p.profile")
    zipsel(
        "score", documents, "--profile", "p.profile", "--format", "dolma",
        "--output", "attributes/zipsel", "--add-field", "zipsel__fused__alignment",
        "--max-rejects", 1,
    )  # fmt: skip
    scorer = package.Scorer.load(tmp_path / "p.profile")
    for path in sorted(documents.glob("part/*")):
        rows = read_packed(path)
        found = read_packed(tmp_path / "attributes" / "zipsel" / path.name)
        assert [row["id"] for row in found] == [row["id"] for row in rows]
        for row, attributes in zip(rows, found, strict=True):
            spans = attributes["attributes"]["zipsel__fused__alignment"]
            if row["text"]:
                (value,) = scorer.score([row["text"]]).tolist()
                assert spans == [[0, len(row["text"]), value]]
            else:
                assert spans == []
    (reject,) = read_jsonl(tmp_path / "attributes" / "zipsel" / "rejects.jsonl")
    assert (reject["row"], reject["reason"]) == (3, "empty")


class OutputSpec(msgspec.Struct):
    """A line of an attribute file, as ``dolma.core.data_types`` of allenai/dolma declares it."""

    id: str
    attributes: dict[str, list[tuple[int, int, float]]]
    source: str | None = None


def test_attributes_are_what_dolma_decodes(zipsel, documents, target, tmp_path):
    """``dolma mix`` takes attributes and documents side by side: names, rows and ids agree."""
    attributes = tmp_path / "attributes" / "zipsel"
    zipsel("score", documents, "-t", target, "--format", "dolma", "-o", attributes,
           "--add-field", "zipsel__alignment", "--max-rejects", 1)  # fmt: skip
    for path in documents.glob("part/*"):
        found = msgspec.convert(read_packed(attributes / path.name), list[OutputSpec])
        assert [one.id for one in found] == [row["id"] for row in read_packed(path)]
        assert {name for one in found for name in one.attributes} == {"zipsel__alignment"}


def test_documents_without_id_are_named(zipsel, target, tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "def f(x): return x"}\n')
    process = zipsel("score", "d.jsonl", "-t", target, "--format", "dolma", "--output", "a", code=1)
    assert b"d.jsonl row 0 has no id" in process.stderr
    assert not (tmp_path / "a" / "d.jsonl").exists()


def test_dolma_needs_a_directory_and_json_lines(zipsel, pool, target, tmp_path):
    command = ("--target", target, "--format", "dolma")
    process = zipsel("score", pool, *command, "--output", "-", code=2)
    assert b"--format needs a directory as --output" in process.stderr
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a b c"]}), tmp_path / "t.parquet")
    process = zipsel("score", "t.parquet", *command, "--output", "a", code=2)
    assert b"JSON lines, not parquet" in process.stderr
