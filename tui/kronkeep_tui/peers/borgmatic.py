"""borgmatic's configuration as policies of claims (its configuration reference, with and without sections).

Borg's repositories cannot be read by restic, so no backup is taken over; what a claim holds, and how long its
backups are kept, is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kronkeep_common.models import (
    BackupPolicySpec,
    ClaimPolicyManifest,
    ClaimSource,
    Limits,
    Retention,
    Source,
)
from kronkeep_common.text import clean
from kronkeep_tui.peers.import_plan import ImportPlan
from kronkeep_tui.peers.located_yaml import LocatedValue

SECTIONS = ("location", "storage", "retention", "consistency", "output", "hooks")
_KEEPS = ("keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
_TAKEN = (
    "source_directories",
    "exclude_patterns",
    "exclude_caches",
    "compression",
    "upload_rate_limit",
    "keep_within",
    *_KEEPS,
)
_ADVICE = {
    "repositories": "Borg's archives cannot be read by restic: keep Borg until they are no longer needed",
    "encryption_passphrase": "a storage has a password of its own",
    "encryption_passcommand": "a storage has a password of its own",
    "checks": "each storage is checked by itself, and `kronkeep storage check --read-data` reads it",
    "archive_name_format": "snapshots have kronkeep's tags",
    "before_backup": "write it as hooks.pre, with an image",
    "after_backup": "write it as hooks.post, with an image",
    "on_error": "write it as hooks.post with when: failure, or use an alert's channel",
    "before_actions": "write it as hooks.pre, with an image",
    "after_actions": "write it as hooks.post, with an image",
    "commands": "write each as hooks.pre or hooks.post, with an image",
    "exclude_if_present": "restic's --exclude-if-present has no field; name the folders in source.exclude",
    "exclude_from": "write the file's patterns into source.exclude",
    "patterns": "write them as source.claims paths and source.exclude",
    "patterns_from": "write them as source.claims paths and source.exclude",
    "keep_secondly": "the shortest is keep_hourly, or keep_last",
    "keep_minutely": "the shortest is keep_hourly, or keep_last",
    "one_file_system": "an archive reads its claims, which are file systems of their own",
    "healthchecks": "heartbeats: docs/alerts.md",
    "cronitor": "heartbeats: docs/alerts.md",
    "cronhub": "heartbeats: docs/alerts.md",
    "uptime_kuma": "heartbeats: docs/alerts.md",
    "ntfy": "a channel of alerts: docs/alerts.md",
    "pagerduty": "a channel of alerts: docs/alerts.md",
    "apprise": "a channel of alerts: docs/alerts.md",
}
_WITHIN = re.compile(r"(\d+)([dwmy])")
_DAYS = {"d": 1, "w": 7, "m": 31, "y": 366}


class MountedClaim(NamedTuple):
    """A claim, and the folder at which borgmatic finds its files."""

    namespace: str
    claim: str
    folder: str


class PolicyFields(NamedTuple):
    """What borgmatic leaves to others: where the backups go, and when they are made."""

    storage_id: str
    schedule: str


def plan_import(
    entries: Mapping[str, LocatedValue], where: str, mounts: Sequence[MountedClaim], fields: PolicyFields
) -> ImportPlan:
    """Return the plan of an import of one configuration, and what of it is not taken over, line by line."""
    options = _flatten(entries)
    notes = [
        clean(f"{where}:{option.line}: {name}: {_advice_for(name)}.", 500)
        for name, option in options.items()
        if name not in _TAKEN
    ]
    paths: dict[MountedClaim, list[str]] = {}
    for folder in _texts(options, "source_directories"):
        mount = _mount_of(folder, mounts)
        if mount is None:
            line = options["source_directories"].line
            notes.append(clean(f"{where}:{line}: {folder}: no --claim holds it, so it is left out.", 500))
        else:
            paths.setdefault(mount, []).append(_below(folder, mount))
    policies = []
    for mount, folders in paths.items():
        source = _source_of(options, mount, folders, notes, where)
        policies.append(
            ClaimPolicyManifest(
                namespace=mount.namespace, claim=mount.claim, policy=_policy_of(options, fields, source)
            )
        )
    return ImportPlan(policies=tuple(policies), notes=tuple(notes))


def _flatten(entries: Mapping[str, LocatedValue]) -> dict[str, LocatedValue]:
    """Return the options at one level; those of the old sections have the section's line."""
    options: dict[str, LocatedValue] = {}
    for name, entry in entries.items():
        if name in SECTIONS and isinstance(entry.value, dict):
            options |= {str(key): LocatedValue(value, entry.line) for key, value in entry.value.items()}
        else:
            options[name] = entry
    return options


