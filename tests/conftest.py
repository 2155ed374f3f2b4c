"""Fixtures that several areas share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.supervisor import Supervisor


@pytest.fixture
async def embedded_cluster(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    """A fresh embedded cluster with one node; `.kubeconfig` leads to it."""
    supervisor = Supervisor(SystemClock())
    cluster = await EmbeddedCluster.start(tmp_path / "cluster", supervisor=supervisor)
    yield cluster
    await supervisor.close()
    await cluster.close()
