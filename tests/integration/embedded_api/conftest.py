import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.kube.client import Cluster


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    api = await ApiServer.start(tmp_path / "api")
    task = asyncio.create_task(api.run())
    api.write_kubeconfig(tmp_path / "kubeconfig")
    yield api
    task.cancel()
    await asyncio.wait([task])
    await api.close()


@pytest.fixture
async def cluster(server: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    connection = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    yield connection
    await connection.close()
