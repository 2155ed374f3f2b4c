"""The connection that tests of watches and Leases have to an embedded cluster."""

from collections.abc import AsyncIterator

import pytest

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube.client import Cluster


@pytest.fixture
async def cluster(embedded_cluster: EmbeddedCluster) -> AsyncIterator[Cluster]:
    connection = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    yield connection
    await connection.close()
