"""Files on their way to a URL: sent first, seen later.

On S3 a file larger than one part is sent as a multipart upload, which nobody sees until it is
completed; a smaller one is sent when it is to be seen. Other object stores are sent to when the
file is to be seen, which their libraries do in a way that shows whole objects only. Nothing is
ever written under another name and moved: object stores cannot rename.

What a killed run leaves is parts that cost money and that nobody sees. They are aborted before
the same object is sent again, and ``sweep`` aborts those of a whole directory.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from zipsel.errors import OutputError, ZipselError
from zipsel.storage.remote import ask_once, insist, open_system

#: Bytes of one part; more where a file would have more parts than S3 allows (10,000).
_PART_BYTES = 16 << 20
_MAX_PARTS = 9_000

#: Metadata under which an object says which upload made it.
_TOKEN = "zipsel-upload"


class Upload(Protocol):
    """One file on its way."""

    def send(self) -> None:
        """Send what can be sent without being seen.

        Raises:
            OutputError: If the place is missing or may not be written.
            StorageError: If it cannot be reached.
        """

    def complete(self) -> None:
        """Let the object be seen, whole; may be called again after an error.

        Raises:
            OutputError: As ``send``.
            StorageError: As ``send``.
        """

    def abort(self) -> None:
        """Take back what was sent and is not seen, as far as the network lets one."""


def open_upload(source: str, url: str) -> Upload:
    """Prepare the way of a local file to a URL."""
    system, name = open_system(url)
    if _is_s3(system):
        return _S3Upload(system, name, url, source)
    return _PlainUpload(system, name, url, source)


def put(source: str, url: str) -> None:
    """Send a file and let it be seen.

    Raises:
        OutputError: If the place is missing or may not be written.
        StorageError: If it cannot be reached.
    """
    upload = open_upload(source, url)
    try:
        if os.path.getsize(source) > _PART_BYTES:
            upload.send()
        upload.complete()
    finally:
        upload.abort()


def check_writable(url: str) -> None:
    """Find out whether an object could be written, without leaving any.

    Raises:
        OutputError: If its bucket is missing or refuses.
        StorageError: If it cannot be reached.
    """
    system, name = open_system(url)
    if _is_s3(system):
        probe = _S3Upload(system, name, url, "")
        probe.begin()
        probe.abort()
        return
    probed = f"{name}.zipsel-probe-{secrets.token_hex(4)}"
    _insist(url, lambda: system.pipe_file(probed, b""))
    with suppress(ZipselError):
        _insist(url, lambda: system.rm_file(probed))


def sweep(directory: str) -> None:
    """Abort uploads into a directory that were begun and never completed.

    Two runs that write into one directory at the same time end each other's uploads: the one
    that began first fails, and says so.
    """
    system, name = open_system(directory)
    if _is_s3(system):
        bucket, key, _ = system.split_path(name.rstrip("/") + "/")
        _sweep(system, bucket, key)


class _PlainUpload:
    """A file for a store of which nothing is known but that it shows whole objects only."""

    def __init__(self, system: Any, name: str, url: str, source: str) -> None:
        self._system = system
        self._name = name
        self._url = url
        self._source = source

    def send(self) -> None:
        """Nothing."""

    def complete(self) -> None:
        """Send everything."""
        _insist(self._url, lambda: self._system.put_file(self._source, self._name))

    def abort(self) -> None:
        """Nothing."""


class _S3Upload:
    """A file for S3: one PUT, or a multipart upload."""

    def __init__(self, system: Any, name: str, url: str, source: str) -> None:
        self._system = system
        bucket, key, _ = system.split_path(name)
        self._place = {"Bucket": bucket, "Key": key}
        self._url = url
        self._source = source
        self._token = secrets.token_hex(16)
        self._upload: dict[str, str] | None = None
        self._parts: list[dict[str, Any]] = []
        self._n_begun = 0

    def begin(self) -> None:
        """Ask for a multipart upload."""
        answer = _insist(self._url, self._begin)
        self._upload = {**self._place, "UploadId": answer["UploadId"]}

    def _begin(self) -> Any:
        self._n_begun += 1
        return self._system.call_s3(
            "create_multipart_upload", **self._place, Metadata={_TOKEN: self._token}
        )

    def send(self) -> None:
        """Send all parts of a file that has several."""
        self._sweep()
        n_bytes = os.path.getsize(self._source)
        if n_bytes <= _PART_BYTES:
            return
        self.begin()
        for number, data in enumerate(_iter_parts(self._source, n_bytes), start=1):
            answer = self._ask("upload_part", **(self._upload or {}), PartNumber=number, Body=data)
            self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def complete(self) -> None:
        """Complete the upload, or send the small file."""
        if self._upload is None:
            with open(self._source, "rb") as file:
                data = file.read()
            self._ask("put_object", Body=data)
        else:
            _insist(self._url, self._complete)
            self._upload = None
            if self._n_begun > 1:  # an answer may have been lost, and with it an upload's number
                self._sweep()
        self._system.invalidate_cache()

    def _complete(self) -> None:
        """Complete; an upload that is gone was completed by a request whose answer was lost."""
        try:
            self._system.call_s3(
                "complete_multipart_upload",
                **(self._upload or {}),
                MultipartUpload={"Parts": self._parts},
            )
        except FileNotFoundError:
            found = self._system.call_s3("head_object", **self._place)
            if found["Metadata"].get(_TOKEN) != self._token:
                raise OutputError(
                    f"cannot write {self._url}: its upload was ended by somebody else; "
                    "is another run writing there?"
                ) from None

    def abort(self) -> None:
        """End the upload."""
        if self._upload is not None:
            upload, self._upload = self._upload, None
            with suppress(ZipselError):
                ask_once(self._url, lambda: _abort(self._system, upload), _refusal)

    def _sweep(self) -> None:
        _sweep(self._system, self._place["Bucket"], self._place["Key"], exact=True)

    def _ask(self, method: str, **arguments: Any) -> Any:
        asked = {**self._place, **arguments}
        return _insist(self._url, lambda: self._system.call_s3(method, **asked))


def _is_s3(system: Any) -> bool:
    return hasattr(system, "call_s3")


def _iter_parts(path: str, n_bytes: int) -> Iterator[bytes]:
    part_bytes = max(_PART_BYTES, -(-n_bytes // _MAX_PARTS))
    with open(path, "rb") as file:
        while data := file.read(part_bytes):
            yield data


def _sweep(system: Any, bucket: str, key: str, *, exact: bool = False) -> None:
    """Abort the uploads to a key, or right below it; leave them where that may not be done."""
    url = f"s3://{bucket}/{key}"
    with suppress(OutputError):
        for upload in _insist(url, lambda: _list_uploads(system, bucket, key)):
            rest = upload["Key"][len(key) :]
            if not rest or not (exact or "/" in rest):
                _insist(url, partial(_abort, system, upload))


def _list_uploads(system: Any, bucket: str, prefix: str) -> list[dict[str, str]]:
    """The uploads under way to keys that begin with a prefix."""
    found: list[dict[str, str]] = []
    markers: dict[str, str] = {}
    while True:
        answer = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **markers)
        for upload in answer.get("Uploads") or ():
            found.append({"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]})
        if not answer.get("IsTruncated"):
            return found
        markers = {name: answer[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}


def _abort(system: Any, upload: dict[str, str]) -> None:
    with suppress(FileNotFoundError):  # it is gone already
        system.call_s3("abort_multipart_upload", **upload)


def _insist(url: str, ask: Any) -> Any:
    return insist(url, ask, _refusal)


def _refusal(path: str, problem: str) -> OutputError:
    return OutputError(f"cannot write {path}: {problem}")
