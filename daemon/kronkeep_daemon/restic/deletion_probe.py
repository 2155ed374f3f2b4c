"""Whether credentials can delete: a snapshot of a few bytes is made, and `restic forget` must not remove it.

Its exit code proves nothing (restic 0.14 ends with 0 where the server refused), so the list decides.
"""

from kronkeep_daemon.restic.command_line import limit_time

TAG = "kronkeep-probe"
HOST = "kronkeep-probe"
COULD_DELETE = "the credentials of archives could delete a snapshot"
CANNOT_DELETE = "the maintenance credentials could not delete a snapshot"
LOCK_STAYS = "the credentials of archives could not remove a lock of their own"
SECONDS = 10  # of a removal; restic repeats one that is refused ten times, for about a minute
BACKUP_SECONDS = 120
_IDS = (
    f'ids() {{ "$@" snapshots --no-lock --json --tag {TAG} | tr "," "\\n" | '
    r"""sed -n 's/.*"short_id":"\([0-9a-f]*\)".*/\1/p'; }; """
)
# $0 is how many seconds a removal may take. A removal that is stopped leaves a lock, which `unlock` removes.
_REMOVE = (
    _IDS
    + 'before=$(ids "$@"); [ -n "$before" ] || { echo "there is no probe"; exit 1; }; '
    + 'timeout -k 5 "$0" "$@" forget $before; "$@" unlock >/dev/null 2>&1; after=$(ids "$@"); '
)
_REFUSED = (
    _REMOVE
    + f'[ "$before" = "$after" ] || {{ echo "{COULD_DELETE}"; exit 1; }}; '
    + f'[ -z "$("$@" list locks --no-lock)" ] || {{ echo "{LOCK_STAYS}"; exit 1; }}; echo "it was refused"'
)
_ALLOWED = _REMOVE + f'[ -z "$after" ] || {{ echo "{CANNOT_DELETE}"; exit 1; }}; echo "it was removed"'
_BACKUP = 'echo probe | "$@"'


def backup_argv() -> list[str]:
    """Make the snapshot that is to be removed."""
    options = ["--host", HOST, "--tag", TAG, "--stdin", "--stdin-filename", "probe"]
    return limit_time(BACKUP_SECONDS, ["sh", "-c", _BACKUP, "sh", "restic", "backup", *options])


def refusal_argv() -> list[str]:
    """Fail where these credentials can remove the snapshot, or leave a lock behind."""
    return ["sh", "-c", _REFUSED, str(SECONDS), "restic"]


def removal_argv() -> list[str]:
    """Remove the snapshot, and fail where these credentials cannot."""
    return ["sh", "-c", _ALLOWED, str(BACKUP_SECONDS), "restic"]
