"""What a reader should know before trusting a run, as sentences with the numbers in them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from zipsel.console.safe_text import count_of, name_some, printable
from zipsel.report.model import ProfileUse, Report

#: Factor between the median lengths of subset and pool that is worth a look.
_LENGTH_BIAS = 1.5

#: Share of the subset from one shard, where shards are many.
_ONE_SHARD = 0.5

#: Share of a text explained by the target from which it looks like a copy.
_COPY = 0.85

#: Files that a sentence names, and shares that have a sentence each.
_N_FILES = _N_SHARES = 5


class Finding(NamedTuple):
    """A sentence to know, and whether it asks for a look."""

    look: bool
    text: str


def findings(report: Report) -> list[Finding]:
    """Everything worth saying, what asks for a look first."""
    found = [
        *_about_choice(report),
        *_about_lengths(report),
        *_about_copies(report),
        *_about_input(report),
        *_about_profile(report),
    ]
    return sorted(found, key=lambda finding: not finding.look)


def _about_choice(report: Report) -> list[Finding]:
    counts = report.counts
    if not counts.n_chosen:
        return [Finding(True, f"Nothing was chosen: {_say_nothing(report)}.")]
    short_shares = sorted(report.shortfalls, key=lambda short: short["used"] - short["wanted"])
    found = [
        Finding(
            True,
            f"The share of {printable(str(short['name']), 60)} was not filled: "
            f"{short['used']:,.0f} of {short['wanted']:,.0f}.",
        )
        for short in short_shares[:_N_SHARES]
    ]
    n_more = len(short_shares) - len(found)
    if n_more:
        others = "1 other share was" if n_more == 1 else f"{n_more:,} other shares were"
        found.append(Finding(True, f"{others} not filled either."))
    if report.ran_out and not report.shortfalls:
        found.append(Finding(True, _say_ran_out(report)))
    median = report.quantiles.get("pool", {}).get("p50")
    if report.threshold is not None and median is not None:
        whom = "records compared" if counts.n_no_contenders else "pool's records"
        found.append(
            Finding(
                report.threshold <= median,
                f"The lowest alignment chosen is {report.threshold:.3f}; "
                f"the median of the {whom} is {median:.3f}.",
            )
        )
    if counts.n_chosen > counts.n_scored / 2:
        found.append(
            Finding(True, "More than half of the pool was chosen: the budget selects little.")
        )
    largest = max(report.shards, key=lambda shard: shard.n_chosen, default=None)
    if largest is not None and len(report.shards) > 2:
        share = largest.n_chosen / counts.n_chosen
        of_pool = (largest.n_rows - largest.n_rejected) / max(1, counts.n_scored)
        if share > _ONE_SHARD and share > 2 * of_pool:
            found.append(
                Finding(
                    True,
                    f"{share:.0%} of the subset comes from {printable(largest.path, 80)}, "
                    f"which is {of_pool:.0%} of the pool.",
                )
            )
    return found


def _say_nothing(report: Report) -> str:
    counts = report.counts
    if not counts.n_scored:
        return "the pool has no record that can be used"
    leaks = f" but for {count_of(counts.n_leaks, 'leak')}" if counts.n_leaks else ""
    return f"no record meets {report.budget}{leaks}"


def _say_ran_out(report: Report) -> str:
    counts = report.counts
    n_others = counts.n_passed - counts.n_leaks - counts.n_duplicates
    if n_others <= 0:
        return (
            f"The pool ran out before {report.budget} was reached: every record that was left "
            "was taken, however far from the target."
        )
    why = f"for {' and '.join(report.limits)}" if report.limits else "since they exceed it"
    others = "another record was" if n_others == 1 else f"{n_others:,} other records were"
    return f"{report.budget} was not reached: {others} left out {why}."


def _about_lengths(report: Report) -> list[Finding]:
    pool = report.length_quantiles.get("pool", {}).get("p50")
    subset = report.length_quantiles.get("subset", {}).get("p50")
    if not pool or not subset:
        return []
    ratio = subset / pool
    how = "much longer" if ratio > _LENGTH_BIAS else "much shorter"
    biased = not 1 / _LENGTH_BIAS <= ratio <= _LENGTH_BIAS
    sizes = f"{subset:,.0f} bytes against {pool:,.0f}"
    if biased:
        return [Finding(True, f"Chosen texts are {how} than the pool's (median {sizes}).")]
    return [Finding(False, f"Chosen texts are about as long as the pool's (median {sizes}).")]


def _about_copies(report: Report) -> list[Finding]:
    leaks = [removal for removal in report.removed if "leak" in removal.cause]
    copies = [
        record
        for record in (*report.best, *report.random)
        if record.strip is not None and (record.strip.conditional or 0) > _COPY
    ]
    found = [
        Finding(
            removal.n_records > 0 or not removal.sought,
            f"{_leaks_found(removal.n_records)} {removal.note}" if removal.sought else removal.note,
        )
        for removal in leaks
    ]
    if copies:
        some = (
            "One of the shown records is"
            if len(copies) == 1
            else (f"{len(copies)} of the shown records are")
        )
        found.append(
            Finding(True, f"{some} more than {_COPY:.0%} explained by the target: perhaps copies.")
        )
    return found


def _leaks_found(n_records: int) -> str:
    if not n_records:
        return "No leaks were found."
    return f"{n_records:,} {'leak was' if n_records == 1 else 'leaks were'} found and left out."


def _about_fields(report: Report) -> list[Finding]:
    """Which of several fields the texts are from."""
    files: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for shard in report.shards:
        files.update(shard.fields.keys())
        texts.update(shard.fields)
    if not texts:
        return []
    said = ", ".join(
        f"{n:,} of {printable(name, 60)} in {count_of(files[name], 'file')}"
        for name, n in texts.most_common()
    )
    return [Finding(False, f"Texts by field: {said}.")]


def _about_chats(report: Report) -> list[Finding]:
    """What of the chats is in no text."""
    counts = report.counts.left_out
    if not counts:
        return []
    said = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    return [Finding(False, f"Parts of chats that no text holds: {said}.")]


def _about_empty_files(report: Report) -> list[Finding]:
    """Files of which nothing was chosen."""
    empty = [shard.path for shard in report.shards if not shard.n_chosen]
    if not empty or len(report.shards) < 2:
        return []
    shown = name_some(empty, _N_FILES, 60)
    total = len(report.shards)
    return [Finding(False, f"{len(empty):,} of {total:,} files gave nothing: {shown}.")]


def say_profile(use: ProfileUse) -> str:
    """Which profile was used and why; empty where a first run would have used the same."""
    when = f"the run of {use.since[:16].replace('T', ' ')} UTC" if use.since else "an earlier run"
    drift = "" if use.drift is None else f"the pool's sample has drifted by {use.drift:.2f}"
    if use.kept and drift:
        return f"the profile of {when} is kept: {drift} since (limit {use.limit})"
    if drift or use.reason:
        why = use.reason or f"{drift} since (limit {use.limit})"
        return f"a new profile is used in place of that of {when}: {why}"
    return ""


def _about_profile(report: Report) -> list[Finding]:
    """How the choice depends on earlier runs, and how to repeat it."""
    use, origin = report.profile_use, report.provenance
    said = "" if use is None else say_profile(use)
    if use is None or not said:
        return []
    found = [Finding(False, f"{said[0].upper()}{said[1:]}.")]
    if use.kept and origin is not None:  # and the pool is another one
        found.append(
            Finding(
                False,
                "A run into a new output, or --refit, fits a profile on the pool as it is now, and "
                "its choice differs from this one; this one is repeated by --profile "
                f"{printable(origin.profile, 300)} in place of --target.",
            )
        )
    return found


def _about_input(report: Report) -> list[Finding]:
    counts, found = report.counts, []
    if report.bad_shards:
        files = count_of(len(report.bad_shards), "file")
        found.append(Finding(True, f"{files} could not be read whole."))
    if counts.n_rejected:
        share = counts.n_rejected / max(1, counts.n_rows)
        found.append(
            Finding(share > 0.001, f"Refused: {count_of(counts.n_rejected, 'row')} ({share:.2%}).")
        )
    else:
        found.append(Finding(False, "Every row could be read."))
    if counts.n_no_contenders:
        share = counts.n_no_contenders / max(1, counts.n_scored)
        found.append(Finding(False, f"{share:.0%} of the pool was ruled out by its n-grams alone."))
    found += [*_about_fields(report), *_about_chats(report), *_about_empty_files(report)]
    n_sample = report.profile.get("n_sample_records", 0)
    n_target = report.profile.get("n_target", 0)
    if n_sample:
        found.append(
            Finding(
                n_target < 5,
                f"Scores were fitted on {count_of(n_target, 'target example')} "
                f"and {n_sample:,} sampled pool records.",
            )
        )
    return found
