from collections.abc import AsyncIterator

import pytest
from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube.client import Cluster


@pytest.fixture
async def jobs(embedded_cluster: EmbeddedCluster) -> AsyncIterator[ClusterJobs]:
    """Jobs on a fresh embedded cluster."""
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    yield ClusterJobs(cluster)
    await cluster.close()
