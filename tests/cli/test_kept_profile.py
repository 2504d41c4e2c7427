"""Without --profile, the last run's is kept until the pool drifts, and the report says so."""

import html
import os

import msgspec
import pytest
from made_up import make_records, write_jsonl

import zipsel
from zipsel.errors import UsageError
from zipsel.scoring.cleaning import find_leftovers
from zipsel.storage.workdir import WorkDir


@pytest.fixture
def nightly(tmp_path, pool, target):
    """Run into the same output, as a cron job does, and return the report."""

    def run(output="out", **options):
        options = {"target": target, "top_k": 5, "workers": 1, **options}
        if "profile" in options:
            del options["target"]
        zipsel.select(pool, output=tmp_path / output, work_dir=tmp_path / "work", **options)
        return msgspec.json.decode((tmp_path / output / "report.json").read_bytes())

    return run


def add_shard(pool, name="part-3.jsonl", seed=5):
    write_jsonl(pool / name, make_records(8, seed=seed))


def become_code(pool):
    for path in pool.iterdir():
        path.unlink()
    records = [one for one in make_records(120, seed=7) if one["kind"] == "code"]
    write_jsonl(pool / "code.jsonl", records)


def digest(report):
    return report["profile"]["digest"]


def test_a_new_shard_is_all_that_is_scored(nightly, pool):
    first = nightly()
    assert first["profile_use"]["kept"] is False
    assert first["profile_use"]["drift"] is None
    add_shard(pool)
    second = nightly()
    assert (second["counts"]["n_shards"], second["counts"]["n_scored_shards"]) == (4, 1)
    assert digest(second) == digest(first)
    use = second["profile_use"]
    assert use["kept"] is True
    assert use["since"] == first["provenance"]["finished"]
    assert 0 < use["drift"] <= use["limit"] == 0.25
    add_shard(pool, "part-4.jsonl", seed=6)
    third = nightly()
    assert third["counts"]["n_scored_shards"] == 1
    assert third["profile_use"]["since"] == first["provenance"]["finished"]


def test_a_fresh_run_repeats_the_choice_by_the_profile_that_the_report_names(
    nightly, pool, tmp_path
):
    nightly()
    add_shard(pool)
    kept = nightly()
    nightly("again", profile=kept["provenance"]["profile"])
    first, again = ((tmp_path / name / "subset-00000.jsonl") for name in ("out", "again"))
    assert first.read_bytes() == again.read_bytes()
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    card = (tmp_path / "out" / "README.md").read_text().replace("\\", "")
    for text in (page, card):
        assert f"--profile {kept['provenance']['profile']}" in text
        assert "its choice differs from this one" in text
        assert "is kept: the pool's sample has drifted by 0." in text


def test_another_output_and_a_given_profile_have_no_history(nightly, pool):
    nightly()
    add_shard(pool)
    fresh = nightly("other")
    assert fresh["profile_use"] == {
        **fresh["profile_use"],
        "kept": False,
        "since": "",
        "reason": "",
    }
    assert digest(fresh) != digest(nightly())
    assert nightly("given", profile=fresh["provenance"]["profile"])["profile_use"] is None


def test_a_pool_that_drifted_is_fitted_again_and_says_by_how_much(nightly, pool, tmp_path):
    first = nightly()
    become_code(pool)
    second = nightly()
    use = second["profile_use"]
    assert not use["kept"]
    assert use["drift"] > use["limit"]
    assert digest(second) != digest(first)
    assert digest(second) == digest(nightly("fresh"))
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert f"the pool's sample has drifted by {use['drift']:.2f} since (limit 0.25)" in page
    assert "A new profile is used in place of that of the run of 20" in page
    add_shard(pool, "few.jsonl", seed=3)
    assert nightly()["profile_use"]["since"] == second["provenance"]["finished"]


