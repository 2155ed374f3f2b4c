"""Which cluster answers is known by the uid of its kube-system, and held against what was assumed."""

from pathlib import Path

import pytest

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster


async def test_an_assumed_cluster_is_confirmed_by_its_first_answer(cluster: Cluster, tmp_path: Path) -> None:
    for uid, same in ((cluster.id, True), ("another", False)):
        again = Cluster(tmp_path / "kubeconfig", None, False, name="prod")
        again.assume(uid)
        try:
            if same:
                assert (await again.get(paths.namespaces("default")))["metadata"]["name"] == "default"
            else:
                with pytest.raises(ClusterUnreachable, match="Another cluster answers as prod"):
                    await again.get(paths.namespaces("default"))
        finally:
            await again.close()
