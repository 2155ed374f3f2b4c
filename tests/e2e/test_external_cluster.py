"""The end-to-end tests run on an external cluster without nodes, whose logs this machine's node serves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import external_cluster
from tests.cluster_process import run_cluster, run_module

SELECTED_TESTS = (
    "test_alerts.py",
    "test_backups.py::test_a_run_is_archived_linked_and_restored_byte_for_byte",
)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a cluster that has no nodes and fetches logs from those that join it."""
    plane = tmp_path / "plane" / "kubeconfig"
    plane.parent.mkdir()
    with (
        run_cluster(tmp_path / "cluster", nodes=0) as cluster,
        run_module(plane, "tests.e2e.control_plane", str(cluster), str(plane)) as proxy,
    ):
        yield proxy


@pytest.mark.skipif(external_cluster.KUBECONFIG is not None, reason="they run on such a cluster now")
def test_selected_tests_pass_on_an_external_cluster_without_nodes(kubeconfig: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "KRONKEEP_E2E_KUBECONFIG": str(kubeconfig),
        "KRONKEEP_E2E_NODE_AGENT": "1",
    }
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    argv += [str(Path(__file__).parent / name) for name in SELECTED_TESTS]
    completed = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout[-4000:]
