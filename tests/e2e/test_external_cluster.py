"""The end-to-end tests themselves run on a cluster that is named, whose node serves as a kubelet does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import external_cluster
from tests.cluster_process import run_cluster, run_module

CHOSEN = (
    "test_alerts.py",
    "test_backups.py::test_a_run_is_archived_linked_and_restored_byte_for_byte",
)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """That of a cluster without nodes, which fetches the logs of those that come from them."""
    plane = tmp_path / "plane" / "kubeconfig"
    plane.parent.mkdir()
    with (
        run_cluster(tmp_path / "cluster", nodes=0) as own,
        run_module(plane, "tests.e2e.control_plane", str(own), str(plane)) as found,
    ):
        yield found


@pytest.mark.skipif(external_cluster.KUBECONFIG is not None, reason="they run on such a cluster now")
def test_on_a_cluster_without_nodes_that_is_named(kubeconfig: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "KRONKEEP_E2E_KUBECONFIG": str(kubeconfig),
        "KRONKEEP_E2E_NODE_AGENT": "1",
    }
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    argv += [str(Path(__file__).parent / name) for name in CHOSEN]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
