"""Files behind a URL (``s3://``, ``gs://``, ``hf://``, ``https://``), read through fsspec.

A file is read in ranges, which grow while it is read from end to end, so that row groups of Parquet
and single lines cost little and streams few requests. What the network does is never taken for a
bad file: a range that fails or comes short is asked for again, later each time, and what goes on
failing ends the run as a ``StorageError``. A missing file or bucket, or one that the provider will
not show, is the user's to put right and is a ``ShardError``. Credentials come from the provider's
own chain (environment, files, instance) and are not looked at here.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NamedTuple, TypeVar

from zipsel.errors import ShardError, StorageError, UsageError, ZipselError

Answer = TypeVar("Answer")

#: The first range that is asked for, and the largest: each doubles while reading goes straight on.
_FIRST_RANGE_BYTES = 1 << 18
_LAST_RANGE_BYTES = 1 << 23

#: Attempts beyond those that the provider's own library makes, and the wait after the first.
_ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 0.5

#: What each provider's library raises where its chain of credentials comes to an end.
_NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError",
     "DefaultCredentialsError", "TokenRetrievalError"}
)  # fmt: skip

#: What of a description changes when a file does.
_MARKS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "generation", "sha")

_wait = time.sleep


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
    return str(system.unstrip_protocol(name)).rstrip("/")


class Description(NamedTuple):
    """What a provider says of a file.

    Attributes:
        n_bytes: Its size.
        mark: Changes when the file does.
    """

    n_bytes: int
    mark: str


def expand(pattern: str, wanted: Callable[[str], bool]) -> list[str]:
    """The files behind a URL: itself, those below it that are ``wanted``, or those it matches.

    Raises:
        ShardError: If there is none.
        StorageError: If the provider cannot be reached.
    """
    system, path = open_system(pattern)

    def list_files() -> Iterable[str]:
        system.invalidate_cache()
        if any(character in path for character in "*?["):
            return list(system.glob(path))
        if system.isfile(path):
            return [path]
        return [name for name in system.find(path) if wanted(name.rpartition("/")[2])]

    names = sorted(insist(pattern, list_files))
    if not names:
        raise ShardError(pattern, "no such object or bucket, or no shard below it")
    return [str(system.unstrip_protocol(name)) for name in names]


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

    found = insist(path, look)
    if found.get("size") is None:
        raise ShardError(path, "the server does not tell its size; download it")
    return Description(
        int(found["size"]), "\0".join(f"{key}={found[key]}" for key in _MARKS if key in found)
    )


def open_remote(path: str, n_bytes: int) -> BinaryIO:
    """Open a file of known size for reading and seeking.

    Raises:
        UsageError: If the library for its protocol is not installed.
    """
    system, name = open_system(path)
    return io.BufferedReader(_Ranges(system, name, path, n_bytes), _FIRST_RANGE_BYTES)


class _Ranges(io.RawIOBase):
    """A file that is read in ranges.

    Args:
        system: Its fsspec file system.
        name: Its name there.
        path: Its URL, for messages.
        n_bytes: Its size.
    """

    def __init__(self, system: Any, name: str, path: str, n_bytes: int) -> None:
        self._system = system
        self._name = name
        self._path = path
        self._n_bytes = n_bytes
        self._position = 0
        self._held = b""
        self._held_at = 0
        self._range_bytes = _FIRST_RANGE_BYTES

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; nothing is asked for yet."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._n_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """Where reading goes on."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or some of it.

        Raises:
            ShardError: If the file is gone.
            StorageError: If it cannot be read.
        """
        held_end = self._held_at + len(self._held)
        if not self._held_at <= self._position < held_end:
            if self._position >= self._n_bytes:
                return 0
            onward = self._held and self._position == held_end
            grown = min(2 * self._range_bytes, _LAST_RANGE_BYTES)
            self._range_bytes = grown if onward else _FIRST_RANGE_BYTES
            self._hold(max(self._range_bytes, min(len(buffer), _LAST_RANGE_BYTES)))
        start = self._position - self._held_at
        piece = self._held[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _hold(self, n_bytes: int) -> None:
        start = self._position
        end = min(start + n_bytes, self._n_bytes)

        def fetch() -> bytes:
            data: bytes = self._system.cat_file(self._name, start=start, end=end)
            if len(data) != end - start:
                raise OSError(f"{len(data)} of {end - start} bytes came")
            return data

        self._held, self._held_at = insist(self._path, fetch), start


def insist(
    path: str,
    ask: Callable[[], Answer],
    refusal: Callable[[str, str], Exception] = ShardError,
) -> Answer:
    """Ask until there is an answer, waiting twice as long each time.

    Args:
        path: What is asked about, for messages.
        ask: Does so; may be called many times.
        refusal: Makes an error of the path and of what is wrong with it.

    Raises:
        Exception: What ``refusal`` makes, if the answer is that there is no such file, or that
            it may not be used.
        StorageError: If there is no answer.
    """
    for wait_seconds in [_FIRST_WAIT_SECONDS * 2**i for i in range(_ATTEMPTS - 1)]:
        try:
            return ask_once(path, ask, refusal)
        except StorageError:
            _wait(wait_seconds)
    return ask_once(path, ask, refusal)


def ask_once(
    path: str, ask: Callable[[], Answer], refusal: Callable[[str, str], Exception] = ShardError
) -> Answer:
    """As ``insist``, without asking again."""
    try:
        return ask()
    except ZipselError:
        raise
    except FileNotFoundError:
        raise refusal(path, "no such object or bucket") from None
    except PermissionError:
        raise refusal(path, "the provider refuses access; check its credentials") from None
    except Exception as error:  # each provider's library has its own
        if type(error).__name__ in _NO_CREDENTIALS:
            raise refusal(path, "no credentials found for its provider") from None
        raise StorageError(
            f"{path}: the network or the server failed {_ATTEMPTS} times, last with "
            f"{type(error).__name__}: {error}"
        ) from None


def open_system(path: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the name there.

    Raises:
        UsageError: If the library for its protocol is not installed, or there is none.
    """
    try:
        import fsspec

        system, name = fsspec.core.url_to_fs(path)
    except ImportError as error:
        raise UsageError(f"{path} needs more: pip install 'zipsel[remote]' ({error})") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    return system, name
