"""What a sidecar part says of its rows, and what a ranking makes of it under another threshold."""

import numpy as np
import pytest

from zipsel.pool.shards import Shard
from zipsel.readers.rows import Reason, RowBatch
from zipsel.scoring.histogram import Histogram, bins_of, pack
from zipsel.scoring.sidecar import Part, PartSummary, part_path, place_parts, read_columns
from zipsel.scoring.sidecar_writer import PartBuilder
from zipsel.selection.ranking import Ranking, RecordReader
from zipsel.texts import TextBatch

COLUMNS = {"alignment": "float64", "cheap": "float64", "size": "int32"}


@pytest.fixture
def part(tmp_path):
    """Five rows: one refused, two of four records contenders at a threshold of 0.5."""

    def write(threshold):
        shard = Shard(0, "shard", "jsonl", "", 0, "0" * 32)
        lengths = [30, 7, 100, 2]
        rows = RowBatch(
            offsets=np.arange(5) * 200,
            texts=TextBatch.from_encoded([b"x" * n for n in lengths]),
            accepted=np.array([0, 1, 3, 4]),
            rejects={2: (Reason.NULL, b"{}")},
            groups=["a", None, "a", "b"],
        )
        cheap = np.array([0.1, 0.9, 0.5, 0.2])
        passed_over = cheap < (-np.inf if threshold is None else threshold)
        builder = PartBuilder(COLUMNS, frozenset({"alignment", "size"}))
        scores = {
            "alignment": np.where(passed_over, np.nan, [9.0, 3.0, 2.0, 1.0]),
            "cheap": cheap,
            "size": np.where(passed_over, 0, 5),
        }
        builder.add(rows, {name: scores[name].astype(kind) for name, kind in COLUMNS.items()})
        path = part_path(str(tmp_path), shard, 0)
        return place_parts(
            shard, str(tmp_path), [builder.write(path, 0, final=True, threshold=threshold)]
        )

    return write


def test_a_summary_counts_records_and_bytes(part):
    (one,) = part(0.5)
    summary = one.summary
    assert (summary.n_rows, summary.n_bytes, summary.rejects) == (5, 139, {"null": 1})
    assert summary.groups == {"a": (2, 130), "": (1, 7), "b": (1, 2)}
    counted = Histogram()
    counted.add_packed(summary.histogram)
    bins = bins_of(np.array([2.0, 3.0])).tolist()
    assert np.flatnonzero(counted.n_records).tolist() == bins
    assert counted.n_bytes[bins].tolist() == [100, 7]


def test_rows_are_numbered_with_those_refused():
    shard = Shard(0, "shard", "jsonl", "", 0, "0" * 32)
    summaries = [
        PartSummary(i, n_rows, 0, {"null": n_refused}, {}, None, final=i == 2)
        for i, (n_rows, n_refused) in enumerate([(5, 2), (4, 4), (3, 0)])
    ]
    placed = place_parts(shard, "folder", summaries[::-1])
    assert [part.first_row for part in placed] == [0, 5, 9]


def test_records_counted_by_their_part_are_not_counted_again(part):
    (one,) = part(0.5)
    counted = Histogram()
    counted.add_packed(one.summary.histogram)
    for threshold, n_records in ((0.5, 2), (0.6, 1)):
        reader = RecordReader(threshold, "cheap")
        ranking = Ranking([one], reader, counted=counted if threshold == 0.5 else Histogram())
        assert ranking.total_records == n_records


def test_a_part_of_which_every_row_is_refused_has_a_group_column(tmp_path):
    rows = RowBatch(
        offsets=np.arange(2),
        texts=TextBatch.from_encoded([]),
        accepted=np.array([], np.int64),
        rejects=dict.fromkeys(range(2), (Reason.NULL, b"{}")),
        groups=[],
    )
    builder = PartBuilder(COLUMNS, frozenset())
    builder.add(rows, {name: np.zeros(0, kind) for name, kind in COLUMNS.items()})
    path = tmp_path / "part.parquet"
    summary = builder.write(str(path), 0, final=True, threshold=None)
    shard = Shard(0, "shard", "jsonl", "", 0, "0" * 32)
    table = read_columns(Part(shard, str(path), 0, summary), ["group", "alignment"])
    assert table.to_pylist() == [{"group": None, "alignment": None}] * 2


def test_columns_that_are_finished_later_are_null_until_then(part):
    (one,) = part(0.5)
    table = read_columns(one, ["alignment", "cheap", "size"])
    assert table["alignment"].to_pylist() == [None, 3.0, None, 2.0, None]
    assert table["size"].to_pylist() == [None, 5, None, 5, None]
    assert table["cheap"].to_pylist() == [0.1, 0.9, None, 0.5, 0.2]


@pytest.mark.parametrize("written_at", [None, 0.15, 0.5])
def test_only_contenders_are_ranked_whatever_an_earlier_run_knows(part, written_at):
    ranking = Ranking(part(written_at), RecordReader(0.5, "cheap"))
    (block,) = ranking.iter_blocks(10)
    assert block.row.tolist() == [1, 3]
    assert ranking.total_records == 2


def test_groups_keep_their_codes_in_another_order(part):
    ranking = Ranking(part(None), RecordReader(grouped=True))
    (best_first,) = ranking.iter_blocks(10)
    (worst_first,) = ranking.reordered(lambda alignment, *_: -alignment).iter_blocks(10)
    names = ranking.names_of_groups()
    assert [names[code] for code in best_first.group.tolist()] == ["a", "", "a", "b"]
    assert [names[code] for code in worst_first.group.tolist()] == ["b", "a", "", "a"]


def test_a_histogram_is_a_sum_from_which_a_part_can_be_taken():
    values, lengths = np.array([0.5, 0.5, -1.0]), np.array([3, 4, 5])
    counted = Histogram()
    counted.add(values, lengths)
    counted.add(values[:1], lengths[:1])
    counted.add_packed(pack(values, lengths), times=-1)
    assert counted.n_records.sum() == 1
    assert counted.n_bytes[bins_of(values[:1])].tolist() == [3]
