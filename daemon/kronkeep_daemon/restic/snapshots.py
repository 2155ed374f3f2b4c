"""`restic snapshots`: lists snapshots, all or by a tag; and the tags that kronkeep gives them."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.restic import output

SnapshotId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
TreeId = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
WHOLE_ID = 64  # characters of a snapshot's id
NONE_FOUND = "no matching ID found"  # what restic says where the repository has no such snapshot
_PART = "part="
_POLICY = "policy="
_RUN = "run="
_BACKUP = "backup="
_PREFIXES = {
    "policy": _POLICY,
    "run": _RUN,
    "backup": _BACKUP,
    "part": _PART,
    "cluster": "cluster=",
    "namespace": "namespace=",
    "cronjob": "cronjob=",
    "cronjob_id": "cronjob-id=",
    "backup_type": "type=",
    "trigger": "trigger=",
    "run_status": "run-status=",
}
OUR_TAGS = tuple(_PREFIXES.values())
LONGEST_HOST_NAME = 100  # characters that are kept of it
MOST_PATHS = 5  # that are kept of a snapshot without our tags
LONGEST_PATH = 200  # characters
STEP = "snapshots"  # the container that lists them
LONGEST_SNAPSHOT = 4 * 1024 * 1024  # bytes of one snapshot's JSON, which names each path that was archived
MOST_KEPT_BYTES = 96 * 1024 * 1024  # of all snapshots together: more than 50,000
BYTES_PER_SNAPSHOT = 920  # beside the text of its tags
# What restic 0.14 and later versions say of a snapshot whose file they cannot read, and leave out of the
# list; their exit code is 0.
_LEFT_OUT = (b"could not load snapshot ", b'Ignoring "')
_ID_KEY = b'"id":'  # in a JSON text the quotes would have backslashes before them
# A list of 10,000 snapshots is one line of 5 to 12 MB. Broken at each brace it comes in short lines, which
# the reader joins with braces again: JSON has no line feed inside a text. `sh` ends with restic's exit code.
_BREAK_AT_BRACES = 'exec 3>&1; code=$({ { "$@"; echo $? >&4; } | tr "}" "\\n" >&3; } 4>&1); exit "$code"'
MOST_NAMED = 8  # snapshots that are read by their ids; of more the repository is listed
# $1 is the parent, or empty, $2 the filter, $3 the most ids; the others are restic's command line. restic
# keeps each snapshot that it has read or written in its cache, under its id (its manual, "Caching"). The ids
# go without their last character, see `reference`.
_NEW_IDS_SCRIPT = (
    'parent=$1 filter=$2 most=$3 count=0 ids=; shift 3; for file in "$RESTIC_CACHE_DIR"/*/snapshots/*/*; do '
    "id=${file##*/}; [ ${#id} -eq 64 ] || continue; "
    'case $id in "${parent:-none}"*) continue;; esac; count=$((count + 1)); ids="$ids ${id%?}"; done; '
    'if [ "$count" -gt 0 ] && [ "$count" -le "$most" ]; then set -- "$@" $ids; '
    'else set -- "$@" --tag "$filter"; fi; '
)


def reference(snapshot_id: str) -> str:
    """Return the argument that names a snapshot to restic.

    It is a whole id without its last character. Given a whole id, restic 0.17 and later open its file,
    and where that is gone they quote the storage (`no such file or directory`, `404`, `The specified key does
    not exist`). A part of it is looked up in the list of snapshots, and every version and storage kind
    answers `no matching ID found`.
    """
    return snapshot_id[: WHOLE_ID - 1]


class SnapshotTags(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a snapshot: whose it is, and what a lost record of its backup is made from again.

    `run` is shared by all backups of a run, `backup` belongs to one backup alone. `part` is `files` or
    `database` where a backup has a snapshot of each, else empty. `cluster` is the cluster's id, `cronjob_id`
    the CronJob's uid, `run_status` the status of the run when the archive began. A tag has no comma, which
    restic takes for the end of it.
    """

    policy: str
    run: str = ""
    backup: str
    part: str = ""
    cluster: str = ""
    namespace: str = ""
    cronjob: str = ""
    cronjob_id: str = ""
    backup_type: str = ""
    trigger: str = ""
    run_status: str = ""

    def texts(self) -> list[str]:
        """Return the tags as restic gets them."""
        return [f"{prefix}{value}" for field, prefix in _PREFIXES.items() if (value := getattr(self, field))]

    def filter(self) -> str:
        """Return restic's filter for the snapshots of this backup: a comma means that both tags are there."""
        return f"{_POLICY}{self.policy},{backup_tag(self.backup)}"


class SnapshotSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures in a snapshot of restic 0.17 and later; sizes in bytes."""

    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    total_files_processed: int = 0
    total_bytes_processed: int = 0
    data_added: int = 0
    data_added_packed: int | None = None


class ListedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot of `restic snapshots --json`; of its tags those are kept that kronkeep gives.

    `time` is as restic prints it (RFC 3339), `hostname` is restic's `--host`, `tree` the id of its content.
    `original` is the snapshot that it was copied from, or empty. `paths` are the first of a snapshot without
    kronkeep's tags.
    """

    id: SnapshotId
    short_id: str = ""
    original: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    time: str = ""
    hostname: str = ""
    tree: TreeId = ""
    tags: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    summary: SnapshotSummary | None = None

    @property
    def part(self) -> str:
        """The part of the backup that the snapshot holds; empty where it holds all of it."""
        return self._tag_value(_PART)

    @property
    def policy(self) -> str:
        """The id of the policy in its tags; empty where it has none."""
        return self._tag_value(_POLICY)

    @property
    def backup(self) -> str:
        """The id of the backup in its tags; empty where it has none."""
        return self._tag_value(_BACKUP)

    def read_tags(self) -> SnapshotTags:
        """Return all of its tags; a text that nobody has checked."""
        return SnapshotTags(**{field: self._tag_value(prefix) for field, prefix in _PREFIXES.items()})

    def _tag_value(self, prefix: str) -> str:
        values = [tag.removeprefix(prefix) for tag in self.tags or () if tag.startswith(prefix)]
        return values[0] if values else ""


def as_originals(snapshots: Iterable[ListedSnapshot]) -> list[ListedSnapshot]:
    """Return copied snapshots with the ids that they were copied from; others as they are."""
    return [
        msgspec.structs.replace(each, id=each.original, short_id="") if each.original else each
        for each in snapshots
    ]


def backup_tag(backup_id: str) -> str:
    """Return the tag that no snapshot of another backup has."""
    return f"{_BACKUP}{backup_id}"


def argv(tag: str) -> list[str]:
    """List the snapshots with the tag, or with all tags between commas, without a lock."""
    return [*list_argv(), "--tag", tag]


def list_argv() -> list[str]:
    """List all snapshots of the repository, without a lock, in lines that `SnapshotListParser` reads."""
    return ["sh", "-c", _BREAK_AT_BRACES, "sh", "restic", "snapshots", "--no-lock", "--json"]


def confirmation_argv(tags: SnapshotTags, parent: str | None = None) -> list[str]:
    """List the snapshots that this container's restic has just made, read from the repository itself.

    Only those are read, not the whole repository, unless the cache has more than MOST_NAMED. What a snapshot
    is believed for are its tags in this list.

    parent: the snapshot that the archive was given as its parent.
    """
    script = _NEW_IDS_SCRIPT + _BREAK_AT_BRACES
    words = [reference(parent) if parent else "", tags.filter(), str(MOST_NAMED)]
    return ["sh", "-c", script, "sh", *words, "restic", "snapshots", "--no-lock", "--no-cache", "--json"]


def step() -> tuple[str, list[str]]:
    """Return the step of a Job that lists all snapshots."""
    return (STEP, list_argv())


class SnapshotListParser:
    """A parser of the output of `list_argv`, line by line: of a list of any length little is in memory.

    restic prints one JSON array, which `tr` has broken at each closing brace. A snapshot may have braces in
    it (its summary, a path), so its text is decoded once its id, which restic prints near its end, has come.
    """

    def __init__(self) -> None:
        self._snapshots: list[ListedSnapshot] = []
        self._text = bytearray()
        self._has_id = False
        self._kept_bytes = 0
        self._state: Literal["before", "inside", "after", "unreadable"] = "before"

    def add_line(self, line: bytes) -> None:
        """Take the next line, without its line feed; lines of other programs before the list are ignored."""
        if not self._text and line.startswith(_LEFT_OUT):
            self._state = "unreadable"
        elif self._state == "before":
            self._begin(line)
        elif self._state == "inside":
            self._continue(line)

    def snapshots(self) -> list[ListedSnapshot] | None:
        """Return the snapshots; None where the list lacks one or its end, or was too much to read.

        Then nothing is known about the repository.
        """
        return self._snapshots if self._state == "after" else None

    def _begin(self, line: bytes) -> None:
        if line in (b"[]", b"null"):
            self._state = "after"
        elif line.startswith(b"[{"):
            self._state = "inside"
            self._continue(line)

    def _continue(self, line: bytes) -> None:
        if not self._text:
            if line == b"]":
                self._state = "after"
            if line[:2] not in (b"[{", b",{"):
                return  # what restic or a helper program of it wrote to standard error
            line = line[1:]
        self._text += line + b"}"
        self._has_id = self._has_id or _ID_KEY in line
        if self._has_id:
            self._decode()
        if len(self._text) > LONGEST_SNAPSHOT:
            self._state = "unreadable"

    def _decode(self) -> None:
        """Take the snapshot whose text is whole; where it is not, more lines are needed."""
        snapshot = decode_or_none(bytes(self._text), ListedSnapshot)
        if snapshot is None:
            return
        tags = tuple(tag for tag in snapshot.tags or () if tag.startswith(OUR_TAGS))
        self._text.clear()
        self._has_id = False
        host = snapshot.hostname[:LONGEST_HOST_NAME]
        paths = () if tags else tuple(path[:LONGEST_PATH] for path in (snapshot.paths or ())[:MOST_PATHS])
        self._snapshots.append(msgspec.structs.replace(snapshot, tags=tags, hostname=host, paths=paths))
        self._kept_bytes += BYTES_PER_SNAPSHOT + sum(map(len, (*tags, *paths)))
        if self._kept_bytes > MOST_KEPT_BYTES:
            self._state = "unreadable"


def parse_list(log: bytes) -> list[ListedSnapshot] | None:
    """Return the snapshots in the log of a short list, whose lines may have their times; None as above."""
    parser = SnapshotListParser()
    for line in log.split(b"\n"):
        parser.add_line(output.without_time(line))
    return parser.snapshots()