def test_a_pool_of_one_record_has_no_drift_and_says_so(zipsel, pool, target, tmp_path):
    for path in pool.iterdir():
        path.unlink()
    for text in ("def foo return self import", "cheese and wine and def return lambda"):
        write_jsonl(pool / "one.jsonl", [{"text": text}])
        log = zipsel("select", pool, "--target", target, "--output", "out", "--top-k", 1,
                     "--log-format", "json").stderr  # fmt: skip
    told = [msgspec.json.decode(line) for line in log.splitlines()]  # which takes no Infinity
    said = next(one for one in told if one["event"] == "profile")
    assert (said["kept"], said["drift"]) == (False, None)
    assert "all have one score, so drift has no measure" in said["message"]
    page = (tmp_path / "out" / "report.html").read_bytes()
    assert b"so drift has no measure" in page
    zipsel("report", "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == page


def test_refit_makes_what_a_first_run_makes_and_only_once(nightly, pool, tmp_path):
    nightly()
    add_shard(pool)
    kept = nightly()
    refitted = nightly(refit=True)
    assert refitted["changes"] == ["--refit"]
    assert refitted["profile_use"]["reason"] == "--refit asks for it"
    assert digest(refitted) != digest(kept)
    assert digest(refitted) == digest(nightly("other"))
    written = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    nightly(refit=True)
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == written


def test_force_keeps_the_profile(nightly, pool):
    nightly()
    add_shard(pool)
    kept, forced = nightly(), nightly(force=True)
    assert forced["counts"]["n_scored_shards"] == 4
    assert digest(forced) == digest(kept)


@pytest.mark.parametrize("options", [{"seed": 3}, {"scorer": "dsir"}, {"text_field": "text,kind"}])
def test_what_is_asked_for_otherwise_is_fitted_again(nightly, pool, options):
    first = nightly()
    add_shard(pool)
    second = nightly(**options)
    assert not second["profile_use"]["kept"]
    assert "has changed" in second["profile_use"]["reason"]
    assert digest(second) == digest(nightly("fresh", **options)) != digest(first)


def test_groups_are_no_part_of_a_profile(nightly, pool):
    first = nightly()
    add_shard(pool)
    second = nightly(group_field="kind")
    assert second["profile_use"]["kept"]
    assert digest(second) == digest(first)


def test_a_changed_target_is_fitted_again(nightly, target):
    first = nightly()
    write_jsonl(target, make_records(12, seed=8))
    second = nightly()
    assert "target" in second["profile_use"]["reason"]
    assert digest(second) != digest(first)


@pytest.mark.parametrize("scorer", ["fused", "ncd", "dsir"])
def test_every_scorer_keeps_its_profile(nightly, pool, scorer):
    first = nightly(scorer=scorer)
    add_shard(pool)
    second = nightly(scorer=scorer)
    assert second["counts"]["n_scored_shards"] == 1
    assert digest(second) == digest(first)


@pytest.mark.parametrize(
    "damage", [lambda path: os.unlink(path), lambda path: path.write_bytes(b"x")]
)
def test_a_profile_that_is_gone_is_fitted_again_and_named(nightly, pool, tmp_path, damage):
    first = nightly()
    (path,) = (tmp_path / "work" / "profiles").iterdir()
    damage(path)
    add_shard(pool)
    second = nightly()
    assert str(path) in second["profile_use"]["reason"]
    assert digest(second) != digest(first)


def test_a_run_that_finds_all_up_to_date_marks_profile_and_scores_as_used(nightly, tmp_path):
    work = tmp_path / "work"

    def grow_old():
        paths = [*(work / "profiles").iterdir(), *(work / "scores").iterdir()]
        for path in paths:
            os.utime(path, (5, 5))
        return paths

    nightly()
    paths = grow_old()
    assert len(paths) == 2
    nightly()
    assert all(path.stat().st_mtime > 5 for path in paths)
    assert find_leftovers(WorkDir(str(work)), 30) == []

    (profile,) = (work / "profiles").iterdir()
    profile.rename(tmp_path / "given.profile")
    nightly(profile=tmp_path / "given.profile")
    (scores,) = grow_old()
    nightly(profile=tmp_path / "given.profile")
    assert scores.stat().st_mtime > 5


def test_refit_is_refused_where_it_has_no_effect(nightly, tmp_path):
    with pytest.raises(UsageError, match="--refit needs --target"):
        nightly(profile=tmp_path / "a.profile", refit=True)


def test_messages_and_summary_say_which_profile(zipsel, pool, target):
    select = ("select", pool, "--target", target, "--output", "out", "--top-k", 5)
    assert b"profile" not in zipsel(*select).stderr
    add_shard(pool)
    said = zipsel(*select).stderr.decode()
    assert "\nthe profile of the run of 20" in said
    assert "UTC is kept: the pool's sample has drifted by 0." in said
    assert "3 known, 1 scored" in said
    assert "out is up to date" in zipsel(*select).stderr.decode()
    said = zipsel(*select, "--refit").stderr.decode()
    assert "out is made again: --refit" in said
    assert "\na new profile is used in place of that of the run of 20" in said
    assert "UTC: --refit asks for it\n" in said


def test_standard_input_keeps_nothing(zipsel, pool, target):
    lines = b"".join(path.read_bytes() for path in sorted(pool.iterdir()))
    select = ("select", "-", "--target", target, "--output", "out", "--top-k", 5)
    for data in (lines, lines + lines.splitlines(keepends=True)[0].replace(b"0", b"1")):
        assert b"profile" not in zipsel(*select, stdin=data).stderr
