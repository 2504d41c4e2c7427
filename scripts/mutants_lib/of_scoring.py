"""Mutants of fitting, sidecars, digests, shares, uploads and the checks between passes."""

from __future__ import annotations

from mutants_lib.model import Mutant

_KEYS = "unit/test_plan.py::test_whatever_changes_a_score_changes_the_folder_of_the_scores"
_FIT = "unit/test_fitting.py"
_AGAIN = "unit/test_manifest.py"
_RANKS = "engines/test_ranks.py"
_FILES = "faults/test_files.py"
_FAR = "remote/test_work_dir.py"

MUTANTS = [
    Mutant(
        "scoring/plan.py", "scores of another version are met",
        '            "version": SIDECAR_VERSION,\n',
        "", _KEYS,
    ),
    Mutant(
        "scoring/plan.py", "scores of another profile are met",
        '            "profile": file.digest,\n',
        "", _KEYS,
    ),
    Mutant(
        "scoring/plan.py", "scores of another template are met",
        '            "reading": settings.reading,\n', "", _KEYS,
    ),
    Mutant(
        "scoring/plan.py", "scores of a salvaged pool are met",
        '            "salvage": settings.on_bad_file == "salvage",\n', "", _KEYS,
    ),
    Mutant(
        "scoring/fitting.py", "the profile of another pool is met",
        ', "pool": pool}), targets', "}), targets", _FIT,
    ),
    Mutant(
        "scoring/fitting.py", "the profile of another target is met",
        '            "target": digest_targets(targets),\n',
        "", _FIT,
    ),
    Mutant(
        "scoring/fitting.py", "the profile of another template is met",
        '            "reading": settings.reading,\n', "", _FIT,
    ),
    Mutant(
        "scoring/fitting.py", "the profile of another seed is met",
        '            "fit": settings.fit,\n', "", _FIT,
    ),
    Mutant(
        "commands/made_from.py", "an output by another profile is up to date",
        '        made["profile"] = key\n', "        pass\n", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output of another target is up to date",
        '        made["target"] = digest_of(digest_targets(targets))\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output of another pool is up to date",
        '        ("pool", "pool"),\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output with another benchmark is up to date",
        '        ("exclude", "--exclude-overlap"),\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output with other held-out examples is up to date",
        '        ("held-out", "--eval-target"),\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output of another template is up to date",
        "    made |= _iter_options(settings.reading)\n", "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output of other options is up to date",
        "made = dict(_iter_options(select))", "made: dict[str, str] = {}", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output that skipped bad files is up to date",
        '        "--on-bad-file": settings.on_bad_file,\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output with more refused rows than allowed is up to date",
        '        "--max-rejects": str(settings.max_rejects),\n', "", _AGAIN,
    ),
    Mutant(
        "commands/made_from.py", "an output of another version is up to date",
        '    made |= {f"version of {name}": one for name, one in library_versions().items()}\n',
        "", _AGAIN,
    ),
    Mutant(
        "scoring/plan.py", "bad shards stay in the counts",
        "    tally.take_back([shard for shard in shards if shard.path in bad])\n", "",
        "unit/test_plan.py",
    ),
    Mutant(
        "scoring/tally.py", "of texts of one length only the last part's count",
        "self.lengths[length_bin] += times * n_texts", "self.lengths[length_bin] = times * n_texts",
        "unit/test_plan.py",
    ),
    Mutant(
        "scoring/sidecar.py", "a part under a higher threshold is taken for done",
        "self.threshold is None or (threshold is not None and self.threshold <= threshold)", "True",
        "unit/test_passes.py",
    ),
    Mutant(
        "scoring/sidecar.py", "a part under the same threshold is scored again",
        "self.threshold <= threshold)", "self.threshold < threshold)",
        "selection/test_selector.py::test_choosing_again_scores_nothing",
    ),
    Mutant(
        "scoring/pending.py", "--force scores nothing again",
        "        if self._force:\n            return None\n", "",
        "unit/test_plan.py",
    ),
    Mutant(
        "scoring/plan.py", "a file of which nothing can be used is no bad file",
        "if not is_whole or n_rows == 0 or rejects.total() < n_rows:", "if True:",
        f"{_FILES}::test_a_file_of_which_nothing_can_be_used_is_a_bad_file",
    ),
    Mutant(
        "scoring/histogram.py", "what is taken back is counted a second time",
        'self.n_records[counted["bin"]] += times * counted',
        'self.n_records[counted["bin"]] += counted', "unit/test_sidecar.py",
    ),
    Mutant(
        "scoring/histogram.py", "-0.0 is lower than 0.0",
        "bits = (values + 0.0).astype", "bits = values.astype", "property/test_choice.py",
    ),
    Mutant(
        "scoring/sidecar.py", "rows are numbered without the refused ones",
        "first_row += summary.n_rows\n", "first_row += summary.n_rows - summary.n_rejected\n",
        "unit/test_sidecar.py",
    ),
    Mutant(
        "scoring/sidecar_writer.py", "a group has the bytes of its last record",
        "(n_records + 1, n_total + length)", "(n_records + 1, length)", "unit/test_sidecar.py",
    ),
    Mutant(
        "scoring/sidecar_writer.py", "the histogram has the lengths of the first records",
        "n_bytes[contends]))", "n_bytes[: int(contends.sum())]))",
        "unit/test_sidecar.py unit/test_passes.py",
    ),
    Mutant(
        "scoring/task.py", "a shard that changes while it is scored is kept",
        "    check_unchanged(shard)  # rows of two versions are never kept\n",
        "",
        "unit/test_plan.py",
    ),
    Mutant(
        "scoring/task.py", "of workers that share a stream one scores the chunks of others",
        "return index % self.step == self.first", "return index % self.step <= self.first",
        "unit/test_plan.py",
    ),
    Mutant(
        "scoring/pool_sample.py", "another seed draws from the same shards",
        "Random(seed).shuffle(order)", "Random(0).shuffle(order)",
        "unit/test_fitting.py",
    ),
    Mutant(
        "scoring/pool_sample.py", "the sample is of the first shards alone",
        "share = max(_RUN_BYTES, sample_bytes // max(1, min(len(order), _MAX_SHARDS)))",
        "share = sample_bytes", "unit/test_fitting.py",
    ),
    Mutant(
        "scoring/rejects.py", "rows lost in a salvaged file count as refused",
        "    del rejects[Reason.DAMAGED.value]\n", "",
        f"{_FILES}::test_what_stands_before_the_damage_is_salvaged "
        f"{_FILES}::test_a_damaged_row_group_is_refused_row_by_row_and_later_rows_keep_their_numbers",
    ),
    Mutant(
        "scoring/settings.py", "1 % of 150 rows are two",
        "return int(float(self.max_rejects[:-1]) / 100 * n_rows)",
        "return -int(-float(self.max_rejects[:-1]) / 100 * n_rows // 1)",
        "unit/test_settings.py",
    ),
    Mutant(
        "scoring/ranks.py", "the first rank has the first chunk of every shard",
        "(first + chunk) % self.share.world_size", "chunk % self.share.world_size", _RANKS,
    ),
    Mutant(
        "scoring/ranks.py", "the step of a Slurm array is ignored",
        "return (this - first) // step, count", "return this - first, count", _RANKS,
    ),
    Mutant(
        "scoring/ranks.py", "a compressed shard is cut among ranks",
        "cut = [one for one in large if may_cut and one.seekable]",
        "cut = [one for one in large if may_cut]", _RANKS,
    ),
    Mutant(
        "commands/score.py", "a rank writes the scores of others",
        "scores.parts = [p for p in scores.parts if dealt.has(p.shard, p.summary.index)]", "pass",
        _RANKS,
    ),
    Mutant(
        "scoring/exchange.py", "unfinished parts are uploaded",
        "if isinstance(part, ScoredPart) and part.summary.threshold is None:",
        "if isinstance(part, ScoredPart):",
        _FAR,
    ),
    Mutant(
        "scoring/pending.py", "small shards are scored again though a pack has them",
        "found = None if self._force else self._small.find(shard)", "found = None",
        "unit/test_packs.py",
    ),
    Mutant(
        "scoring/small_shards.py", "a small shard may change while it is scored",
        "        check_unchanged(shard)", "        pass",
        "unit/test_packs.py",
    ),
    Mutant(
        "scoring/small_shards.py", "a bad small shard takes the others of its task with it",
        "return [found for shard in task.shards for found in _score_alone(task.job, shard)]",
        "raise",
        "unit/test_packs.py",
    ),
    Mutant(
        "scoring/cleaning.py", "packs go with the first of their shards",
        "is_part=n_gone < len(of_parts)", "is_part=False",
        "unit/test_packs.py",
    ),
    Mutant(
        "scoring/exchange.py",
        "scores of other machines are not fetched",
        '        self._download(folder, sorted(stored - finished))\n',
        '',
        _FAR,
    ),
    Mutant(
        "scoring/exchange.py",
        "scores that were made before are not uploaded",
        'for name in sorted(finished - stored):',
        'for name in ():',
        _FAR,
    ),
    Mutant(
        "scoring/exchange.py", "each machine fits a profile of its own",
        "        if not os.path.exists(path):\n            with suppress(OSError):",
        "        if False:\n            with suppress(OSError):", _FAR,
    ),
]  # fmt: skip
