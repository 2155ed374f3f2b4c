"""Paths of a snapshot in the pod and in the target, and the restic calls that restore them; pure.

An archive has its claims below /source/<claim>. restic writes a path of the snapshot below the folder that it
is given. So the target's claims are mounted where those paths will be, and nothing has to be moved.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupResult, RestoreTarget, SnapshotFile
from kronkeep_common.text import clean, shorten_middle
from kronkeep_daemon.backups.archive_manifests import SOURCE
from kronkeep_daemon.restores.move_script import Move
from kronkeep_daemon.restores.unkept import UnkeptCounts

TARGET = "/target"
LOST_AND_FOUND = "lost+found"  # a new ext4 file system has it, so a claim with it alone is empty
_FILES_FOLDERS = ("source", "configuration")  # of the snapshot of files; a dump is one file at the root
_WILDCARD = re.compile(r"([\\*?\[])")


class TargetMount(NamedTuple):
    """A claim of the target, or its folder `sub_path`, mounted at `path` of the pod."""

    claim: str
    path: str
    sub_path: str


class RestoreCall(NamedTuple):
    """One call of `restic restore`.

    folder: below which it restores.
    patterns: what of the snapshot; none means all.
    """

    snapshot_id: str
    folder: str
    patterns: list[str]


class SnapshotSelection(NamedTuple):
    """What is to be restored: how much, from which claims, and whether there is more than claims.

    contents: how many of the files have content, which links and devices have not.
    unkept: what restic cannot restore of it.
    """

    files: int
    folders: int
    total_bytes: int
    claims: tuple[str, ...]
    has_others: bool
    contents: int = 0
    unkept: UnkeptCounts = UnkeptCounts()


def normalize_include(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths without trailing slashes and repetitions; none means all. Raise InvalidRequest."""
    normalized = [normalize_path(path, "include") for path in paths]
    return () if "/" in normalized else tuple(dict.fromkeys(normalized))


def normalize_path(text: str, field: str = "path") -> str:
    """Return a path in the form that listings have (path_text), without slashes at its end.

    Raises InvalidRequest of `field` for what no snapshot can have.
    """
    path = path_text.unescape(text)
    if not path.startswith("/") or "\0" in path or any(p in (".", "..") for p in path.split("/")):
        raise InvalidRequest(
            f"The path {clean(text, 200)} is not a path of a snapshot: it must begin with / and have no ..",
            field=field,
        )
    return path_text.escape(path.rstrip("/")) or "/"


def inexact_name(path: str, field: str = "path") -> InvalidRequest:
    """Return the error for a selected file whose name restic does not tell exactly."""
    return InvalidRequest(
        f"restic did not tell all bytes of this name, so it cannot be selected: {shorten_middle(path, 300)}",
        next_step="Restore its folder, and take the file from there.",
        field=field,
    )


def is_included(path: str, include: tuple[str, ...]) -> bool:
    """Whether a path is one of `include` or below one; an empty `include` has every path."""
    return not include or any(path == one or path.startswith(f"{one}/") for one in include)


def claim_of_path(path: str) -> str | None:
    """Return the claim that a path of the snapshot came from; None for any other path."""
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1] == SOURCE[1:] else None


def is_in_dump(path: str) -> bool:
    """Whether a path is of the database's dump, which has a snapshot of its own."""
    return path.split("/")[1] not in _FILES_FOLDERS


