"""The parent of an archive, given to `restic backup` by its id.

Without it restic reads every snapshot of the repository to find the last one of the same host and paths; with
it restic reads one. A snapshot's id is random, so a repository that has the parent is the one where that was
made: restic 0.14 and later read it before they write anything but a lock.
"""

from collections.abc import Sequence

from kronkeep_daemon.restic import snapshots
from kronkeep_daemon.restic.command_line import PROBE_SECONDS

# $1 is the time in seconds, $2 the parent; the others are restic's command line. restic keeps each snapshot
# that it has read in its cache, under its id (its manual, "Caching"): so that shows that the repository was
# opened and locked, and is the right one. Where this takes too long (restic repeats a request that is not
# answered for 15 minutes) it is stopped, and the exit code is 124, as that of timeout(1). Where it waits for
# ssh it does not end on a SIGTERM. The shell may be the container's first process, for which the kernel
# ignores a SIGTERM without a trap.
_BACKUP_SCRIPT = (
    'seconds=$1 parent=$2 late="$RESTIC_CACHE_DIR/no-answer"; shift 2; '
    'is_read() { for file in "$RESTIC_CACHE_DIR"/*/snapshots/*/"$parent"*; do '
    '[ ! -e "$file" ] || return 0; done; return 1; }; '
    '"$@" & program=$!; trap \'kill "$program" 2>/dev/null\' TERM; '
    '(trap - TERM; while ! is_read; do [ "$seconds" -gt 0 ] || { : >"$late"; kill "$program"; sleep 5; '
    'kill -9 "$program"; exit; }; seconds=$((seconds - 1)); sleep 1; done) >/dev/null 2>&1 & watch=$!; '
    'wait "$program"; code=$?; '
    'while kill -0 "$program" 2>/dev/null; do wait "$program"; code=$?; done; '
    'kill "$watch" 2>/dev/null; [ ! -e "$late" ] || code=124; exit "$code"'
)


def with_parent(argv: Sequence[str], snapshot_id: str, seconds: int = PROBE_SECONDS) -> list[str]:
    """Return the command line of an archive with its parent.

    seconds: by when it has read the parent, or ends with exit code 124.
    """
    parent = snapshots.reference(snapshot_id)
    at = argv.index("--")
    command = [*argv[:at], "--parent", parent, *argv[at:]]
    return ["sh", "-c", _BACKUP_SCRIPT, "sh", str(seconds), parent, *command]
