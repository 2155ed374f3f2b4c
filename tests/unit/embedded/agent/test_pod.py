"""A pod on its node, with an API server that no longer has it."""

from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.embedded.agent.image_folder import ImageFolder
from kronkeep_daemon.embedded.agent.log_server import LogServer
from kronkeep_daemon.embedded.agent.pod import PodRunner
from kronkeep_daemon.kube.errors import NotFoundInCluster


class ClusterWithoutPod:
    """Answers every change of the pod with 404."""

    async def patch(self, path: str, body: object) -> None:
        raise NotFoundInCluster(f"{path} is gone")


@pytest.mark.parametrize("init_containers", [0, 1])
async def test_a_pod_that_was_deleted_ends_without_an_error(tmp_path: Path, init_containers: int) -> None:
    container = {"name": "main", "image": "busybox:1.36", "command": ["true"]}
    cluster: Any = ClusterWithoutPod()
    pod = {
        "metadata": {"namespace": "default", "name": "p", "uid": "u"},
        "spec": {"containers": [container], "initContainers": [container] * init_containers},
    }
    logs = LogServer(tmp_path, "127.0.0.1")
    runner = PodRunner(
        cluster=cluster,
        pod=pod,
        folder=tmp_path,
        images=ImageFolder(None, machine_tools=True),
        clock=SystemClock(),
        open_log=logs.open_writer,
    )
    await runner.run()