def split_by_snapshot(
    result: BackupResult, include: tuple[str, ...], mount: TargetMount | None
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the snapshots that have included paths, each with its own ones; none means all of it.

    mount: where they are restored to; None for one place for all. The mount of one claim gets no dump.
    """
    if result.database_snapshot_id is None or (mount is not None and mount.path != TARGET):
        return [(result.snapshot_id, include)]
    files = tuple(path for path in include if not is_in_dump(path))
    dump = tuple(path for path in include if is_in_dump(path))
    shares = [(result.snapshot_id, files)] if files or not include else []
    return [*shares, (result.database_snapshot_id, dump)] if dump or not include else shares


def restore_calls(
    result: BackupResult,
    selection: SnapshotSelection,
    mounts: list[TargetMount],
    include: tuple[str, ...],
    stage: str | None,
) -> list[RestoreCall]:
    """Return the calls of restic for a selection.

    stage: the name of the folder in each mount to restore to first; None restores to the final place.
    """
    if stage is None:
        mount = mounts[0] if len(mounts) == 1 else None
        return [
            RestoreCall(
                snapshot_id=snapshot_id, folder=TARGET, patterns=include_patterns(mount, selection, share)
            )
            for snapshot_id, share in split_by_snapshot(result, include, mount)
        ]
    return [
        RestoreCall(
            snapshot_id=snapshot_id,
            folder=f"{mount.path}/{stage}",
            patterns=include_patterns(mount, selection, share),
        )
        for mount in mounts
        for snapshot_id, share in split_by_snapshot(result, include, mount)
    ]


def stage_moves(mounts: list[TargetMount], restore_id: str) -> list[Move]:
    """Return the moves of what a restore has in the stage of each mount."""
    return [
        Move(
            stage=f"{mount.path}/{stage_folder(restore_id)}{mount.path.removeprefix(TARGET)}",
            target=mount.path,
            old=f"{mount.path}/{old_folder(restore_id)}",
        )
        for mount in mounts
    ]


def summarize_selection(entries: Iterable[SnapshotFile], include: tuple[str, ...]) -> SnapshotSelection:
    """Return how much of a snapshot's entries is included."""
    files = 0
    contents = 0
    folders = 0
    total_bytes = 0
    claims: dict[str, None] = {}
    has_others = False
    unkept = UnkeptCounts()
    for entry in entries:
        if entry.path == SOURCE or not is_included(entry.path, include):
            continue
        unkept.add(entry)
        claim = claim_of_path(entry.path)
        if claim is None:
            has_others = True
        else:
            claims[claim] = None
        if entry.kind == "dir":
            folders += 1
        else:
            files += 1
            contents += entry.kind == "file"
            total_bytes += entry.size
    return SnapshotSelection(
        files=files,
        contents=contents,
        folders=folders,
        total_bytes=total_bytes,
        claims=tuple(claims),
        has_others=has_others,
        unkept=unkept,
    )


def target_mounts(target: RestoreTarget, selection: SnapshotSelection) -> list[TargetMount]:
    """Return the target's claims as the pod must mount them.

    What came from one claim is restored to the target's folder itself; several claims, or anything else in
    the snapshot, keep their paths of the snapshot below that folder.
    """
    if target.kind == "in-place":
        return [TargetMount(claim, f"{TARGET}{SOURCE}/{claim}", "") for claim in selection.claims]
    assert target.claim is not None
    sub_path = target.path.strip("/")
    if len(selection.claims) == 1 and not selection.has_others:
        return [TargetMount(target.claim, f"{TARGET}{SOURCE}/{selection.claims[0]}", sub_path)]
    return [TargetMount(target.claim, TARGET, sub_path)]


def include_patterns(
    mount: TargetMount | None, selection: SnapshotSelection, include: tuple[str, ...]
) -> list[str]:
    """Return the patterns for restic's `--include`; none means all.

    The mount of one claim gets what came from that claim.
    """
    claim = claim_of_path(mount.path.removeprefix(TARGET)) if mount is not None else None
    if claim is not None:
        of_claim = tuple(path for path in include if claim_of_path(path) == claim)
        is_everything = len(selection.claims) == 1 and not selection.has_others and not include
        include = of_claim or (() if is_everything else (f"{SOURCE}/{claim}",))
    return escape_patterns(include)


def escape_patterns(paths: tuple[str, ...]) -> list[str]:
    """Return patterns that match these paths only: the wildcards of Go's filepath.Match are escaped."""
    return [_WILDCARD.sub(r"\\\1", path_text.unescape(path)) for path in paths]


def stage_folder(restore_id: str) -> str:
    """Return the name of the folder in a claim to which files are restored that will replace others."""
    return f".kronkeep-restore-{restore_id}"


def old_folder(restore_id: str) -> str:
    """Return the name of the folder in a claim that holds what is being replaced, until all of it is."""
    return f".kronkeep-old-{restore_id}"


def snapshot_path(path: str, stage: str = "") -> str:
    """Return a path of the pod as listings have it; `stage` is the name of the stage's folder."""
    _, in_stage, rest = path.partition(f"/{stage}/") if stage else ("", "", "")
    return path_text.escape(f"/{rest}" if in_stage else path.removeprefix(TARGET))


def path_in_claim(path: str, mounts: Iterable[TargetMount]) -> str:
    """Return a path of a target, as listings have it, as `CLAIM:/path`; unchanged where no claim has it."""
    for mount in sorted(mounts, key=_length_of_path, reverse=True):
        root = path_text.escape(mount.path.removeprefix(TARGET)).rstrip("/")
        if path.startswith(f"{root}/"):
            inside = "/".join(filter(None, (mount.sub_path.strip("/"), path[len(root) + 1 :])))
            return f"{mount.claim}:/{inside}"
    return path


def _length_of_path(mount: TargetMount) -> int:
    return len(mount.path)


def is_empty_target(paths: Iterable[str], mounts: list[TargetMount]) -> bool:
    """Whether these paths of a target are only its mounts and their lost+found."""
    roots = {mount.path.removeprefix(TARGET) for mount in mounts}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if not (path in roots or (name == LOST_AND_FOUND and folder in roots)):
            return False
    return True
