"""Who asks, from the kernel's word for the connection, and what they may."""

import grp
import os
import pwd
import socket
import struct
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from kronkeep_common.errors import Denied
from kronkeep_common.text import clean
from kronkeep_daemon.settings import AccessSettings

SO_PEERGROUPS = 59  # linux/asm-generic/socket.h
_MOST_GROUPS = 256  # socket.getsockopt takes 1 KiB at most


class Level(IntEnum):
    """Rights, each including those before it."""

    NONE = 0
    READ = 1
    OPERATE = 2
    ADMIN = 3


class Peer(NamedTuple):
    """Credentials as they were at connect; sudo therefore shows uid 0."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int]


def peer_of(request: web.Request) -> Peer:
    """The caller's credentials; raises Denied when the kernel does not tell them."""
    found = request.get_extra_info("socket")
    if found is None:
        raise Denied("The caller's credentials are not known.")
    pid, uid, gid = credentials(found)
    try:
        raw = found.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * _MOST_GROUPS)
    except OSError as fault:  # ERANGE
        raise Denied(f"You are in more than {_MOST_GROUPS} groups, which cannot be told apart.") from fault
    groups = struct.unpack(f"{len(raw) // 4}I", raw)
    return Peer(uid=uid, gid=gid, pid=pid, groups=frozenset([*groups, gid]))


def credentials(connection: socket.socket) -> tuple[int, int, int]:
    """The peer's (pid, uid, gid) as they were at connect: struct ucred, unix(7)."""
    pid, uid, gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def level_of(peer: Peer, settings: AccessSettings) -> Level:
    """The highest level that the peer's groups hold; root and the daemon's own user are admin."""
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


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def user_name(uid: int) -> str:
    """The name of a uid, or the number itself."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def program(pid: int) -> str:
    """The name of the caller's program; empty where /proc does not show it."""
    try:
        return clean(Path(f"/proc/{pid}/comm").read_text().strip(), 16)
    except OSError:
        return ""


def refuse_browsers(request: web.Request) -> None:
    """Raises Denied for what only a web page's request carries, or for a Host that is not ours."""
    headers = request.headers
    site = headers.get("Sec-Fetch-Site", "none")
    if "Origin" in headers or "Referer" in headers or site != "none":
        raise Denied("Requests of web pages are refused.")
    if headers.get("Host", "") not in ("", "localhost", "kronkeepd"):
        raise Denied("The Host of a request must be localhost.")
