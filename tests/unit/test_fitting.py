"""The name of a profile in the work directory follows everything that it is fitted on."""

import pytest
from made_up import make_records, write_jsonl
from msgspec.structs import replace

from zipsel.pool.finding import find_shards
from zipsel.readers.reading import Reading, TextSpec
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.fitting import profile_key
from zipsel.scoring.pool_sample import sample_pool
from zipsel.scoring.settings import RunSettings


def test_a_profile_is_named_by_all_that_it_comes_from(tmp_path):
    write_jsonl(tmp_path / "pool" / "a.jsonl", make_records(20))
    target = write_jsonl(tmp_path / "target.jsonl", make_records(4, seed=1))
    first = RunSettings(pool=(str(tmp_path / "pool"),), target=(str(target),))

    def key(settings):
        return profile_key(settings, find_shards(settings.pool)[0])[0]

    keys = [key(first)]
    assert key(replace(first, workers=2, work_dir="elsewhere")) == keys[0]
    keys.append(key(replace(first, fit=FitSettings(level=5))))
    keys.append(key(replace(first, fit=FitSettings(scorer="dsir"))))
    keys.append(key(replace(first, reading=Reading(TextSpec("field", "kind")))))
    write_jsonl(target, make_records(5, seed=1))
    keys.append(key(first))
    write_jsonl(tmp_path / "pool" / "b.jsonl", make_records(1))
    keys.append(key(first))
    assert len(set(keys)) == len(keys)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The shards that a small sample of a pool of twenty is drawn from."""
    monkeypatch.setattr("zipsel.scoring.pool_sample._RUN_BYTES", 500)
    for i in range(20):
        records = [{"text": f"{i} {record['text']}"} for record in make_records(20, seed=i)]
        write_jsonl(tmp_path / "many" / f"{i:02d}.jsonl", records)
    shards, _ = find_shards([str(tmp_path / "many")])

    def draw(seed):
        sample = sample_pool(shards, Reading(), sample_bytes=4000, seed=seed)
        return [text.split()[0] for text in sample.iter_texts()]

    return draw


def test_a_sample_is_spread_over_the_shards(drawn):
    numbers = drawn(0)
    assert len(set(numbers)) > 3
    assert numbers == sorted(numbers, key=int)
    assert any(int(number) > 9 for number in numbers)


def test_another_seed_draws_from_other_shards(drawn):
    assert drawn(0) == drawn(0)
    assert len({frozenset(drawn(seed)) for seed in range(4)}) == 4
