"""`restic init`: creates a repository; restic refuses where there is one already."""

from kronkeep_daemon.restic.command_line import limit_time

# Seconds: over SFTP restic creates 256 folders one after the other, 51 s where an answer takes 0.2 s.
SECONDS = 300


def argv() -> list[str]:
    """Create the repository, within SECONDS."""
    return limit_time(SECONDS, ["restic", "init"])
