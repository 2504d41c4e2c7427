"""Directories that ``datasets`` saves, as pools: all of their rows, once, and no others."""

import json
import os

import pytest
from made_up import make_records

RECORDS = make_records(60)


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    library = pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    library.disable_progress_bars()
    return library


@pytest.fixture
def choose(zipsel, target):
    def run(*pool, code=0):
        done = zipsel(
            "select", *pool, "--target", target, "--fraction", "1", "--output", "-", "--quiet",
            "--order", "input", "--dedup", "none", "--keep-leaks", code=code,
        )  # fmt: skip
        return (
            done.stderr.decode() if code else [json.loads(one) for one in done.stdout.splitlines()]
        )

    return run


pytestmark = pytest.mark.filterwarnings("default")


def test_a_saved_dataset_is_its_rows_in_order(datasets, choose, tmp_path):
    datasets.Dataset.from_list(RECORDS).save_to_disk(tmp_path / "saved", num_shards=3)
    assert choose("saved") == RECORDS


def test_all_splits_of_a_dataset_dict_are_read(datasets, choose, tmp_path):
    splits = {"train": RECORDS[:40], "test": RECORDS[40:]}
    datasets.DatasetDict(
        {name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}
    ).save_to_disk(tmp_path / "saved")
    assert choose("saved") == splits["test"] + splits["train"]
    assert choose("saved/train") == splits["train"]


def test_results_that_the_library_keeps_beside_the_data_are_copies(datasets, choose, tmp_path):
    datasets.Dataset.from_list(RECORDS).save_to_disk(tmp_path / "saved")
    loaded = datasets.load_from_disk(tmp_path / "saved")
    loaded.map(lambda row: {"text": row["text"].upper()})
    kept = list((tmp_path / "saved").glob("cache-*.arrow"))
    assert len(kept) == 1
    assert choose("saved") == RECORDS
    assert choose(kept[0])[0]["text"] == RECORDS[0]["text"].upper()


def test_a_cache_of_the_library_is_a_pool(datasets, choose, tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in RECORDS))
    datasets.load_dataset("json", data_files=str(source), cache_dir=str(tmp_path / "cache"))
    assert choose("cache") == RECORDS


@pytest.mark.parametrize("key", ["_indices_files", "_indices_data_files"])
def test_an_indices_mapping_is_refused_with_the_remedy(datasets, choose, tmp_path, key):
    """As older versions of the library saved what ``select`` made."""
    datasets.Dataset.from_list(RECORDS).save_to_disk(tmp_path / "saved")
    state_file = tmp_path / "saved" / "state.json"
    state = json.loads(state_file.read_text())
    state_file.write_text(json.dumps({**state, key: [{"filename": "indices.arrow"}]}))
    for pool in ("saved", "saved/data-00000-of-00001.arrow"):
        message = choose(pool, code=1)
        assert "data-00000-of-00001.arrow: state.json beside it says that its data set" in message
        assert "dataset.flatten_indices()" in message


def test_a_selection_that_is_saved_now_is_flat(datasets, choose, tmp_path):
    datasets.Dataset.from_list(RECORDS).select(range(5, 0, -1)).save_to_disk(tmp_path / "saved")
    assert choose("saved") == RECORDS[5:0:-1]


def test_a_data_file_that_was_not_copied_is_missed(datasets, choose, tmp_path):
    datasets.Dataset.from_list(RECORDS).save_to_disk(tmp_path / "saved", num_shards=3)
    os.unlink(tmp_path / "saved" / "data-00001-of-00003.arrow")
    message = choose("saved", code=1)
    assert "data-00001-of-00003.arrow: is named by state.json but is not there" in message


def test_an_output_of_zipsels_is_a_pool_of_its_subset_alone(choose, zipsel, pool, target):
    for name in ("jsonl", "parquet"):
        zipsel(
            "select", pool, "--target", target, "--top-k", 10, "--output", f"out-{name}",
            "--format", name,
        )  # fmt: skip
        assert len(choose(f"out-{name}")) == 10
