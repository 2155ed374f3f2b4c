"""The end-to-end tests run on an external cluster: one whose nodes serve logs, one as a platform has it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from tests import external_cluster
from tests.cluster_process import run_cluster, run_module
from tests.e2e.platform_cluster import pod_network

CONTROL_PLANE_TESTS = ("test_backups.py::test_a_run_is_archived_linked_and_restored_byte_for_byte",)
PLATFORM_TESTS = (
    "test_policy_options.py::test_configuration_is_archived_when_included",
    "storages/test_servers.py::test_a_server_s_storage_from_creation_to_its_end[rest]",
)
pytestmark = pytest.mark.skipif(
    external_cluster.KUBECONFIG is not None, reason="they run on such a cluster now"
)


class ExternalCluster(NamedTuple):
    """How an external cluster is reached, and the network of its pods where it is not this machine's."""

    kubeconfig: Path
    network: str | None = None


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ExternalCluster]:
    """A cluster that has no nodes and fetches logs from those that join it."""
    plane = tmp_path / "plane" / "kubeconfig"
    plane.parent.mkdir()
    with (
        run_cluster(tmp_path / "cluster", nodes=0) as cluster,
        run_module(plane, "tests.e2e.control_plane", str(cluster), str(plane)) as proxy,
    ):
        yield ExternalCluster(proxy)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[ExternalCluster]:
    """A cluster with a platform's objects in each namespace, whose pods have a network of their own."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network for pods needs root and the program ip")
    plane = tmp_path / "plane" / "kubeconfig"
    plane.parent.mkdir()
    with ExitStack() as stack:
        network = stack.enter_context(pod_network(os.getpid() % 16_384))
        cluster = stack.enter_context(run_cluster(tmp_path / "cluster", nodes=0))
        arguments = (str(cluster), str(plane), network.host_address)
        stack.enter_context(run_module(plane, "tests.e2e.platform_cluster", *arguments))
        yield ExternalCluster(plane, network.name)


def run_tests(cluster: ExternalCluster, *names: str) -> subprocess.CompletedProcess[str]:
    """Run tests of this folder on an external cluster whose node is this machine."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "KRONKEEP_E2E_KUBECONFIG": str(cluster.kubeconfig),
        "KRONKEEP_E2E_NODE_AGENT": "1",
    }
    if cluster.network is not None:
        environment["KRONKEEP_E2E_NETWORK"] = cluster.network
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-rs"]
    argv += [str(Path(__file__).parent / name) for name in names]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.torture
def test_a_backup_is_made_and_restored_on_a_cluster_that_fetches_logs(control_plane: ExternalCluster) -> None:
    completed = run_tests(control_plane, *CONTROL_PLANE_TESTS)
    assert completed.returncode == 0, completed.stdout[-4000:]


@pytest.mark.torture
@pytest.mark.parametrize("name", PLATFORM_TESTS)
def test_a_platforms_objects_and_pods_with_their_own_network_disturb_no_test(
    platform: ExternalCluster, name: str
) -> None:
    completed = run_tests(platform, name)
    assert completed.returncode == 0, completed.stdout[-4000:]
    assert "SKIPPED" not in completed.stdout
