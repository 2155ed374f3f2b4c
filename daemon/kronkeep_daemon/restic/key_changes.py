"""`restic key`: adds the key of another password to a repository, and removes the one of the first.

Each is done once however often it is asked for: what opens the repository already is not added, and what is
not listed is removed already. The other password is in the file `OTHER`.
"""

import re

from kronkeep_daemon.restic.command_line import PROBE_SECONDS, limit_time

OTHER = "other-password"
_KEYS = "/kronkeep/keys"
_CURRENT = re.compile(rb'"current":\s*true,\s*"id":\s*"([0-9a-f]{8,64})"')
_SECONDS = 300  # a key is made so that trying a password takes half a second of CPU
# $0 is the file of the password that is to open the repository, $1 that of one that opens it.
_ENSURE = (
    'new=$0; old=$1; shift; if RESTIC_PASSWORD_FILE="$new" "$@" cat config --no-lock >/dev/null 2>&1; '
    'then echo "it is there"; else '
    'RESTIC_PASSWORD_FILE="$old" "$@" key add --new-password-file "$new" || exit; fi; '
    'RESTIC_PASSWORD_FILE="$new" "$@" cat config --no-lock'
)
_LIST = 'old=$0; RESTIC_PASSWORD_FILE="$old" exec "$@"'
# $0 is the id. restic refuses to remove the key that opens the repository now.
_REMOVE = (
    'keys=$("$@" key list --json --no-lock) || exit; case $keys in *"\\"id\\":\\"$0"*) '
    'exec "$@" key remove "$0";; *) echo "it is removed";; esac'
)


def ensure_argv(*, new: str, old: str) -> list[str]:
    """Let the password in the file `new` open the repository, which that in `old` may have to open first."""
    files = [f"{_KEYS}/{new}", f"{_KEYS}/{old}"]
    return limit_time(_SECONDS, ["sh", "-c", _ENSURE, *files, "restic"])


def list_argv(password: str) -> list[str]:
    """List the keys, of which that of the password in the file is the current one."""
    argv = ["sh", "-c", _LIST, f"{_KEYS}/{password}", "restic", "key", "list", "--json", "--no-lock"]
    return limit_time(PROBE_SECONDS, argv)


def remove_argv(key_id: str) -> list[str]:
    """Remove a key, which must not be that of the Job's own password."""
    return limit_time(_SECONDS, ["sh", "-c", _REMOVE, key_id, "restic"])


def parse_current(log: bytes) -> str | None:
    """Return the id of the current key in such a list; restic 0.14 prints 8 digits of it."""
    match = _CURRENT.search(log)
    return match[1].decode() if match is not None else None