def _advice_for(name: str) -> str:
    if name.endswith("_databases"):
        return "write it as include.database of a policy: an image and the command that prints the dump"
    return _ADVICE.get(name, "it has no counterpart")


def _texts(options: Mapping[str, LocatedValue], name: str) -> list[str]:
    value = options[name].value if name in options else None
    return [str(each) for each in value] if isinstance(value, list) else []


def _value(options: Mapping[str, LocatedValue], name: str) -> Any:
    return options[name].value if name in options else None


def _mount_of(folder: str, mounts: Sequence[MountedClaim]) -> MountedClaim | None:
    """Return the claim that holds a folder, of several the one with the longest path."""
    holding = [
        mount for mount in mounts if f"{folder.rstrip('/')}/".startswith(f"{mount.folder.rstrip('/')}/")
    ]
    return max(holding, key=_depth_of, default=None)


def _depth_of(mount: MountedClaim) -> int:
    return len(mount.folder.rstrip("/"))


def _below(folder: str, mount: MountedClaim) -> str:
    return folder.rstrip("/").removeprefix(mount.folder.rstrip("/")).strip("/")


def _source_of(
    options: Mapping[str, LocatedValue],
    mount: MountedClaim,
    folders: list[str],
    notes: list[str],
    where: str,
) -> Source:
    whole = "" in folders
    claims = () if whole else (ClaimSource(claim=mount.claim, paths=tuple(folders)),)
    excludes = []
    for pattern in _texts(options, "exclude_patterns"):
        exclude = _exclude_of(pattern, mount)
        if exclude:
            excludes.append(exclude)
        elif exclude is None:
            line = options["exclude_patterns"].line
            notes.append(clean(f"{where}:{line}: {pattern}: restic has no such pattern: left out.", 500))
    return Source(
        claims=claims, exclude=tuple(excludes), exclude_caches=_value(options, "exclude_caches") is True
    )


def _exclude_of(pattern: str, mount: MountedClaim) -> str | None:
    """Return a pattern as restic matches it below the claim; empty where it is about other folders.

    None for a style that restic has not (borg help patterns: fm, sh, pp, pf, re).
    """
    style, colon, rest = pattern.partition(":")
    if colon and style in ("fm", "sh", "pp", "pf"):
        pattern = rest
    elif colon and style == "re":
        return None
    if not pattern.startswith("/"):
        return pattern
    base = mount.folder.rstrip("/")
    return pattern.removeprefix(base) if pattern.startswith(f"{base}/") else ""


def _policy_of(options: Mapping[str, LocatedValue], fields: PolicyFields, source: Source) -> BackupPolicySpec:
    limit = _value(options, "upload_rate_limit")
    return BackupPolicySpec(
        storage_id=fields.storage_id,
        schedule=fields.schedule,
        source=source,
        compression="off" if _value(options, "compression") == "none" else "auto",
        limits=Limits(upload_kib=limit if isinstance(limit, int) and limit > 0 else None),
        retention=_retention_of(options),
    )


def _retention_of(options: Mapping[str, LocatedValue]) -> Retention:
    counts = [_value(options, name) for name in _KEEPS]
    hourly, daily, weekly, monthly, yearly = (
        count if isinstance(count, int) and 0 < count <= 100_000 else 0 for count in counts
    )
    within = _WITHIN.fullmatch(str(_value(options, "keep_within") or ""))
    days = min(int(within[1]) * _DAYS[within[2]], 3650) if within is not None else None
    if days is None and not any((hourly, daily, weekly, monthly, yearly)):
        return Retention(days=30)
    return Retention(
        days=days or None,
        keep_hourly=hourly,
        keep_daily=daily,
        keep_weekly=weekly,
        keep_monthly=monthly,
        keep_yearly=yearly,
    )
