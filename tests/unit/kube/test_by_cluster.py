"""What there is once for each cluster, while clusters become known."""

import pytest

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import ByCluster


def test_a_cluster_that_becomes_known_is_found_by_its_id_and_disturbs_nobody() -> None:
    """With 100 clusters one did so between two steps of those who waited for each of them."""
    clusters = [Cluster(None, None, False, name=name) for name in ("east", "west")]
    for cluster in clusters:
        cluster.defer(ClusterUnreachable("It is away."))
    by_cluster = ByCluster([(cluster, cluster.name) for cluster in clusters])
    before = clusters[1].id
    assert by_cluster[before] == "west"
    seen = []
    for name in by_cluster.values():
        seen.append(name)
        clusters[1].accept("uid-west")
    assert seen == ["east", "west"]
    assert by_cluster["uid-west"] == "west"
    assert dict(by_cluster.items()) == {clusters[0].id: "east", "uid-west": "west"}
    with pytest.raises(KeyError):
        by_cluster[before]
