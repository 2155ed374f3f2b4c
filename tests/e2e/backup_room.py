"""One daemon for many tests of backups: claims filled by hand, policies, restic itself for the truth."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Daemon, eventually

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
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists

MACHINES = "/usr/bin/restic"
NEWER = Path(sys.prefix) / "restic" / "restic"


class Room:
    """A daemon whose archives use `program`; every storage, claim and CronJob is named by the test."""

    def __init__(self, daemon: Daemon, program: str) -> None:
        self.daemon = daemon
        self.program = program

    @asynccontextmanager
    async def client(self):  # type: ignore[no-untyped-def]
        async with self.daemon.client() as client:
            yield client

    async def storage(self, name: str) -> Path:
        """An active local storage; its folder."""
        folder = self.daemon.state.parent / f"storage-{name}"
        async with self.client() as client:
            wanted = BackupStorageCreate(id=name, kind="local", settings={"path": str(folder)})
            await client.create_storage(wanted)
            made = await eventually(lambda: client.storage(name), lambda s: s.status in ("active", "failed"))
            assert made.status == "active", made
        return folder

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """Creates an object of the cluster; one that is there is fine."""
        cluster = await self.daemon.cluster()
        try:
            await cluster.create(path, body)
        except AlreadyExists:
            pass
        finally:
            await cluster.close()

    async def claim(self, name: str) -> Path:
        """A claim; its folder."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await self.put(paths.claims("default"), {"metadata": {"name": name}, "spec": spec})
        folder = self.daemon.claims / "default" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def secret(self, name: str, **data: str) -> None:
        """A Secret in the namespace default."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        await self.put(paths.secrets("default"), {"metadata": {"name": name}, "data": encoded})

    async def cronjob(self, client: Client, name: str, claim: str, storage: str, **policy: Any) -> str:
        """A CronJob that never runs by itself, archiving the claim; its policy's id."""
        source = Source(claims=(ClaimSource(claim=claim),)) if claim else Source()
        spec = BackupPolicySpec(**{"storage_id": storage, "source": source, "retries": 0, **policy})
        made = await client.create_cronjob(
            CronJobCreate(
                name=name, image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", policy=spec
            )
        )
        assert made.policy is not None
        return made.policy.id

    async def backup(self, client: Client, name: str, **changed: str) -> BackupExecution:
        """A backup by hand, to its end."""
        begun = await client.back_up("default", name, **changed)
        return await ended(client, begun.id)

    def restic(self, repository: Path, password: str | None, *argv: str, code: int = 0) -> str:
        """The room's restic on a repository, outside of the cluster."""
        line = [self.program, "-r", str(repository), "--no-cache"]
        if password is None:
            line.append("--insecure-no-password")
        done = subprocess.run(
            [*line, *argv],
            capture_output=True,
            text=True,
            env={"RESTIC_PASSWORD": password or ""},
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    async def password(self, storage: str) -> str:
        """The storage's own."""
        cluster = await self.daemon.cluster()
        found = await cluster.get(paths.secrets("kronkeep", f"kronkeep-storage-{storage}"))
        await cluster.close()
        return base64.b64decode(found["data"]["password"]).decode()

    async def snapshots(self, storage: str, folder: Path) -> list[dict[str, Any]]:
        """What restic says is in the storage's own repository."""
        password = await self.password(storage)
        said = await asyncio.to_thread(self.restic, folder, password, "snapshots", "--json")
        return json.loads(said) or []


async def ended(client: Client, backup_id: str, seconds: float = 90) -> BackupExecution:
    """The backup once it is over."""
    return await eventually(
        lambda: client.backup(backup_id), lambda b: is_final(BACKUP_TRANSITIONS, b.status), seconds
    )


@contextmanager
def room(folder: Path, program: str, **archive: Any) -> Iterator[Room]:
    """A daemon of its own whose archives use that restic."""
    config = folder / "kronkeepd.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"program": program, **archive}.items()]
    config.write_text("\n".join(["[archive]", *lines]))
    daemon = Daemon(folder / "s")
    daemon.arguments = ("--config", str(config))
    asyncio.run(daemon.start())
    try:
        yield Room(daemon, program)
    finally:
        asyncio.run(daemon.end())


def hook(name: str, *command: str, **fields: Any) -> Hook:
    """A hook that runs a command."""
    return Hook(**{"name": name, "image": "busybox:1.36", "command": command, **fields})


def shell(name: str, script: str, **fields: Any) -> Hook:
    """A hook that runs a line of shell."""
    return hook(name, "sh", "-c", script, **fields)
