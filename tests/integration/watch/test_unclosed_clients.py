"""No connection of a cluster stays open behind a start that fails or a daemon that ends."""

import asyncio
import gc
import warnings
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ClusterUnreachable, InvalidSettings
from kronkeep_daemon.connect import Connector
from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ClusterSettings


def collect_unclosed() -> list[str]:
    """Return what the event loop reports from now on; aiohttp tells it of sessions that nobody closed."""
    reports: list[str] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        reports.append(context["message"])

    asyncio.get_running_loop().set_exception_handler(note)
    return reports


def drop_garbage() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def test_a_start_that_fails_closes_the_clusters_before(api_server: ApiServer, tmp_path: Path) -> None:
    """By two sections that lead to one cluster."""
    reports = collect_unclosed()
    history = await History.open(tmp_path / "history", clock=SystemClock())
    sections = {
        "one": ClusterSettings(kubeconfig=str(tmp_path / "kubeconfig")),
        "two": ClusterSettings(kubeconfig=str(tmp_path / "kubeconfig")),
    }
    with pytest.raises(InvalidSettings):
        await Connector(history, SystemClock()).connect(sections)
    drop_garbage()
    assert reports == []
    await history.close()


async def test_a_reload_that_is_overtaken_by_the_end_opens_nothing(
    api_server: ApiServer, tmp_path: Path
) -> None:
    reports = collect_unclosed()
    cluster = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    reload = asyncio.create_task(cluster.reload())
    await asyncio.sleep(0)  # it has begun and reads the kubeconfig
    await cluster.close()
    with pytest.raises(ClusterUnreachable, match="closed"):
        await reload
    del cluster, reload
    drop_garbage()
    assert reports == []
