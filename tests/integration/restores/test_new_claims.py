"""Whose a claim is that has the name of a restore's new one."""

import pytest
from tests.unit.jobs.fake_cluster import FixedTokens

from kronkeep_common.errors import NameTaken
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.restores import restore_manifests
from kronkeep_daemon.restores.claim_sizes import read_claims_size
from kronkeep_daemon.restores.new_claims import create_claim


async def test_a_claim_with_the_label_of_a_restore_is_not_its_own_unless_it_created_it(
    embedded_cluster: EmbeddedCluster,
) -> None:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    tokens = FixedTokens()
    objects = OwnedObjects(cluster=cluster, tokens=tokens)
    own = restore_manifests.build_claim("default", "own", "r1", 1024, None)
    await create_claim(objects, own, "r1")
    await create_claim(objects, own, "r1")  # again after the daemon was killed
    with pytest.raises(NameTaken):
        await create_claim(objects, own, "r2")
    squatted = restore_manifests.build_claim("default", "squatted", "r1", 1024, None)
    await cluster.create(paths.claims("default"), squatted)
    with pytest.raises(NameTaken, match="There is a claim default/squatted already"):
        await create_claim(objects, squatted, "r1")
    # Deleted and made again with a copy of the token, it is not ours either.
    path = paths.claims("default", "own")
    copy = await cluster.get(path)
    await cluster.delete(path)
    kept = {key: copy["metadata"][key] for key in ("name", "labels", "annotations")}
    await cluster.create(paths.claims("default"), {"metadata": kept, "spec": own["spec"]})
    with pytest.raises(NameTaken):
        await create_claim(objects, own, "r1")
    await cluster.close()


async def test_the_size_of_archived_claims_is_known_while_all_of_them_are_there(
    embedded_cluster: EmbeddedCluster,
) -> None:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    for name, size in (("small", 100 * 1024**2), ("large", 3 * 1024**3)):
        claim = restore_manifests.build_claim("default", name, "r1", size, None)
        await cluster.create(paths.claims("default"), claim)
    assert await read_claims_size(cluster, "default", ("small",)) == 100 * 1024**2
    assert await read_claims_size(cluster, "default", ("small", "large")) == 3172 * 1024**2
    assert await read_claims_size(cluster, "default", ("small", "gone")) is None
    assert await read_claims_size(cluster, "default", ()) is None
    await cluster.close()
