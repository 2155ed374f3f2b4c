"""Where a selection of a snapshot lies in the pod and in the target; pure.

An archive keeps its claims below /source/<claim>. restic writes a path of the snapshot below the folder it
is given, so the target's claims are mounted where those paths will lead, and nothing has to be moved.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupResult, RestoreTarget, SnapshotFile
from kronkeep_common.text import clean

SOURCE = "/source"
TARGET = "/target"
_FILES = ("source", "configuration")  # the folders of the files' snapshot; a dump is one file at the root
LOST = "lost+found"  # a fresh ext4 has it: it makes no claim full
_SPECIAL = re.compile(r"([\\*?\[])")


class TargetMount(NamedTuple):
    """A claim of the target at a path of the pod; `sub_path` is the folder of the claim that shows there."""

    claim: str
    path: str
    sub_path: str


class RestoreCall(NamedTuple):
    """One call of `restic restore`: where to, what of the snapshot, and from where to where it moves then."""

    snapshot_id: str
    folder: str
    patterns: list[str]
    moved: tuple[str, str] | None = None


class Selection(NamedTuple):
    """What is to be brought back: its counts, the claims it came from, whether other things are in it."""

    files: int
    folders: int
    total_bytes: int
    claims: tuple[str, ...]
    others: bool


def include_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The chosen paths without trailing slashes and repetitions; none means all. Raises InvalidRequest."""
    found = []
    for path in paths:
        if not path.startswith("/") or "\0" in path or any(p in (".", "..") for p in path.split("/")):
            words = (
                f"The path {clean(repr(path), 200)} is no path of a snapshot: it begins with /, without .."
            )
            raise InvalidRequest(words, field="include")
        found.append(path.rstrip("/"))
    return () if "" in found else tuple(dict.fromkeys(found))


def chosen(path: str, include: tuple[str, ...]) -> bool:
    """Whether a path is in the selection."""
    return not include or any(path == one or path.startswith(f"{one}/") for one in include)


def claim_of(path: str) -> str | None:
    """The claim that a path of the snapshot came from; None for all else."""
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1] == SOURCE[1:] else None


def in_dump(path: str) -> bool:
    """Whether a path is of the database's dump, which has a snapshot of its own."""
    return path.split("/")[1] not in _FILES


def parts(
    result: BackupResult, include: tuple[str, ...], mount: TargetMount | None
) -> list[tuple[str, tuple[str, ...]]]:
    """The snapshots that have something for a mount (or for all), each with its share of the chosen paths."""
    if result.database_snapshot_id is None or (mount is not None and mount.path != TARGET):
        return [(result.snapshot_id, include)]
    files = tuple(path for path in include if not in_dump(path))
    dump = tuple(path for path in include if in_dump(path))
    found = [(result.snapshot_id, files)] if files or not include else []
    return [*found, (result.database_snapshot_id, dump)] if dump or not include else found


def calls(
    result: BackupResult,
    found: Selection,
    where: list[TargetMount],
    include: tuple[str, ...],
    stage_name: str | None,
) -> list[RestoreCall]:
    """restic's calls: of each snapshot, and where a stage is named, of each mount into its stage."""
    if stage_name is None:
        mount = where[0] if len(where) == 1 else None
        shares = parts(result, include, mount)
        return [
            RestoreCall(snapshot_id=snapshot, folder=TARGET, patterns=patterns(mount, found, share))
            for snapshot, share in shares
        ]
    made = []
    for mount in where:
        folder = f"{mount.path}/{stage_name}"
        shares = parts(result, include, mount)
        moved = (folder + mount.path.removeprefix(TARGET), mount.path)
        for number, (snapshot, share) in enumerate(shares, 1):
            last = moved if number == len(shares) else None
            made.append(
                RestoreCall(
                    snapshot_id=snapshot, folder=folder, patterns=patterns(mount, found, share), moved=last
                )
            )
    return made


def selection(entries: Iterator[SnapshotFile], include: tuple[str, ...]) -> Selection:
    """Counts what is chosen."""
    files = folders = size = 0
    claims: dict[str, None] = {}
    others = False
    for entry in entries:
        if entry.path == SOURCE or not chosen(entry.path, include):
            continue
        claim = claim_of(entry.path)
        if claim is None:
            others = True
        else:
            claims[claim] = None
        if entry.kind == "dir":
            folders += 1
        else:
            files += 1
            size += entry.size
    return Selection(files=files, folders=folders, total_bytes=size, claims=tuple(claims), others=others)


def mounts(target: RestoreTarget, found: Selection) -> list[TargetMount]:
    """The target's claims as the pod must mount them.

    What came from one claim lands in the target's folder itself; several claims, or anything else the
    snapshot holds, keep their paths of the snapshot below it.
    """
    if target.kind == "in-place":
        return [TargetMount(claim, f"{TARGET}{SOURCE}/{claim}", "") for claim in found.claims]
    assert target.claim is not None
    sub = target.path.strip("/")
    if len(found.claims) == 1 and not found.others:
        return [TargetMount(target.claim, f"{TARGET}{SOURCE}/{found.claims[0]}", sub)]
    return [TargetMount(target.claim, TARGET, sub)]


def patterns(mount: TargetMount | None, found: Selection, include: tuple[str, ...]) -> list[str]:
    """restic's include patterns, whose wildcards (Go's filepath.Match) are escaped; none means all.

    A mount of one claim takes what came from that claim.
    """
    claim = claim_of(mount.path.removeprefix(TARGET)) if mount is not None else None
    if claim is not None:
        mine = tuple(path for path in include if claim_of(path) == claim)
        whole = len(found.claims) == 1 and not found.others and not include
        include = mine or (() if whole else (f"{SOURCE}/{claim}",))
    return escaped(include)


def escaped(paths: tuple[str, ...]) -> list[str]:
    """Paths as include patterns that match nothing else."""
    return [_SPECIAL.sub(r"\\\1", path) for path in paths]


def stage(restore_id: str) -> str:
    """The folder of a claim in which a restore over files that are there is made and compared first."""
    return f".kronkeep-restore-{restore_id}"


def snapshot_path(path: str, stage_name: str) -> str:
    """A path of the pod as the snapshot has it."""
    _, staged, rest = path.partition(f"/{stage_name}/")
    return f"/{rest}" if staged else path.removeprefix(TARGET)


def holds_nothing(paths: Iterable[str], where: list[TargetMount]) -> bool:
    """Whether a target's listed paths are those of an empty one."""
    roots = {mount.path.removeprefix(TARGET) for mount in where}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if not (path in roots or (name == LOST and folder in roots)):
            return False
    return True
