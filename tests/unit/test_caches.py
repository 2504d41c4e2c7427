"""What a process keeps from one run to the next is told apart by content, not by path."""

import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel
from zipsel.errors import ProfileError, UsageError
from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.selection.inspection import TokenizerFile, load_tokenizer


def select(tmp_path, name, **options):
    result = zipsel.select(
        tmp_path / "pool", output=tmp_path / f"{name}.jsonl", work_dir=tmp_path / "work",
        workers=1, **{"top_k": 12, **options},
    )  # fmt: skip
    return result, [row["text"] for row in read_jsonl(tmp_path / f"{name}.jsonl")]


def test_a_profile_fitted_again_under_its_name_is_the_new_one(tmp_path, pool, records):
    path, found = tmp_path / "p.profile", []
    for kind in ("code", "law"):
        texts = [one["text"] for one in make_records(40, seed=1) if one["kind"] == kind]
        scorer = zipsel.Scorer.fit(
            texts, pool_sample=[one["text"] for one in records], scorer="ngram"
        )
        scorer.save(path)
        found.append(select(tmp_path, kind, profile=str(path), strategy="top")[1])
        by_hand = sorted((one["text"] for one in records), key=lambda t: -scorer.score([t])[0])
        assert found[-1] == by_hand[:12]
    assert not set(found[0]) & set(found[1])


def test_each_call_excludes_its_own_benchmark(tmp_path, pool, target):
    _, best = select(tmp_path, "all", target=target)
    for number, text in enumerate(best[:2]):
        bench = write_jsonl(tmp_path / f"bench-{number}.jsonl", [{"text": text}])
        _, texts = select(tmp_path, f"without-{number}", target=target, exclude=(str(bench),))
        assert text not in texts
        assert best[1 - number] in texts


def test_a_file_that_changes_under_a_run_is_refused(tmp_path):
    path = tmp_path / "p.profile"
    scorer = zipsel.Scorer.fit(["def return self for in range"], scorer="conditional")
    scorer.save(path)
    assert load_cached(ProfileFile(str(path), scorer.digest)).digest == scorer.digest
    with pytest.raises(ProfileError, match="written again"):
        load_cached(ProfileFile(str(path), "0" * 32))
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    model = tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")
    tokenizers.Tokenizer(model).save(str(tmp_path / "t.json"))
    with pytest.raises(UsageError, match="has changed"):
        load_tokenizer(TokenizerFile(str(tmp_path / "t.json"), "0" * 32))
