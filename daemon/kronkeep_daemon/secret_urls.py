"""URLs that are secrets: read from a file, a credential of systemd or a Secret, each time they are needed."""

import asyncio
import base64
import binascii
import os
from pathlib import Path
from typing import Protocol

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models.policy import SecretKeyRef
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster


class UrlOwner(Protocol):
    """Settings that name where a URL is: a file, or a key of a Secret in kronkeep's namespace."""

    @property
    def url_file(self) -> str | None:
        """The file whose first line it is."""

    @property
    def url_secret(self) -> SecretKeyRef | None:
        """The Secret and the key that hold it."""


MAX_URL = 4096  # characters


class UrlUnreadable(Exception):
    """The file or Secret with a URL cannot be read; the text says which and why."""


def credential_path(name: str) -> Path:
    """Return the path of a file; a name that is no absolute path is a credential of systemd."""
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / name


async def read_url(owner: UrlOwner, cluster: Cluster, namespace: str) -> str:
    """Return the URL as it is now; raise UrlUnreadable.

    namespace: kronkeep's own, where a Secret is looked for.
    """
    if owner.url_secret is not None:
        return await _read_secret(cluster, namespace, owner.url_secret.secret, owner.url_secret.key)
    return await read_url_file(owner.url_file or "")


async def read_url_file(name: str) -> str:
    """Return the first line of a file; a name that is no absolute path is a credential of systemd.

    Raise UrlUnreadable.
    """
    try:
        return (await asyncio.to_thread(_read_first_line, credential_path(name))).strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise UrlUnreadable(f"the file with its URL cannot be read ({type(fault).__name__})") from fault


def _read_first_line(path: Path) -> str:
    with path.open() as file:
        return file.readline(MAX_URL)


async def _read_secret(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    try:
        secret = await cluster.get(paths.secrets(namespace, name))
        return base64.b64decode(secret["data"][key]).decode().strip()
    except KronkeepError as fault:
        raise UrlUnreadable(f"the Secret with its URL cannot be read ({fault.code})") from fault
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError) as fault:
        raise UrlUnreadable("the Secret with its URL lacks the key") from fault
