"""What ``zipsel peek`` looks at."""

from __future__ import annotations

from typing import IO

import msgspec

from zipsel.commands.rules import Options
from zipsel.commands.settings import readings
from zipsel.errors import BadShards, UsageError
from zipsel.pool.finding import find_shards
from zipsel.readers.peek import Peek, peek
from zipsel.report.print_peek import print_peeks

#: Shards that are looked at; of more, some from the whole list.
_MAX_SHARDS = 50


def run_peek(options: Options, stdout: IO[str]) -> list[Peek]:
    """Look at shards and print what stands in them.

    Raises:
        UsageError: If no shard is named or found.
        BadShards: If none can be read.
    """
    shards, errors = find_shards(options["shards"])
    if not shards:
        if errors:
            raise BadShards(errors, "Name files or directories of them")
        raise UsageError(f"no shard is in {' or '.join(options['shards'])}")
    step = -(-len(shards) // _MAX_SHARDS)
    reading = readings(options)["reading"]
    given = options.has("text_field", "template", "chat")
    peeks = [peek(shard, reading, reading.text if given else None) for shard in shards[::step]]
    if options["json"]:
        stdout.writelines(msgspec.json.encode(one).decode() + "\n" for one in peeks)
    else:
        print_peeks(peeks, errors, len(shards), stdout)
    return peeks
