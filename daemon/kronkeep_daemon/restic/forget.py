"""`restic forget`: removes snapshots by their ids; their data stays until `restic prune`."""

from collections.abc import Sequence

from kronkeep_daemon.restic.snapshots import SnapshotTags

_NOT_SHOWN = "the repository does not show this snapshot with the tags of its backup, so it stays"
# $0 is the filter by tags, $1 the id; then come the program and its options. Only `sh` and `case` are needed.
# In JSON a text cannot hold the pattern, as its quotes would have backslashes before them.
_FORGET_OWN = (
    'id=$1; shift; list=$("$@" snapshots --no-lock --json --tag "$0") || exit; '
    'case $list in *"\\"id\\":\\"$id"*) exec "$@" forget "$id";; '
    f'*) echo "{_NOT_SHOWN}"; exit 1;; esac'
)


def argv(snapshot_ids: Sequence[str]) -> list[str]:
    """Remove exactly these snapshots; restic's own rules (`--keep-…`) are never used."""
    return ["restic", "forget", *snapshot_ids]


def own_argv(snapshot_id: str, tags: SnapshotTags) -> list[str]:
    """Remove a snapshot of a backup where the repository shows it with the backup's tags; fail otherwise."""
    return ["sh", "-c", _FORGET_OWN, tags.filter(), snapshot_id, "restic"]
