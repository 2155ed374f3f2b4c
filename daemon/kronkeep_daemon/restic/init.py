"""`restic init`: creates a repository; restic refuses where there is one already."""

from kronkeep_daemon.restic import copy
from kronkeep_daemon.restic.command_line import limit_time

# Seconds: over SFTP restic creates 256 folders one after the other, 51 s where an answer takes 0.2 s.
SECONDS = 300


def argv() -> list[str]:
    """Create the repository, within SECONDS."""
    return limit_time(SECONDS, ["restic", "init"])


def copy_argv(*, encrypted: bool = True) -> list[str]:
    """Create a repository that cuts files into the same chunks as its source, within SECONDS.

    So that what is archived into it later is not stored a second time beside what was copied.
    encrypted: whether the source is.
    """
    options = ["--copy-chunker-params", *copy.from_options(encrypted=encrypted)]
    return limit_time(SECONDS, ["restic", "init", *options])
