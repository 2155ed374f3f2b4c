"""`restic cat config`: opens a repository with its password, which proves that both are right.

It takes a lock, which proves that the repository can be written.
"""

from kronkeep_daemon.restic.command_line import PROBE_SECONDS, limit_time


def argv() -> list[str]:
    """Open the repository, or say within PROBE_SECONDS why it cannot be opened."""
    return limit_time(PROBE_SECONDS, ["restic", "cat", "config"])
