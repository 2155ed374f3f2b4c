"""A cluster is identified by the uid of its kube-system, which is compared with the assumed one."""

from pathlib import Path

import pytest

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster


async def test_an_assumed_cluster_is_confirmed_by_its_first_response(
    cluster: Cluster, tmp_path: Path
) -> None:
    for uid, is_same in ((cluster.id, True), ("another", False)):
        connection = Cluster(tmp_path / "kubeconfig", None, False, name="prod")
        connection.assume(uid)
        try:
            if is_same:
                assert (await connection.get(paths.namespaces("default")))["metadata"]["name"] == "default"
            else:
                with pytest.raises(ClusterUnreachable, match="Another cluster answers as prod"):
                    await connection.get(paths.namespaces("default"))
        finally:
            await connection.close()
