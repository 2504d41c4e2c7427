"""What has changed since the last run into the same output, in words.

A manifest keeps what its output was made from: one value for each option, version and set of input
files. Equal values, equal output; of others each is named. Shards are told apart by their content
and path with the help of the last report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from zipsel.console.safe_text import count_of, name_some
from zipsel.output.place import Output
from zipsel.pool.shards import Shard
from zipsel.storage.paths import read_bytes

#: Value of each option, version and set of files.
MadeFrom = Mapping[str, str]

#: Longer values are not shown, only that they changed.
_SHOWN_CHARACTERS = 40

#: Names that a message lists.
_N_SHOWN = 3


class _PastShard(msgspec.Struct):
    path: str
    fingerprint: str


class _PastReport(msgspec.Struct):
    shards: list[_PastShard] = []


def list_changes(output: Output, made_from: MadeFrom, shards: Sequence[Shard]) -> list[str]:
    """Sentences on what has changed since the last run; none if there was none.

    Args:
        output: Where the last run wrote.
        made_from: Of this run.
        shards: Of this run.
    """
    manifest = None if output.is_stdout else output.read_manifest()
    if manifest is None:
        return []
    changes = list(_iter_shard_changes(output, shards))
    for name in sorted({*manifest.made_from, *made_from} - {"pool"}):
        before, now = manifest.made_from.get(name), made_from.get(name)
        if before != now:
            changes.append(f"{name} {_shown(before, now)}")
    if not changes and manifest.made_from.get("pool") != made_from.get("pool"):
        changes.append("the pool's files come in another order")
    return changes


def _shown(before: str | None, now: str | None) -> str:
    values = [one if one else "none" for one in (before, now)]
    if max(map(len, values)) > _SHOWN_CHARACTERS or _is_digest(values):
        return "changed"
    return f"was {values[0]} and is {values[1]}"


def _is_digest(values: Sequence[str]) -> bool:
    return any(len(value) == 32 and set(value) <= set("0123456789abcdef") for value in values)


def _iter_shard_changes(output: Output, shards: Sequence[Shard]) -> Iterator[str]:
    """How the pool differs from the last run's."""
    try:
        content = read_bytes(output.side_file("report.json"))
        past = msgspec.json.decode(content, type=_PastReport).shards
    except (OSError, msgspec.MsgspecError):
        return
    before = {shard.path: shard.fingerprint for shard in past}
    now = {shard.path: shard.fingerprint for shard in shards}
    contents, past_contents = set(now.values()), set(before.values())
    gone = [path for path in before if path not in now]
    added = [path for path in now if path not in before]
    yield from _sentence([one for one in gone if before[one] not in contents], "gone")
    yield from _sentence([one for one in added if now[one] not in past_contents], "new")
    yield from _sentence([one for one in added if now[one] in past_contents], "under another path")
    changed = [path for path in now if before.get(path, now[path]) != now[path]]
    yield from _sentence(changed, "changed")


def _sentence(paths: Sequence[str], what: str) -> Iterator[str]:
    if paths:
        names = name_some(paths, _N_SHOWN, 200)
        yield f"{count_of(len(paths), 'shard')} {what}: {names}"
