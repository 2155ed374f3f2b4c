"""The bubblewrap command line of a container: this machine's programs read-only, its own mounts on top.

The root is a fresh tmpfs with the machine's top-level folders bound read-only, so that a mount point such as
/data can be made. What holds state is left out (/var, /run, /tmp, /mnt, /srv); the running Python is bound
wherever it is. `--die-with-parent` ends the processes when the agent goes, however it goes.
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import ToolMissing

_LEFT_OUT = {"proc", "dev", "tmp", "run", "var", "mnt", "media", "srv", "boot", "lost+found"}


class Mount(NamedTuple):
    """One mount: a folder or file of this machine at a path of the container."""

    source: Path
    target: str
    read_only: bool


def bubblewrap() -> str:
    """The program; raises ToolMissing."""
    found = shutil.which("bwrap")
    if found is None:
        raise ToolMissing(
            "The program bwrap is not installed, so no container can run.",
            next_step="Run: apt-get install -y bubblewrap.",
        )
    return found


def command(argv: list[str], mounts: list[Mount], folder: str, hostname: str) -> list[str]:
    """The whole command line that runs `argv` in `folder` of the sandbox; a pod's host name is its own."""
    line = [bubblewrap(), "--die-with-parent", "--unshare-pid", "--new-session", "--tmpfs", "/"]
    line += ["--unshare-uts", "--hostname", hostname[:63]]
    for entry in sorted(Path("/").iterdir()):
        if entry.name in _LEFT_OUT:
            continue
        if entry.is_symlink():
            line += ["--symlink", str(entry.readlink()), str(entry)]
        elif entry.is_dir():
            line += ["--ro-bind", str(entry), str(entry)]
    line += ["--proc", "/proc", "--dev", "/dev", "--dir", "/var/tmp", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    for prefix in dict.fromkeys([sys.prefix, sys.base_prefix]):
        line += ["--ro-bind-try", prefix, prefix]
    for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
        line += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target]
    return [*line, "--chdir", folder, "--", *argv]
