"""Mutants of staging, locks, output files, engines, exit codes and streams."""

from __future__ import annotations

from mutants_lib.model import Mutant

_STAGING = "unit/test_staging.py"
_WORKDIR = "unit/test_workdir.py"
_SUBSET = "unit/test_subset.py"
_AGAIN = "unit/test_manifest.py"
_ENGINE = "faults/test_engine.py"
_PROCESSES = "faults/test_processes.py"
_STREAMS = "cli/test_streams.py"
_AUTO = "unit/test_auto_budget.py"
_EVAL = "unit/test_subsets.py"
_API = "api/test_scorer.py"
_SELECT_API = "api/test_select.py"

MUTANTS = [
    Mutant(
        "storage/staging.py", "files have names before their bytes are on disk",
        "            file.flush()\n            os.fsync(file.fileno())\n", "", _STAGING,
    ),
    Mutant(
        "storage/staging.py", "a signal leaves half of the files without names",
        "            self._rename(again=True)\n", "", _STAGING,
    ),
    Mutant(
        "storage/staging.py", "files of a failed run stay",
        "                os.unlink(temporary)\n", "                pass\n",
        "unit/test_staging.py",
    ),
    Mutant(
        "storage/staging.py", "files that a live run is writing are swept",
        'if mark and found.startswith(prefix) and not is_alive(token.partition("-")[0]):',
        "if mark and found.startswith(prefix):", "unit/test_staging.py",
    ),
    Mutant(
        "storage/paths.py", "an upload whose answer was lost is not sent again",
        'raise OSError("the upload is gone") from None', "raise", "remote/test_output.py",
    ),
    Mutant(
        "storage/network.py", "what is refused is asked for again and again",
        "            if refusal is not None:\n", "            if False:\n",
        "remote/test_web.py",
    ),
    Mutant(
        "storage/ranges.py", "half of a range is taken for the whole",
        "if len(data) != end - start:", "if False:", "remote/test_web.py",
    ),
    Mutant(
        "storage/workdir.py", "two runs share a work directory",
        "fcntl.LOCK_SH if shared else fcntl.LOCK_EX", "fcntl.LOCK_SH", _WORKDIR,
    ),
    Mutant(
        "storage/workdir.py", "ranks sweep away what others have under way",
        "            if not shared:\n                self._sweep()\n            try:",
        "            self._sweep()\n            try:", _WORKDIR,
    ),
    Mutant(
        "storage/workdir.py", "all ranks fit the profile at once",
        "            fcntl.flock(lock, fcntl.LOCK_EX)\n            yield", "            yield",
        _WORKDIR,
    ),
    Mutant(
        "storage/workdir.py", "copies of standard input of killed runs stay",
        "            if not is_alive(process_id):\n", "            if False:\n", _WORKDIR,
    ),
    Mutant(
        "storage/workdir.py", "temporary files of killed runs stay",
        "if TEMPORARY_MARK in name:", "if False:",
        "unit/test_workdir.py",
    ),
    Mutant(
        "output/subset_file.py", "a shard has its name before its bytes are on disk",
        "            raw.flush()\n            os.fsync(raw.fileno())\n", "", _SUBSET,
    ),
    Mutant(
        "output/subset_file.py", "a gzip header holds the time",
        "fileobj=raw, mtime=0)", "fileobj=raw)", _SUBSET,
    ),
    Mutant(
        "output/subset_file.py", "files after the first 16 MB begin again",
        "        of_part = chosen.take(slice(*part))\n",
        "        of_part = chosen.take(slice(0, part[1] - part[0]))\n", _SUBSET,
    ),
    Mutant(
        "output/subset_file.py", "alignments of the first slice stand in every slice",
        "    yield add_field, chosen.alignment\n",
        "    yield add_field, np.sort(chosen.alignment)\n",
        "unit/test_subset.py",
    ),
    Mutant(
        "output/subset_file.py", "an existing field is written over",
        "if key in line and name in decode_object(line):", "if False:",
        "cli/test_select.py::test_a_field_that_exists_is_not_written_over",
    ),
    Mutant(
        "output/subset_file.py", "newlines do not count in the size of a file",
        "np.cumsum(sizes[some] + bytes_beside)", "np.cumsum(2 * sizes[some])", _SUBSET,
    ),
    Mutant(
        "output/subset_file.py", "what a killed worker left keeps the next from writing",
        "        os.unlink(task.temporary)  # of a worker that was killed\n", "        pass\n",
        "unit/test_subset.py",
    ),
    Mutant(
        "output/place.py", "an output with a file of another size is up to date",
        "!= file.n_bytes:\n                return False", "!= file.n_bytes:\n                pass",
        "unit/test_manifest.py",
    ),
    Mutant(
        "output/place.py", "an output with changed bytes is up to date",
        "sha256_of(path) == file.sha256", "True", _AGAIN,
    ),
    Mutant(
        "output/place.py", "the old manifest stands beside new files",
        "        paths.remove(self.side_file(MANIFEST))\n", "", _AGAIN,
    ),
    Mutant(
        "output/place.py", "shards of an earlier run stay",
        "if _is_subset_name(name) or name == UNFINISHED:", "if name == UNFINISHED:",
        "unit/test_manifest.py",
    ),
    Mutant(
        "output/place.py", "temporaries of other outputs are cleared beside a single file",
        'sweep_temporaries(self.subset_directory, f".{os.path.basename(self.path)}")',
        "sweep_temporaries(self.subset_directory)", _AGAIN,
    ),
    Mutant(
        "output/manifest.py", "a file of the user's is written over",
        "    if foreign:\n", "    if False:\n", _AGAIN,
    ),
    Mutant(
        "output/dolma.py", "spans of attributes end one character early",
        "[[0, len(parser.parse(line)[0]), value]]", "[[0, len(parser.parse(line)[0]) - 1, value]]",
        "integrations/test_dolma.py",
    ),
    Mutant(
        "engines/local.py", "tasks of a dead worker are not tried again",
        "                yield from self._retry_alone(function, suspects)\n",
        "                raise worker_died(suspects[0])\n", _ENGINE,
    ),
    Mutant(
        "engines/local.py", "memory that ran out is not tried again",
        "BrokenProcessPool | MemoryError)", "BrokenProcessPool)", _ENGINE,
    ),
    Mutant(
        "engines/local.py", "tasks that ran beside a dead worker are lost",
        "                suspects.extend(running.values())\n                running.clear()\n",
        "                running.clear()\n", _ENGINE,
    ),
    Mutant(
        "engines/worker.py", "workers outlive their parent",
        "        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True)"
        ".start()\n",
        "        pass\n",
        f"{_PROCESSES}::test_workers_of_a_killed_run_end_and_its_lock_does_not_block",
    ),
    Mutant(
        "engines/worker.py", "what a worker prints stands in the data",
        "    os.dup2(2, 1)\n", "",
        f"{_PROCESSES}::test_standard_output_carries_data_only_whatever_is_printed",
    ),
    Mutant(
        "engines/cpus.py", "the quota of a container is ignored",
        "return max(1, min(n_cpus, math.ceil(quota))) if quota else n_cpus", "return n_cpus",
        "unit/test_cpus.py",
    ),
    Mutant(
        "errors.py", "too many refused rows end with code 1",
        "    exit_code = 3", "    exit_code = 1",
        "cli/test_select.py::test_too_many_refused_rows_are_exit_code_3",
    ),
    Mutant(
        "cli/__init__.py", "SIGTERM ends with code 130",
        "_EXIT_TERMINATED = 143", "_EXIT_TERMINATED = 130",
        f"{_PROCESSES}::test_a_signal_ends_a_run_in_order_and_it_resumes",
    ),
    Mutant(
        "cli/__init__.py", "a reader that leaves is a failure",
        "        code = _EXIT_PIPE\n", "        code = 1\n",
        f"{_PROCESSES}::test_a_reader_that_leaves_ends_the_run_quietly",
    ),
    Mutant(
        "cli/select.py", "--fail-if-empty is ignored",
        'if n_chosen == 0 and options["fail_if_empty"]:', "if False:",
        "cli/test_select.py::test_an_empty_subset_is_no_error_unless_asked",
    ),
    Mutant(
        "commands/start.py", "--fail-if-empty overlooks an output that is up to date",
        "return sum(file.n_records for file in manifest.files) if manifest else None",
        "return None", "cli/test_select.py::test_an_empty_subset_is_no_error_unless_asked",
    ),
    Mutant(
        "commands/stream_task.py", "a line at the least alignment is dropped",
        "alignment >= task.min_alignment", "alignment > task.min_alignment",
        f"{_STREAMS}::test_the_least_alignment_itself_is_passed_on",
    ),
    Mutant(
        "commands/stream_task.py", "a stream passes leaks on",
        "                if found.leak is not None:\n", "                if False:\n",
        f"{_STREAMS}::test_a_filter_refuses_leaks_and_copies_and_counts_them",
    ),
    Mutant(
        "commands/stream.py", "a stream passes copies on",
        "if written.add(digest)]", "if written.add(digest) or True]",
        f"{_STREAMS}::test_a_filter_refuses_leaks_and_copies_and_counts_them",
    ),
    Mutant(
        "commands/stream.py",
        "refused rows are numbered from the chunk",
        'row=mine.n_rows + reject.row',
        'row=reject.row',
        f"{_STREAMS}::test_refused_rows_are_numbered_across_chunks",
    ),
    Mutant(
        "commands/stream.py", "the sample of a stream is its first chunk",
        "        if n_bytes >= settings.fit.sample_bytes:\n            break\n", "        break\n",
        f"{_STREAMS}::test_the_sample_of_a_stream_is_as_long_as_asked",
    ),
    Mutant(
        "commands/stream.py", "a number of refused rows is judged at the end",
        "        if isinstance(settings.max_rejects, int):  # no later row can mend it\n"
        "            counts.check(settings)\n", "",
        f"{_STREAMS}::test_too_many_refused_rows_end_a_stream_at_once",
    ),
    Mutant(
        "commands/stream.py", "a percentage of refused rows is never judged",
        "    counts.check(settings)\n    return counts\n", "    return counts\n",
        f"{_STREAMS}::test_a_percentage_of_refused_rows_is_judged_at_the_end",
    ),
    Mutant(
        "api/scorer.py", "rows without text score 0",
        "column = pa.array(alignment, mask=np.isnan(alignment))",
        "column = pa.array(np.nan_to_num(alignment))", _API,
    ),
    Mutant(
        "api/scorer.py", "rows after the first 1024 score like those",
        "table.slice(start, _BATCH_ROWS)",
        "table.slice(0, min(_BATCH_ROWS, table.num_rows - start))",
        _API,
    ),
    Mutant(
        "api/select.py", "n_rejected counts what was passed over",
        "n_rejected=counts.n_rejected,", "n_rejected=counts.n_passed,", _SELECT_API,
    ),
    Mutant(
        "api/select.py", "force is ignored from Python",
        ', force=chosen["force"])', ")", _SELECT_API,
    ),
    Mutant(
        "evaluation/auto_budget.py", "a held-out fold is in its own target",
        "target.take(np.flatnonzero(~is_held_out))", "target", _AUTO,
    ),
    Mutant(
        "evaluation/auto_budget.py", "held-out examples may be chosen",
        "exclude = (*self.select.exclude, _write(f\"{path}-held-out.jsonl\", held_out))",
        "exclude = self.select.exclude", _AUTO,
    ),
    Mutant(
        "evaluation/auto_budget.py", "the first fold speaks for all",
        "for curve in curves]).mean(axis=0)", "for curve in curves])[0]", _AUTO,
    ),
    Mutant(
        "evaluation/auto_budget.py", "budgets up to the whole pool are tried",
        "_POOL_SHARE = 0.2", "_POOL_SHARE = 1.0", _AUTO,
    ),
    Mutant(
        "evaluation/verdicts.py", "figures are of one order alone",
        "bits = bits.mean(axis=0)", "bits = bits[0]", _EVAL,
    ),
    Mutant(
        "evaluation/held_out.py", "the curve is of other sizes than it says",
        "for limit in (int(share * size) for share in _SHARES):",
        "for limit in (int(share * share * size) for share in _SHARES):",
        "unit/test_subsets.py cli/test_eval.py::test_select_reports_what_its_subset_is_worth",
    ),
    Mutant(
        "evaluation/ppm.py", "a subset is cut within a character",
        "    while n_bytes > 0 and text[n_bytes] & 0xC0 == 0x80:\n        n_bytes -= 1\n", "",
        "unit/test_ppm.py",
    ),
]  # fmt: skip
