"""`restic cat config`: opens a repository with its password, which proves that both are right.

With a lock it also proves that the repository can be written.
"""

import re

from kronkeep_daemon.restic.command_line import PROBE_SECONDS, limit_time

WRONG_REPOSITORY = "this is not the repository that was created here"
_ID = re.compile(rb'"id":\s*"([0-9a-f]{64})"')
# $0 is the id. Only `sh`, `printf`, `echo` and `case`, which busybox has as well.
_COMPARE = (
    'config=$("$@") || { code=$?; printf "%s\\n" "$config"; exit $code; }; printf "%s\\n" "$config"; '
    f'case $config in *"\\"$0\\""*) ;; *) echo "{WRONG_REPOSITORY}"; exit 1;; esac'
)


def argv(repository_id: str = "", *, lock: bool = True, key: str = "") -> list[str]:
    """Open the repository, or say within PROBE_SECONDS why it cannot be opened.

    repository_id: the id that it must have; empty where any repository will do.
    lock: False where it need not be writable.
    key: the id of the key that is tried first (`--key-hint`); empty for the order of the storage.
    """
    options = [*([] if lock else ["--no-lock"]), *(["--key-hint", key] if key else [])]
    command = limit_time(PROBE_SECONDS, ["restic", "cat", "config", *options])
    return ["sh", "-c", _COMPARE, repository_id, *command] if repository_id else command


def parse_id(log: bytes) -> str:
    """Return the repository's id from its config; empty where the log has none."""
    match = _ID.search(log)
    return match[1].decode() if match else ""
