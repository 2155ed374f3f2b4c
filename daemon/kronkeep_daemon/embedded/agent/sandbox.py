"""The bubblewrap command line that runs one container in a sandbox on this machine.

Implemented: the root file system of the container's image, or this machine's where the node has no such
image, with the container's mounts on top; PID and UTS namespaces of its own, so that it sees only its own
processes and the pod's host name; its own /proc and /dev; workingDir, which is created where it is missing,
as runc does; readOnlyRootFilesystem of images; the user (`container_user`).

Not implemented: network namespaces and resource limits. A container shares the machine's network, and its
first process is not PID 1, so that a signal without a handler ends it. The files of an image can never be
written; where the root is not read-only, new ones can be created everywhere but below /bin, /lib and /usr.

The root is a fresh tmpfs with the image's (or the machine's) top-level folders bound read-only, so that a
mount point such as /data can be created without a copy of the image. Of the machine, folders that hold state
are left out (/var, /run, /tmp, /mnt, /srv), and the Python that runs the agent is bound wherever it is.
`--die-with-parent` ends the processes when the agent ends, however it ends.
"""

import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kronkeep_common.errors import ToolMissing
from kronkeep_daemon.embedded.agent.container_user import ContainerUser, build_arguments

_FOLDERS_LEFT_OUT = {"proc", "dev", "tmp", "run", "var", "mnt", "media", "srv", "boot", "lost+found"}
_LONGEST_HOST_NAME = 63
_PROGRAM_FOLDERS = {"bin", "lib", "lib64", "sbin", "usr"}
_KERNEL_FOLDERS = {"proc", "dev", "sys"}
_RUNTIME_FILES = ("/etc/hosts", "/etc/resolv.conf")  # a container runtime gives every container the node's


class ImageRoot(NamedTuple):
    """The root file system of a container's image, and whether the container may not write to it."""

    folder: Path
    read_only: bool


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
    argv: list[str],
    *,
    root: ImageRoot | None,
    mounts: list[BindMount],
    working_folder: str,
    hostname: str,
    user: ContainerUser,
) -> list[str]:
    """Return the command line that runs `argv` in a sandbox.

    `root` None is this machine's own root; `working_folder` is a path inside the sandbox. Raises ToolMissing
    without bubblewrap or setpriv.
    """
    user_arguments = build_arguments(user)
    command = [find_bubblewrap(), "--die-with-parent", "--unshare-pid", "--new-session", "--tmpfs", "/"]
    command += ["--unshare-uts", "--hostname", hostname[:_LONGEST_HOST_NAME]]
    targets = [mount.target for mount in mounts]
    command += _machine_folders() if root is None else _image_folders(root, targets)
    # Bubblewrap mounts in the order of its arguments, so a mount below another must come after it.
    for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
        command += _create_parents(mount.target)
        command += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target]
    command += [*_create_parents(f"{working_folder}/x"), *user_arguments.sandbox]
    if root is not None and root.read_only:
        command += ["--remount-ro", "/"]
    return [*command, "--chdir", working_folder, "--", *user_arguments.prefix, *argv]


def _create_parents(path: str) -> list[str]:
    """Return the arguments that create the folders above a path; bubblewrap's own are for root alone."""
    arguments: list[str] = []
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        arguments += ["--perms", "0755", "--dir", str(parent)]
    return arguments


def _image_folders(root: ImageRoot, targets: list[str]) -> list[str]:
    """Return the arguments that bind an image's files; `targets` are the places where mounts will be."""
    arguments: list[str] = ["--proc", "/proc", "--dev", "/dev"]
    for entry in sorted(root.folder.iterdir()):
        if entry.name not in _KERNEL_FOLDERS:
            keep_whole = root.read_only or entry.name in _PROGRAM_FOLDERS
            arguments += _bind_entry(entry, f"/{entry.name}", targets, keep_whole=keep_whole)
    for path in _RUNTIME_FILES:
        arguments += ["--ro-bind-try", path, path]
    return arguments


def _bind_entry(entry: Path, path: str, targets: list[str], *, keep_whole: bool) -> list[str]:
    """Return the arguments that show a file or folder of an image at `path`.

    A folder is bound as a whole, read-only; one in which mounts need a place, or which is not to be kept
    whole, becomes a folder of the tmpfs, in which the entries are bound one by one.
    """
    if entry.is_symlink():
        return ["--symlink", str(entry.readlink()), path]
    is_split = not keep_whole or any(target.startswith(f"{path}/") for target in targets)
    if not entry.is_dir() or not is_split:
        return ["--ro-bind", str(entry), path]
    arguments = ["--perms", oct(entry.stat().st_mode & 0o7777)[2:], "--dir", path]
    for child in sorted(entry.iterdir()):
        arguments += _bind_entry(child, f"{path}/{child.name}", targets, keep_whole=keep_whole)
    return arguments


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
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += ["--dir", "/var/tmp", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    for prefix in dict.fromkeys([sys.prefix, sys.base_prefix]):
        arguments += ["--ro-bind-try", prefix, prefix]
    return arguments
