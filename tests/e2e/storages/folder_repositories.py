"""What the repositories in a folder hold, and the passwords that open them."""

import base64
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite

from kronkeep_common.models.storage_layout import password_secret_of_folders
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import NotFoundInCluster


async def read_passwords(site: BackupSite, storage: str) -> dict[str, str]:
    """Return the passwords of a storage's repositories by folder, its own under the empty one."""
    cluster = await site.daemon.cluster()
    secret: dict[str, Any] = {"data": {}}
    with suppress(NotFoundInCluster):  # no repository below the storage's own was made yet
        secret = await cluster.get(paths.secrets("kronkeep", password_secret_of_folders(storage)))
    await cluster.close()
    texts = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    return {"": await site.read_password(storage), **texts}


def list_ids(folder: Path, password: str) -> list[str] | None:
    """Return the ids of a repository's snapshots; None where the password does not open it."""
    argv = [DEBIAN_RESTIC, "-r", str(folder), "--no-cache", "--no-lock", "snapshots", "--json"]
    done = subprocess.run(argv, env={"RESTIC_PASSWORD": password}, capture_output=True, check=False)
    return None if done.returncode else [each["id"] for each in json.loads(done.stdout) or []]
