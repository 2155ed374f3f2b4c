"""A whole kronkeepd as its own process, reached as any script reaches it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from tests import external_cluster
from tests.forked_process import ForkedProcess
from tests.quick_repository import prepare_storage

from kronkeep_common.client import Client
from kronkeep_daemon.kube.client import Cluster

LONGEST_STOP = 120.0  # seconds


class Daemon:
    """One kronkeepd with its embedded cluster; a test may kill and start it as often as it likes.

    `state` is its state folder. `arguments` are added to its command line. `announcement` is what it writes
    to its standard output once it is ready: the socket and the kubeconfig. `environment` is added to its own;
    a daemon without one is forked from a process that has its modules already (tests.forked_process).
    With `machine_tools` containers of other images than busybox and restic/restic see this machine's tools.
    With KRONKEEP_E2E_KUBECONFIG it uses that cluster instead (see tests.external_cluster).
    """

    alive: ClassVar[set["Daemon"]] = set()

    def __init__(self, state: Path, *, machine_tools: bool = False) -> None:
        self.state = state
        self._machine_tools = machine_tools
        self.log = state.parent / "kronkeepd.log"
        self.arguments: tuple[str, ...] = ()
        self.environment: dict[str, str] = {}
        self.embedded = external_cluster.KUBECONFIG is None
        self._is_first_start = True
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self.announcement: dict[str, Any] = {}

    @property
    def claims(self) -> Path:
        """The folder that holds the claims of the cluster's node."""
        if external_cluster.KUBECONFIG is not None:
            return external_cluster.NodeProcess.require().claims
        return self.state / "cluster" / "node" / "claims"

    @property
    def pid(self) -> int:
        """The pid of the running process."""
        assert self._process is not None
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        if external_cluster.KUBECONFIG is not None:
            if self._machine_tools:
                external_cluster.require_machine_tools()
            await self._use_external_cluster(external_cluster.KUBECONFIG)
        await asyncio.to_thread(self._spawn)
        self.announcement = await asyncio.to_thread(self._read_announcement)
        Daemon.alive.add(self)

    async def _use_external_cluster(self, kubeconfig: str) -> None:
        """Add the cluster to the settings; before the first start it is emptied."""
        file = self.state.parent / "kronkeepd.toml"
        text = file.read_text() if file.exists() else ""
        if "[clusters." in text:  # added at an earlier start, or a cluster of the test's own
            return
        if self._is_first_start and not Daemon.alive:
            await external_cluster.empty_cluster()
        self._is_first_start = False
        added = f'\n[allow]\nhost_path = true\n[clusters.e2e]\nkubeconfig = "{kubeconfig}"\n'
        added += external_cluster.NAMESPACES_SETTING
        file.write_text(text + added)
        self.arguments = ("--config", str(file))

    def _spawn(self) -> None:
        command = ["kronkeep_daemon", "--announce", "--attached"]
        command += ["--embedded"] if self.embedded else []
        command += ["--machine-tools"] if self.embedded and self._machine_tools else []
        command += ["--state", str(self.state), *self.arguments]
        with self.log.open("ab") as log:
            if not self.environment:
                self._process = ForkedProcess(command, log)
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | self.environment,
            )

    def _read_announcement(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
        raise AssertionError(self.log.read_text()[-3000:])

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self._close_pipes()

    async def stop(self) -> int:
        """Close the standard input, which an attached daemon ends with, and return the exit code."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = await asyncio.to_thread(self._process.wait, LONGEST_STOP)
        self._close_pipes()
        return code

    async def end(self) -> None:
        """Stop the process unless a test has ended it."""
        if self in Daemon.alive:
            await self.stop()

    def _close_pipes(self) -> None:
        Daemon.alive.discard(self)
        assert self._process is not None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def client(self) -> Client:
        """Return a client of the daemon's socket."""
        return Client(Path(self.announcement["socket"]))

    async def prepare_storage(self, name: str, folder: Path) -> None:
        """Write the repository and the password of a local storage that is about to be created."""
        cluster = await self.cluster()
        await prepare_storage(cluster, name, folder)
        await cluster.close()

    async def cluster(self) -> Cluster:
        """Return a connection to the daemon's cluster as its admin; the caller closes it."""
        return await Cluster.connect(
            kubeconfig=Path(external_cluster.KUBECONFIG or self.announcement["kubeconfig"])
        )
