"""Everything that decides the bytes of an output, each under a name that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import fields

from zipsel.report.model import SCHEMA_VERSION, library_versions
from zipsel.scorers import package_version
from zipsel.scoring.fitting import FIT_VERSION, digest_targets
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.sidecar import SIDECAR_VERSION
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings
from zipsel.storage.workdir import digest_of
from zipsel.texts import TextBatch

#: Fields that several options make, or whose option has another name.
_NAMES = {
    "budget": "the budget",
    "leak_rule": "--leak-ngram or --leak-overlap",
    "text": "--text-field, --template or --chat",
    "quotes": "--no-quotes",
}

#: Fields of settings that say where things are: what is there has a digest of its own. Which
#: profile is used is a field of the manifest.
_NOT_VALUES = frozenset({"output", "exclude_overlap", "eval_target", "tokenizer", "refit"})


def made_from(
    settings: RunSettings,
    select: SelectSettings,
    inputs: Inputs,
    profile: tuple[str, Mapping[str, TextBatch] | None],
    format_name: str,
) -> dict[str, str]:
    """Name → value of each option and version, and digest of each set of input files.

    Args:
        settings: Of the run.
        select: Of the choice.
        inputs: Files with their fingerprints.
        profile: Key of the profile, and the targets where it is to be fitted.
        format_name: Of the subset's files.
    """
    key, targets = profile
    is_alike = settings.target_reading == settings.reading
    made = dict(_iter_options(select))
    made |= _iter_options(settings.reading)
    made |= {
        "how target examples are read": "" if is_alike else digest_of(settings.target_reading),
        "--on-bad-file": settings.on_bad_file,
        "--max-rejects": str(settings.max_rejects),
        "--format": format_name,
    }
    if targets is None:
        made["profile"] = key
    else:
        made |= _iter_options(settings.fit)
        made["target"] = digest_of(digest_targets(targets))
        made["version of the scorer"] = package_version(settings.fit.scorer_for(len(targets)))
    for role, name in (
        ("pool", "pool"),
        ("exclude", "--exclude-overlap"),
        ("held-out", "--eval-target"),
        ("tokenizer", "--tokenizer"),
    ):
        found = [(file.path, file.fingerprint) for file in inputs.files if file.role == role]
        if found:
            made[name] = digest_of(found)
    versions = {"scores": SIDECAR_VERSION, "fitting": FIT_VERSION, "report": SCHEMA_VERSION}
    made |= {f"version of {name}": str(one) for name, one in versions.items()}
    made |= {f"version of {name}": one for name, one in library_versions().items()}
    return made


def _iter_options(settings: msgspec.Struct) -> Iterator[tuple[str, str]]:
    for field in fields(settings):
        name, value = field.encode_name, getattr(settings, field.name)
        if name not in _NOT_VALUES:
            shown = _NAMES.get(name, f"--{name.replace('_', '-')}")
            yield shown, _show(value)


def _show(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, str | int | float | Budget):
        return str(value)
    return msgspec.json.encode(value, order="sorted").decode()
