"""A running daemon for many tests of backups, with helpers for claims, policies and restic itself."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.daemon_process import Daemon
from tests.quick_repository import write_quick_repository
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    CronJobCreate,
    Hook,
    Source,
)
from kronkeep_common.models.policy import BackupType, Compression
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.repositories.repository import repository_of_policy

DEBIAN_RESTIC = "/usr/bin/restic"
NEWER_RESTIC = Path(sys.prefix) / "restic" / "restic"

IMAGES = {DEBIAN_RESTIC: "restic/restic:0.14.0", str(NEWER_RESTIC): "restic/restic:newer"}
# An image that no node has: on a node with this machine's tools its containers see this machine's programs.
MACHINE_IMAGE = "machine.invalid/tools"
DUMP_IMAGE = IMAGES[
    str(NEWER_RESTIC)
]  # an image with the C library that the newer restic needs, like postgres


class BackupSite:
    """A daemon whose archives use the restic `program`; each test names its own storages and claims."""

    def __init__(self, daemon: Daemon, program: str) -> None:
        self.daemon = daemon
        self.program = program

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with self.daemon.client() as client:
            yield client

    async def create_storage(
        self, name: str, *, layout: Layout = "shared", namespaces: tuple[str, ...] = ("default",)
    ) -> Path:
        """Create a local storage, wait until it is active, and return its folder."""
        folder = self.daemon.state.parent / f"storage-{name}"
        await self.daemon.prepare_storage(name, folder)
        async with self.client() as client:
            await client.storages.create(
                BackupStorageCreate(
                    id=name,
                    kind="local",
                    settings={"path": str(folder)},
                    namespaces=namespaces,
                    layout=layout,
                )
            )
            storage = await eventually(
                lambda: client.storages.get(name), lambda s: s.status in ("active", "failed")
            )
            assert storage.status == "active", storage
        return folder

    async def write_copies_repository(self, storage: str, folder: Path, source: str) -> None:
        """Write the repository of copies from the storage `source`, which opens quickly as those do."""
        password = await self.read_password(storage)
        await asyncio.to_thread(write_quick_repository, folder / f"copies-of-{source}", password)

    async def write_policy_repository(
        self, client: Client, cronjob: str, folder: Path, password: str
    ) -> None:
        """Write the repository of a CronJob's policy with a key of its own, in the storage's folder.

        password: the key; an empty one for a policy without encryption.
        """
        view = await client.cronjobs.get("default", cronjob)
        assert view.policy is not None
        storage = await client.storages.get(view.policy.storage_id)
        own = repository_of_policy(view.policy.id, view.cluster, "default", view.policy.encryption, storage)
        assert own.folder
        await asyncio.to_thread(write_quick_repository, folder / own.folder, password)

    async def create_object(self, path: str, body: dict[str, Any]) -> None:
        """Create an object of the cluster unless it exists."""
        cluster = await self.daemon.cluster()
        try:
            await cluster.create(path, body)
        except AlreadyExists:
            pass
        finally:
            await cluster.close()

    async def create_claim(self, name: str) -> Path:
        """Create a claim and return its folder."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await self.create_object(paths.claims("default"), {"metadata": {"name": name}, "spec": spec})
        folder = self.daemon.claims / "default" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def create_secret(self, name: str, **data: str) -> None:
        """Create a Secret in the namespace default."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        await self.create_object(paths.secrets("default"), {"metadata": {"name": name}, "data": encoded})

    async def create_cronjob(self, client: Client, name: str, claim: str, storage: str, **policy: Any) -> str:
        """Create a CronJob that never runs by itself and archives the claim; return its policy's id."""
        source = Source(claims=(ClaimSource(claim=claim),)) if claim else Source()
        spec = BackupPolicySpec(**{"storage_id": storage, "source": source, "retries": 0, **policy})
        created = await client.cronjobs.create(
            CronJobCreate(
                name=name, image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", policy=spec
            )
        )
        assert created.policy is not None
        return created.policy.id

    async def back_up(
        self,
        client: Client,
        name: str,
        backup_type: BackupType | None = None,
        compression: Compression | None = None,
    ) -> BackupExecution:
        """Start a backup and return it once it has ended."""
        begun = await client.cronjobs.back_up(
            "default", name, backup_type=backup_type, compression=compression
        )
        return await wait_for_end(client, begun.id)

    def has_exit_codes(self) -> bool:
        """Whether the site's restic is 0.17 or newer: a code for each fault, dumps, no encryption."""
        done = subprocess.run([self.program, "version"], capture_output=True, text=True, check=True)
        major, minor = done.stdout.split()[1].split(".")[:2]
        return (int(major), int(minor)) >= (0, 17)

    def run_restic(self, repository: Path, password: str | None, *argv: str, code: int = 0) -> str:
        """Run the site's restic on a repository, outside of the cluster; return its output."""
        done = self._run_restic(repository, password, *argv)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    async def check_repository(self, repository: Path, password: str | None) -> None:
        """Read a whole repository and find no fault in it, once no work of kronkeep's holds its lock."""

        async def check() -> subprocess.CompletedProcess[str]:
            return await asyncio.to_thread(self._run_restic, repository, password, "check", "--read-data")

        done = await eventually(check, lambda done: "already locked" not in done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no errors were found" in done.stdout

    def _run_restic(
        self, repository: Path, password: str | None, *argv: str
    ) -> subprocess.CompletedProcess[str]:
        line = [self.program, "-r", str(repository), "--no-cache"]
        if password is None:
            line.append("--insecure-no-password")
        return subprocess.run(
            [*line, *argv],
            capture_output=True,
            text=True,
            env={"RESTIC_PASSWORD": password or ""},
            check=False,
        )

    async def read_password(self, storage: str) -> str:
        """Return the password of a storage's repository."""
        cluster = await self.daemon.cluster()
        secret = await cluster.get(paths.secrets("kronkeep", f"kronkeep-storage-{storage}"))
        await cluster.close()
        return base64.b64decode(secret["data"]["password"]).decode()

    async def list_snapshots(self, storage: str, folder: Path) -> list[dict[str, Any]]:
        """Return the snapshots in the storage's own repository, as restic lists them."""
        password = await self.read_password(storage)
        output = await asyncio.to_thread(self.run_restic, folder, password, "snapshots", "--json")
        return json.loads(output) or []


async def wait_for_end(client: Client, backup_id: str, seconds: float = LONGEST_WAIT) -> BackupExecution:
    """Return the backup once it has ended."""
    return await eventually(
        lambda: client.backups.get(backup_id), lambda b: is_final(BACKUP_TRANSITIONS, b.status), seconds
    )


@contextmanager
def backup_site(
    folder: Path,
    program: str,
    *,
    machine_tools: bool = False,
    arguments: tuple[str, ...] = (),
    **archive: Any,
) -> Iterator[BackupSite]:
    """Start a daemon whose archives use the restic `program`.

    A program that is in no image, and with `machine_tools` other images, need this machine's tools.
    `arguments` are added to its command line, `archive` are settings.
    """
    config = folder / "kronkeepd.toml"
    image = {"image": IMAGES[program]} if program in IMAGES else {"image": MACHINE_IMAGE, "program": program}
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**image, **archive}.items()]
    config.write_text("\n".join(["[archive]", *lines]))
    daemon = Daemon(folder / "s", machine_tools=machine_tools or program not in IMAGES)
    daemon.arguments = ("--config", str(config), *arguments)
    asyncio.run(daemon.start())
    try:
        yield BackupSite(daemon, program)
    finally:
        asyncio.run(daemon.end())


def hook(name: str, *command: str, **fields: Any) -> Hook:
    """Return a hook that runs a command."""
    return Hook(**{"name": name, "image": "busybox:1.36", "command": command, **fields})


def shell(name: str, script: str, **fields: Any) -> Hook:
    """Return a hook that runs a line of shell."""
    return hook(name, "sh", "-c", script, **fields)
