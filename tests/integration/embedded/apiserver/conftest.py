from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.kube.client import Cluster


@pytest.fixture
def server(api_server: ApiServer) -> ApiServer:
    return api_server


@pytest.fixture
async def cluster(server: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    connection = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    yield connection
    await connection.close()
