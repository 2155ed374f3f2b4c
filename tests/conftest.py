"""Fixtures that several areas share."""

import asyncio
import gc
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.file_order import group_of, order_files
from xdist.scheduler.loadfile import LoadFileScheduling

from kronkeep_common.clock import SystemClock
from kronkeep_daemon import garbage
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.supervisor import Supervisor

# The suite starts hundreds of processes: each module is compiled once, whatever the environment says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# aiohttp reads this machine's certificate authorities when it is imported, 45 ms of CPU in each of these
# processes; no test knows a server that one of them vouches for.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "no-authority.pem")
os.environ["SSL_CERT_DIR"] = os.devnull

# How long an example takes depends on what else the machine does: pytest's timeout is limit enough.
settings.register_profile("kronkeep", deadline=None)
settings.load_profile("kronkeep")


class FileScheduling(LoadFileScheduling):
    """Each worker takes a file, or a folder whose files share a cluster."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Return the scheduler of the workers."""
    return FileScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files for several workers; one alone keeps the order of their names."""
    if hasattr(config, "workerinput"):
        counts = Counter(group_of(item.nodeid) for item in items)
        place = {file: number for number, file in enumerate(order_files(counts))}
        items.sort(key=lambda item: place[group_of(item.nodeid)])


def pytest_collection() -> None:
    """Collect no garbage while modules are imported, which takes 0.7 s of each worker and finds none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and tests out of later garbage collections, which take 0.15 s each with them.

    Young objects are collected as late as in kronkeepd, which saves a tenth of the CPU of tests/ui.
    """
    garbage.set_modules_aside()
    gc.enable()


@pytest.fixture
async def embedded_cluster(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    """A fresh embedded cluster with one node; `.kubeconfig` leads to it."""
    supervisor = Supervisor(SystemClock())
    cluster = await EmbeddedCluster.start(tmp_path / "cluster", supervisor=supervisor)
    yield cluster
    await supervisor.close()
    await cluster.close()


@pytest.fixture
async def api_server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    """An embedded API server alone; the file `kubeconfig` leads to it as its admin."""
    server = await ApiServer.start(tmp_path / "api")
    task = asyncio.create_task(server.run())
    server.write_kubeconfig(tmp_path / "kubeconfig")
    yield server
    task.cancel()
    await asyncio.wait([task])
    await server.close()
