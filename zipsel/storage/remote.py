"""Files behind a URL (``s3://``, ``gs://``, ``az://``, ``hf://``, ``https://``): which there are.

A missing or forbidden object is a ``ShardError``, which names its URL; a network that fails is a
``StorageError`` (``network.insist``). ``ranges`` reads what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from zipsel.errors import ShardError
from zipsel.storage.network import Answer, insist, open_system

#: Keys of a description whose values change when the file does.
_MARKS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "generation", "sha")

#: Keys of a description whose values follow the content alone: of S3, of Google, of Hugging Face.
_CHECKSUMS = ("ETag", "md5Hash", "blob_id")


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return "://" in path


def local_path(path: str) -> str | None:
    """The path on this machine that a path or a ``file://`` URL names; None for other URLs."""
    url = path.rpartition("::")[2]
    if not is_remote(url):
        return path
    if url.partition("://")[0].lower() not in ("file", "local"):
        return None
    return open_system(url)[1]


def canonical(path: str) -> str:
    """A URL as it is compared: one name for each protocol, no slash at the end."""
    system, name = open_system(path)
    service = getattr(system, "service_client", None)  # of Azure's store: it knows the account
    return _address_of(system, name, f"@{service.account_name}" if service else "").rstrip("/")


def _address_of(system: Any, name: str, account: str) -> str:
    """The URL of a name in a file system.

    Args:
        system: The fsspec file system.
        name: Of a file there.
        account: What follows the container in URLs of Azure's store, which fsspec leaves out.
    """
    if "abfs" not in system.protocol:
        return str(system.unstrip_protocol(name))
    container, _, rest = name.partition("/")
    return f"az://{container}{account}/{rest}"


class Description(NamedTuple):
    """What a provider says of a file.

    Attributes:
        n_bytes: Size.
        mark: Changes when the file does.
        checksum: Equal for files of equal content, wherever they are; empty if there is none.
    """

    n_bytes: int
    mark: str
    checksum: str = ""


def find(pattern: str, wanted: Callable[[str], bool]) -> dict[str, Description | None]:
    """The files behind a URL: itself, those below it that are ``wanted``, or those it matches.

    Returns:
        URL, in order → what the listing says of the file; None where only the file itself can be
        asked (``describe``).

    Raises:
        ShardError: If there is none.
        StorageError: If the provider cannot be reached.
    """
    system, path = open_system(pattern)
    # fsspec leaves directories out of a walk that it cannot list, unless told otherwise.
    strict = {"on_error": "raise"} if is_web(system) else {}

    def list_files() -> dict[str, Any]:
        system.invalidate_cache()
        start = _magic_start(system, path)
        if start is not None:
            found = system.glob(path, detail=True, **strict)
            if not found:
                system.ls(path[:start].rpartition("/")[0], detail=False)  # can it be listed at all?
            files = {name: info for name, info in found.items() if info["type"] != "directory"}
            for folder in found.keys() - files.keys():
                files |= _below(system, folder, wanted)
            return files
        info = system.info(path)
        return {path: info} if info["type"] == "file" else _below(system, path, wanted)

    files = dict(sorted(asked(pattern, list_files).items()))
    if not files:
        raise ShardError(pattern, "no object matches it, or no shard is below it")
    account = re.match(r"\w+://[^/@]*(@[^/]*)?", pattern)
    listed = {
        _address_of(system, name, (account and account[1]) or ""): _description(system, info)
        for name, info in files.items()
    }
    first = next(iter(listed))
    # A provider's listing may say less, or in other words, than its answer for one file.
    is_enough = len(listed) > 1 and not is_web(system) and listed[first] == describe(first)
    return listed if is_enough else dict.fromkeys(listed)


def _below(system: Any, folder: str, wanted: Callable[[str], bool]) -> dict[str, Any]:
    return {name: one for name, one in system.find(folder, detail=True).items() if wanted(name)}


def _magic_start(system: Any, path: str) -> int | None:
    """Where the first wildcard is; on the web a question mark begins a query and is none."""
    magic = "*[" if is_web(system) else "*?["
    return next((i for i, character in enumerate(path) if character in magic), None)


def is_web(system: Any) -> bool:
    """Whether a file system is a web server, which lists nothing."""
    return "https" in system.protocol


def describe(path: str) -> Description:
    """Size and version of a file, asked for anew.

    Raises:
        ShardError: If it is missing or may not be read.
        StorageError: If the provider cannot be reached.
    """
    system, name = open_system(path)

    def look() -> dict[str, Any]:
        system.invalidate_cache()
        found: dict[str, Any] = system.info(name)
        return found

    described = _description(system, asked(path, look))
    if described is None:
        raise ShardError(path, "the server does not tell its size; download it")
    return described


def _description(system: Any, info: dict[str, Any]) -> Description | None:
    """What a file's entry says; None without a size."""
    if info.get("size") is None:
        return None
    checksums = () if is_web(system) else _CHECKSUMS  # a web server's ETag is often of its clock
    return Description(
        int(info["size"]),
        "\0".join(f"{key}={info[key]}" for key in _MARKS if key in info),
        next((f"{key}={info[key]}" for key in checksums if info.get(key)), ""),
    )


def asked(path: str, ask: Callable[[], Answer]) -> Answer:
    """As ``insist``, where a missing or forbidden object is a shard that cannot be read."""
    try:
        return insist(path, ask)
    except OSError as error:
        raise ShardError(path, error.strerror or str(error)) from None
