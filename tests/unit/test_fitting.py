"""The name of a profile in the work directory follows everything that it is fitted on."""

from made_up import make_records, write_jsonl
from msgspec.structs import replace

from zipsel.pool.finding import find_shards
from zipsel.readers.rows import Reading, TextSpec
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.fitting import profile_key
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
