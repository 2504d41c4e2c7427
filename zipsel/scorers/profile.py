"""The profile: what a scorer learned of target and pool, as one file without pickle.

Layout: the magic line, a digest of the uncompressed map, which is checked on reading, and a zstd
frame around the map in msgpack. Arrays are ``{"dtype", "shape", "data"}``. The profile's own digest
is of the map without its origin: it keys every score, and where the target's file is changes none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from zipsel.errors import ProfileError
from zipsel.scorers import Scorer, scorer_class
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.storage.paths import read_bytes
from zipsel.storage.staging import write_atomically
from zipsel.texts import TextBatch

_MAGIC = b"zipsel profile 2\n"
_DIGEST_BYTES = 16
_MAX_PROFILE_BYTES = 4 << 30


@dataclass(frozen=True)
class Profile:
    """A fitted scorer with the examples that it was fitted on.

    Attributes:
        scorer: Ready to score.
        target: The target examples, for leak detection and explanations.
        origin: Where it came from: settings and sources, JSON-like, for people and reports.
        fitted_ngrams: The target's n-grams, counted in a pool sample too; None if they were not.
    """

    scorer: Scorer
    target: TextBatch
    origin: dict[str, Any] = field(default_factory=dict)
    fitted_ngrams: TargetNgrams | None = None

    @cached_property
    def ngrams(self) -> TargetNgrams:
        """The target's n-grams, for ``--strategy cover``.

        Without a pool sample each is as common in the pool as any other.
        """
        if self.fitted_ngrams is not None:
            return self.fitted_ngrams
        return TargetNgrams.fit(self.target, TextBatch.from_encoded([]))

    @cached_property
    def payload(self) -> bytes:
        """The uncompressed map; equal profiles have equal bytes."""
        return msgspec.msgpack.encode({**self._content(), "origin": self.origin})

    def _content(self) -> dict[str, Any]:
        content = {
            "scorer": self.scorer.name,
            "state": _pack(self.scorer.state()),
            "target": _pack({"buffer": self.target.buffer, "offsets": self.target.offsets}),
        }
        if self.fitted_ngrams is not None:
            content["ngrams"] = _pack(self.fitted_ngrams.state())
        return content

    @cached_property
    def digest(self) -> str:
        """Hex digest of everything that makes scores, so without the origin."""
        return _digest(msgspec.msgpack.encode(self._content())).hex()

    def save(self, path: str | Path) -> None:
        """Write the file; it appears whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        import zstandard

        frame = zstandard.ZstdCompressor(level=1).compress(self.payload)
        with write_atomically(str(path)) as file:
            file.write(_MAGIC + _digest(self.payload) + frame)

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile.

        Raises:
            ProfileError: If it is none, or damaged, or of another version.
        """
        if os.path.exists(path) and not os.path.isfile(path):  # every worker reads it again
            raise ProfileError(f"{path}: is a stream or a directory; name a file that fit wrote")
        try:
            data = read_bytes(str(path))
        except OSError as error:
            raise ProfileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if not data.startswith(_MAGIC):
            raise ProfileError(
                f"{path}: is no profile of this version of zipsel; make one with: zipsel fit"
            )
        start = len(_MAGIC)
        digest, frame = data[start : start + _DIGEST_BYTES], data[start + _DIGEST_BYTES :]
        payload = _decompress(frame, str(path))
        if _digest(payload) != digest:
            raise ProfileError(f"{path}: is damaged: its digest does not match")
        return cls.from_payload(payload)

    @classmethod
    def from_payload(cls, payload: bytes) -> Profile:
        """Rebuild a profile from its ``payload``."""
        content = msgspec.msgpack.decode(payload)
        scorer = scorer_class(content["scorer"]).from_state(_unpack(content["state"]))
        ngrams = None
        if "ngrams" in content:
            ngrams = TargetNgrams.from_state(_unpack(content["ngrams"]))
        return cls(scorer, TextBatch(**_unpack(content["target"])), content["origin"], ngrams)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()


class ProfileFile(NamedTuple):
    """A profile as tasks carry it: its file, and the digest that the profile in it must have."""

    path: str
    digest: str


@lru_cache(maxsize=2)
def load_cached(file: ProfileFile) -> Profile:
    """As ``Profile.load``, once per process and digest: files may be written again.

    Raises:
        ProfileError: If the file holds another profile.
    """
    profile = Profile.load(file.path)
    if profile.digest != file.digest:
        raise ProfileError(f"{file.path}: was written again while a run was using it; run again")
    return profile


def _decompress(frame: bytes, path: str) -> bytes:
    import zstandard

    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= _MAX_PROFILE_BYTES:
            raise ProfileError(f"{path}: is damaged: it claims to hold {size} bytes")
        return zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError as error:
        raise ProfileError(f"{path}: is damaged: {error}") from None


def _pack(state: dict[str, Any]) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, np.ndarray):
            data = np.ascontiguousarray(value).tobytes()
            packed[key] = {"dtype": value.dtype.str, "shape": list(value.shape), "data": data}
        else:
            packed[key] = _pack(value) if isinstance(value, dict) else value
    return packed


def _unpack(packed: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for key, value in packed.items():
        if isinstance(value, dict) and value.keys() == {"dtype", "shape", "data"}:
            flat = np.frombuffer(value["data"], np.dtype(value["dtype"]))
            state[key] = flat.reshape(value["shape"])
        else:
            state[key] = _unpack(value) if isinstance(value, dict) else value
    return state
