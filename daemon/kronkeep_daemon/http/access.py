"""Access to the socket: the caller's credentials, as the kernel reports them, and the level they grant."""

import grp
import os
import pwd
import socket
import struct
from enum import IntEnum
from typing import NamedTuple

from aiohttp import web

from kronkeep_common.errors import Denied
from kronkeep_common.text import clean
from kronkeep_daemon.settings import AccessSettings

SO_PEERGROUPS = 59  # linux/asm-generic/socket.h
_MOST_GROUPS = 256  # socket.getsockopt reads 1 KiB at most


class Level(IntEnum):
    """What a caller may do; each level includes those before it."""

    NONE = 0
    READ = 1
    OPERATE = 2
    ADMIN = 3


class Peer(NamedTuple):
    """A caller's credentials when it connected; a caller through sudo therefore has uid 0."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int]


def peer_of(request: web.Request) -> Peer:
    """Return the caller's credentials; raise Denied where the kernel does not report them."""
    connection = request.get_extra_info("socket")
    if connection is None:
        raise Denied("The caller's credentials are not known.")
    pid, uid, gid = peer_credentials(connection)
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * _MOST_GROUPS)
    except OSError as fault:  # ERANGE
        raise Denied(f"You are in more than {_MOST_GROUPS} groups, too many to read.") from fault
    groups = struct.unpack(f"{len(raw) // 4}I", raw)
    return Peer(uid=uid, gid=gid, pid=pid, groups=frozenset([*groups, gid]))


def peer_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the peer when it connected: struct ucred of unix(7)."""
    pid, uid, gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def level_of(peer: Peer, settings: AccessSettings) -> Level:
    """Return the highest level of the peer's groups; root and the daemon's own user have admin."""
    if peer.uid in (0, os.getuid()):
        return Level.ADMIN
    for level, names in (
        (Level.ADMIN, settings.admin),
        (Level.OPERATE, settings.operate),
        (Level.READ, settings.read),
    ):
        if any(_gid(name) in peer.groups for name in names):
            return level
    return Level.NONE


def advise_group(level: Level, settings: AccessSettings) -> str:
    """Return how somebody gets a level: as a member of one of its groups, or of those of a higher one."""
    names = {Level.READ: settings.read, Level.OPERATE: settings.operate}.get(level, settings.admin)
    if not names:
        return f"No group has the level {level.name.lower()}: name one in the settings (access)."
    return f"The group {names[0]} has it: sudo usermod -aG {names[0]} USER, then log in again."


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def user_name(uid: int) -> str:
    """Return the name of a uid, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def user_of(request: web.Request) -> str:
    """Return the name of the user who sent a request."""
    return user_name(peer_of(request).uid)


def program_of(request: web.Request) -> str:
    """Return what the program that sent a request calls itself (RFC 9110, User-Agent), or nothing.

    A process chooses its name in /proc too; that says only `python3` of a script, and to read it would need a
    unit without ProtectProc.
    """
    return clean(request.headers.get("User-Agent", ""), 64)


# What clients of Unix sockets write for a host that there is not: curl's and Docker's examples among them.
OWN_HOSTS = ("", "localhost", "kronkeepd", "unix", "d")


def refuse_browsers(request: web.Request) -> None:
    """Raise Denied for a header that only a web page's request has, or for a Host other than ours."""
    headers = request.headers
    site = headers.get("Sec-Fetch-Site", "none")
    if "Origin" in headers or "Referer" in headers or site != "none":
        step = "Send it from a program, without Origin, Referer and Sec-Fetch headers."
        raise Denied("Requests from web pages are refused.", next_step=step)
    host = headers.get("Host", "").lower().partition(":")[0]
    if host not in OWN_HOSTS:
        step = "Use http://localhost/ in the address, as curl --unix-socket SOCKET http://localhost/v1/ does."
        raise Denied("The Host of a request must be localhost.", next_step=step)
