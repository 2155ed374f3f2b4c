"""The user, the groups and the capabilities of a container's processes, from its pod's security contexts.

Implemented: runAsUser, runAsGroup, supplementalGroups and fsGroup (a group of every process), runAsNonRoot,
and capabilities; a field of the container's own security context goes before the pod's. As with the official
images, whose user is root, the user is 0 where no field names one, and the group is 0.

Not implemented: users and groups that an image sets for itself; supplementalGroupsPolicy (no group comes from
the image); privileged containers, seccomp and SELinux. New privileges are never allowed.
"""

import functools
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import ToolMissing
from kronkeep_daemon.embedded.agent.environment import ConfigMissing
from kronkeep_daemon.embedded.agent.image_folder import shared_libraries
from kronkeep_daemon.kube.objects import JsonObject

# Where a sandbox has the program that changes the user; only root sees what is in this folder.
_TOOL_FOLDER = "/.setpriv"
# What containerd leaves to root in a container.
_DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)


class ContainerUser(NamedTuple):
    """Who a container's processes are, and what root may do in it."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: frozenset[str]


class UserArguments(NamedTuple):
    """What bubblewrap needs for a user: arguments of its own, and the command line before the container's."""

    sandbox: list[str]
    prefix: list[str]


def find_user(pod: JsonObject, container: JsonObject) -> ContainerUser:
    """Return the user of a container.

    Raises ConfigMissing, in a kubelet's words, where it would be root and must not be.
    """
    of_pod = pod["spec"].get("securityContext") or {}
    own = container.get("securityContext") or {}
    context = of_pod | {key: value for key, value in own.items() if value is not None}
    uid = context.get("runAsUser")
    if context.get("runAsNonRoot") and not uid:
        meta = pod["metadata"]
        place = f'(pod: "{meta["name"]}_{meta["namespace"]}({meta["uid"]})", container: {container["name"]})'
        if uid is None:
            raise ConfigMissing(f"container has runAsNonRoot and image will run as root {place}")
        raise ConfigMissing(f"container's runAsUser breaks non-root policy {place}")
    groups = [*(of_pod.get("supplementalGroups") or [])]
    if of_pod.get("fsGroup") is not None:
        groups.append(of_pod["fsGroup"])
    return ContainerUser(
        uid=uid or 0,
        gid=context.get("runAsGroup") or 0,
        groups=tuple(dict.fromkeys(groups)),
        capabilities=_find_capabilities(own.get("capabilities") or {}),
    )


def _find_capabilities(change: JsonObject) -> frozenset[str]:
    dropped = set(change.get("drop") or ())
    added = frozenset(name.removeprefix("CAP_") for name in change.get("add") or ())
    kept = frozenset() if "ALL" in dropped else _DEFAULT_CAPABILITIES - dropped
    return kept | added


def build_arguments(user: ContainerUser) -> UserArguments:
    """Return bubblewrap's arguments for a user; raises ToolMissing.

    Where this process is root, util-linux's setpriv becomes the user inside the sandbox, whatever the image
    has. Another process cannot become anybody: its own files appear as the user's in a user namespace.
    """
    if os.geteuid() != 0:
        if not user.uid:
            return UserArguments(sandbox=[], prefix=[])
        arguments = ["--unshare-user", "--uid", str(user.uid), "--gid", str(user.gid)]
        return UserArguments(sandbox=arguments, prefix=[])
    if user.uid == 0 and user.gid == 0 and not user.groups:
        return UserArguments(sandbox=_keep_capabilities(user.capabilities), prefix=[])
    tool = _find_setpriv()
    arguments = _keep_capabilities(user.capabilities | {"SETUID", "SETGID"})
    for path in tool.files:
        arguments += ["--ro-bind", str(path), f"{_TOOL_FOLDER}/{path.name}"]
    prefix = [f"{_TOOL_FOLDER}/{tool.loader}", "--library-path", _TOOL_FOLDER, f"{_TOOL_FOLDER}/setpriv"]
    prefix += ["--reuid", str(user.uid), "--regid", str(user.gid)]
    prefix += ["--groups", ",".join(map(str, user.groups))] if user.groups else ["--clear-groups"]
    return UserArguments(sandbox=arguments, prefix=[*prefix, "--"])


def _keep_capabilities(names: frozenset[str]) -> list[str]:
    """Return the arguments that leave root these capabilities; ALL is all that this process has."""
    if "ALL" in names:
        return []
    arguments = ["--cap-drop", "ALL"]
    for name in sorted(names):
        arguments += ["--cap-add", f"CAP_{name}"]
    return arguments


class _Setpriv(NamedTuple):
    """The program with its libraries, and the name of the loader among them."""

    files: tuple[Path, ...]
    loader: str


@functools.cache
def _find_setpriv() -> _Setpriv:
    program = shutil.which("setpriv")
    if program is None:
        raise ToolMissing(
            "The program setpriv is not installed, so no container can run as another user.",
            next_step="Run: apt-get install -y util-linux.",
        )
    libraries = shared_libraries(Path(program))
    loader = next(path.name for path in libraries if path.name.startswith("ld-"))
    return _Setpriv(files=(Path(program), *libraries), loader=loader)
