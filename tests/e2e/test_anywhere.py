"""The end-to-end tests themselves run on a cluster that is named, with a node agent beside it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e import anywhere
from tests.e2e.conftest import eventually

CHOSEN = (
    "test_alerts.py",
    "test_backups.py::test_a_run_is_archived_linked_and_restored_byte_for_byte",
)


@pytest.mark.skipif(anywhere.KUBECONFIG is not None, reason="they run on such a cluster now")
async def test_on_a_cluster_without_nodes_that_is_named(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "cluster" / "kubeconfig"
    command = [sys.executable, "-m", "kronkeep_daemon", "cluster", "--folder", str(kubeconfig.parent)]
    cluster = subprocess.Popen([*command, "--nodes", "0"], stderr=subprocess.DEVNULL)
    try:

        async def written() -> bool:
            return kubeconfig.exists() and kubeconfig.read_text() != ""

        await eventually(written, bool)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "KRONKEEP_E2E_KUBECONFIG": str(kubeconfig),
            "KRONKEEP_E2E_NODE_AGENT": "1",
        }
        argv = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
        argv += [str(Path(__file__).parent / name) for name in CHOSEN]
        done = await asyncio.to_thread(
            subprocess.run, argv, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:]
    finally:
        cluster.terminate()
        await asyncio.to_thread(cluster.wait, 20)
