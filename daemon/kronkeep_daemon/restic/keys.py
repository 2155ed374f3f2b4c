"""`restic list keys`: lists the keys that open a repository."""

import re

from kronkeep_daemon.restic import output
from kronkeep_daemon.restic.command_line import PROBE_SECONDS, limit_time

MOST_TRIED = 20  # restic tries no more keys than this (maxKeys in OpenRepository)
_ID = re.compile(rb"^[0-9a-f]{64}$")


def argv() -> list[str]:
    """List the ids of the keys, within PROBE_SECONDS and without a lock."""
    return limit_time(PROBE_SECONDS, ["restic", "list", "keys", "--no-lock"])


def parse(log: bytes) -> list[str]:
    """Return the ids of the keys."""
    return [line.decode() for line in output.split_lines(log) if _ID.match(line)]
