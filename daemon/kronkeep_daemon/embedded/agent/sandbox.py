"""The bubblewrap command line that runs one container in a sandbox on this machine.

Implemented: a root file system with the container's mounts on top; PID and UTS namespaces of its own, so that
it sees only its own processes and the pod's host name; private /tmp, /run, /proc and /dev; workingDir.

Not implemented: images (the root file system is this machine's), runAsUser, runAsGroup, fsGroup,
readOnlyRootFilesystem, capabilities, network namespaces and resource limits. A container runs as the user of
the agent and shares the machine's network.

The root is a fresh tmpfs with the machine's top-level folders bound read-only, so that a mount point such as
/data can be created. Folders that hold state are left out (/var, /run, /tmp, /mnt, /srv); the Python that
runs the agent is bound wherever it is installed. `--die-with-parent` ends the processes when the agent ends,
however it ends.
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import ToolMissing

_FOLDERS_LEFT_OUT = {"proc", "dev", "tmp", "run", "var", "mnt", "media", "srv", "boot", "lost+found"}
_LONGEST_HOST_NAME = 63


class BindMount(NamedTuple):
    """A folder or file of this machine that a container sees at `target`."""

    source: Path
    target: str
    read_only: bool


def find_bubblewrap() -> str:
    """Return the path of the program; raises ToolMissing."""
    program = shutil.which("bwrap")
    if program is None:
        raise ToolMissing(
            "The program bwrap is not installed, so no container can run.",
            next_step="Run: apt-get install -y bubblewrap.",
        )
    return program


def build_command(
    argv: list[str], *, mounts: list[BindMount], working_folder: str, hostname: str
) -> list[str]:
    """Return the command line that runs `argv` in a sandbox.

    `working_folder` is a path inside the sandbox. Raises ToolMissing without bubblewrap.
    """
    command = [find_bubblewrap(), "--die-with-parent", "--unshare-pid", "--new-session", "--tmpfs", "/"]
    command += ["--unshare-uts", "--hostname", hostname[:_LONGEST_HOST_NAME]]
    command += _machine_folders()
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--dir", "/var/tmp", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    for prefix in dict.fromkeys([sys.prefix, sys.base_prefix]):
        command += ["--ro-bind-try", prefix, prefix]
    # Bubblewrap mounts in the order of its arguments, so a mount below another must come after it.
    for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
        command += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target]
    return [*command, "--chdir", working_folder, "--", *argv]


def _machine_folders() -> list[str]:
    """Return the arguments that bind the machine's top-level folders read-only."""
    arguments: list[str] = []
    for entry in sorted(Path("/").iterdir()):
        if entry.name in _FOLDERS_LEFT_OUT:
            continue
        if entry.is_symlink():
            arguments += ["--symlink", str(entry.readlink()), str(entry)]
        elif entry.is_dir():
            arguments += ["--ro-bind", str(entry), str(entry)]
    return arguments
