"""Ask a provider (S3, GCS, Azure, a hub, a web server) through fsspec, and sort its answers.

An answer is one of four: the data; no such object (``FileNotFoundError``); no permission
(``PermissionError``); or no answer. Only the last is asked again, later each time, and ends the run
as a ``StorageError`` if it goes on: no file is to blame for a network. Each library wraps the same
failure in another way (fsspec reports an unreachable web server as a missing file), so the whole
chain of causes and every status code is looked at. Credentials come from the provider's own chain
(environment, files, instance); zipsel never reads them.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from zipsel.errors import StorageError, UsageError, ZipselError

Answer = TypeVar("Answer")

#: Requests before a run gives up, and the wait after the first, which doubles: 15 s in all.
_ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 1.0

#: Protocols whose library repeats a request for half a minute before it fails; asked twice.
_PATIENT = frozenset({"gs", "gcs", "az", "abfs", "abfss"})

#: Seconds until a web server has to accept a connection, and until the next bytes have to come; a
#: server that is silent is given up after ``_ATTEMPTS`` times as long.
_CONNECT_SECONDS = 20
_READ_SECONDS = 20

#: Status codes that mean "later" although they are below 500.
_LATER = frozenset({408, 425, 429})

#: Errors of the providers' libraries for "no credentials anywhere".
_NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError",
     "DefaultCredentialsError", "TokenRetrievalError"}
)  # fmt: skip

#: Errors of the hub's library, which hides the 401 that the hub answers for a missing repository.
_NOT_THERE = frozenset({"RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError"})

#: Where each provider's library looks for credentials.
_CREDENTIALS = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or az login",
    "hf": "HF_TOKEN, or hf auth login",
}
_SAME_PROVIDER = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}

#: Loggers of libraries that print what they also raise.
_TALKATIVE = ("gcsfs", "s3fs", "adlfs", "fsspec", "azure", "google")

_wait = time.sleep


def open_system(path: str, request_attempts: int = 1) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the name of the file there.

    Args:
        path: URL.
        request_attempts: Attempts that s3fs makes at one request; ``insist`` repeats the call, and
            both together would multiply.

    Raises:
        UsageError: If the URL names nothing, there is no such protocol, or its library is not
            installed.
        StorageError: If its server cannot be reached.
    """
    protocol, _, address = path.rpartition("::")[2].partition("://")
    if not address.strip("/"):
        raise UsageError(f"{path} names no file or directory: write {protocol}://BUCKET/PATH")
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if not logger.handlers:  # a program's own handlers still get every message
            logger.addHandler(logging.NullHandler())
    try:
        import fsspec

        system, name = fsspec.core.url_to_fs(path, **_options(path.partition("://")[0]))
    except ImportError as error:
        raise UsageError(f"{path} needs more: pip install 'zipsel[remote]' ({error})") from None
    except ValueError as error:
        if "credentials" in str(error):  # adlfs asks for them before any request
            raise UsageError(f"{path}: no credentials found; {_remedy(path)}") from None
        known = "s3://, gs://, az://, hf:// and https:// are read"
        raise UsageError(f"{path}: {error}; {known}") from None
    except OSError as error:  # some file systems connect at once
        reason = error.strerror or str(error)
        raise StorageError(f"{path}: its server cannot be reached ({reason})") from None
    if hasattr(system, "call_s3"):
        system.retries = request_attempts
    return system, name


def _options(protocol: str) -> dict[str, Any]:
    """Options of a file system, added to those of fsspec's own configuration."""
    import fsspec

    configured = fsspec.config.conf.get(protocol, {})
    if protocol in ("s3", "s3a"):
        settings = configured.get("config_kwargs", {})
        return {"config_kwargs": {"retries": {"total_max_attempts": 1}, **settings}}
    if protocol in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
        )
        return {"client_kwargs": {"timeout": timeout, **configured.get("client_kwargs", {})}}
    return {}


def insist(path: str, ask: Callable[[], Answer], n_attempts: int | None = None) -> Answer:
    """Ask until there is an answer to ``ask``, waiting about twice as long each time.

    Raises:
        FileNotFoundError: If the answer is that there is no such object.
        PermissionError: If the answer is that it may not be used.
        StorageError: If there is no answer.
    """
    n_attempts = n_attempts or (2 if path.partition("://")[0] in _PATIENT else _ATTEMPTS)
    for attempt in range(n_attempts):
        try:
            return ask()
        except ZipselError:
            raise
        except Exception as error:  # each provider's library has its own
            refusal = _refusal(path, error)
            if refusal is not None:
                raise refusal from None
            cause = list(_iter_causes(error))[-1]  # fsspec says that a file is missing
            failure = f"{type(cause).__name__}: {cause}"
        if attempt + 1 < n_attempts:  # workers that failed together do not ask again together
            _wait(_FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1.5))
    raise StorageError(
        f"{path}: the network or the server failed {n_attempts} times, last with {failure}; "
        "no file is to blame, run the same command again when the address can be reached"
    )


def _refusal(path: str, error: BaseException) -> OSError | None:
    """The provider's "no" as an error; None if the provider did not answer."""
    causes = list(_iter_causes(error))
    if any(type(cause).__name__ in _NO_CREDENTIALS for cause in causes):
        return _refused(path, "no credentials found for its provider")
    if any(
        type(cause).__name__.endswith("NotFoundError") and _status_of(cause) for cause in causes
    ):
        return _missing(path)  # the hub answers 401 for what is not there
    for status in map(_status_of, causes):
        if status in (404, 410):
            return _missing(path)
        if status in _LATER or status >= 500:
            return None
        if status >= 400:
            return _refused(path, f"the provider refuses access ({status})")
    if isinstance(error, PermissionError) or str(error).startswith("Forbidden"):
        return _refused(path, "the provider refuses access")
    if isinstance(error, FileNotFoundError) and all(
        isinstance(cause, FileNotFoundError | LookupError) for cause in causes
    ):
        return _missing(path)
    return None


def _iter_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _status_of(error: BaseException) -> int:
    """The HTTP status that an error of aiohttp, botocore, gcsfs, azure or httpx carries, or 0."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    for holder, name in ((error, "status"), (error, "status_code"), (response, "status_code")):
        if isinstance(value := getattr(holder, name, None), int):
            return value
    if type(error).__name__ == "HttpError":  # aiohttp's parser has other errors with a code
        return int(getattr(error, "code", 0) or 0)
    return 0


def _missing(path: str) -> OSError:
    return FileNotFoundError(errno.ENOENT, "no such object or bucket; check the address", path)


def _refused(path: str, problem: str) -> OSError:
    return PermissionError(errno.EACCES, f"{problem}; {_remedy(path)}", path)


def _remedy(path: str) -> str:
    protocol = path.partition("://")[0]
    where = _CREDENTIALS.get(_SAME_PROVIDER.get(protocol, protocol))
    return f"check its credentials ({where})" if where else "check its credentials"
