"""A whole daemon as its own process, on a fresh folder, reached as any script reaches it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from tests.e2e import anywhere

from kronkeep_common.client import Client
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], done: Callable[[T], bool], seconds: float = 60) -> T:
    """What `look` finds once it is `done`; fails with the last thing seen."""
    end = asyncio.get_running_loop().time() + seconds
    while not done(found := await look()):
        assert asyncio.get_running_loop().time() < end, found
        await asyncio.sleep(0.1)
    return found


class Daemon:
    """One kronkeepd with its embedded cluster; `kill` and `start` as often as a test likes."""

    alive: ClassVar[set["Daemon"]] = set()

    def __init__(self, state: Path) -> None:
        self.state = state
        self.log = state.parent / "kronkeepd.log"
        self.arguments: tuple[str, ...] = ()
        self.embedded = anywhere.KUBECONFIG is None
        self._new = True
        self._process: subprocess.Popen[bytes] | None = None
        self.line: dict[str, Any] = {}

    @property
    def claims(self) -> Path:
        """Where the claims of the cluster's node are folders of this machine."""
        if anywhere.KUBECONFIG is not None:
            return anywhere.Node.started().folder / "claims"
        return self.state / "cluster" / "node" / "claims"

    async def start(self) -> None:
        if anywhere.KUBECONFIG is not None:
            await self._outside(anywhere.KUBECONFIG)
        await asyncio.to_thread(self._spawn)
        self.line = await asyncio.to_thread(self._ready)
        Daemon.alive.add(self)

    async def _outside(self, kubeconfig: str) -> None:
        """Adds the cluster that the tests are to run against to the settings; it is emptied first."""
        file = self.state.parent / "kronkeepd.toml"
        text = file.read_text() if file.exists() else ""
        if "[clusters." in text:  # an earlier life's, or a cluster of the test's own
            return
        if self._new and not Daemon.alive:  # what a later life finds is its own
            await anywhere.emptied()
        self._new = False
        added = f'\n[allow]\nhost_path = true\n[clusters.e2e]\nkubeconfig = "{kubeconfig}"\n'
        file.write_text(text + added)
        self.arguments = ("--config", str(file))

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "kronkeep_daemon", "--announce", "--attached"]
        command += ["--embedded"] if self.embedded else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state", str(self.state), *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _ready(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            if "progress" not in found:
                return found
        raise AssertionError(self.log.read_text()[-3000:])

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self._close()

    async def stop(self) -> int:
        """Closes its standard input, and waits for its end."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = await asyncio.to_thread(self._process.wait, 20)
        self._close()
        return code

    async def end(self) -> None:
        """Stops it, unless a test has ended it."""
        if self in Daemon.alive:
            await self.stop()

    def _close(self) -> None:
        Daemon.alive.discard(self)
        assert self._process is not None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def client(self) -> Client:
        return Client(Path(self.line["socket"]))

    async def cluster(self) -> Cluster:
        return await Cluster.connect(kubeconfig=Path(anywhere.KUBECONFIG or self.line["kubeconfig"]))


@contextmanager
def apart(kubeconfig: Path, *module: str) -> Iterator[Path]:
    """A module as its own process from when it has written the kubeconfig that leads to it, until the end."""
    log = kubeconfig.parent.with_suffix(".log")
    with log.open("ab") as said:
        process = subprocess.Popen([sys.executable, "-m", *module], stdout=said, stderr=said)
    try:
        while not (kubeconfig.exists() and "users" in kubeconfig.read_text()):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
        yield kubeconfig
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster_apart(folder: Path, nodes: int = 1) -> Iterator[Path]:
    """An embedded cluster as its own process, until the block ends; its admin's kubeconfig."""
    command = ("kronkeep_daemon", "cluster", "--folder", str(folder), "--nodes", str(nodes))
    with apart(folder / "kubeconfig", *command) as found:
        yield found


@pytest.fixture
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    found = Daemon(tmp_path_factory.mktemp("d", numbered=True) / "s")
    await found.start()
    yield found
    await found.end()


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    async with daemon.client() as found:
        yield found


@pytest.fixture
async def storage(daemon: Daemon, client: Client) -> Path:
    """An active storage `vault`; its repository's folder."""
    assert daemon.claims
    folder = daemon.state.parent / "vault"
    await client.storages.create(
        BackupStorageCreate(id="vault", kind="local", settings={"path": str(folder)})
    )
    made = await eventually(
        lambda: client.storages.get("vault"), lambda s: s.status not in ("pending", "creating")
    )
    assert made.status == "active", made
    return folder


@pytest.fixture
async def claim(daemon: Daemon) -> Path:
    """A claim `data`; its folder."""
    cluster = await daemon.cluster()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
    await cluster.close()
    return daemon.claims / "default" / "data"


async def restic(daemon: Daemon, folder: Path, *argv: str) -> str:
    """Runs the machine's restic on a repository with the password from its Secret."""
    import base64

    cluster = await daemon.cluster()
    secret = await cluster.get(paths.secrets("kronkeep", "kronkeep-storage-vault"))
    await cluster.close()
    key = daemon.state.parent / "key"
    key.write_bytes(base64.b64decode(secret["data"]["password"]))
    command = ["restic", "-r", str(folder), "--password-file", str(key), "--no-cache", *argv]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
