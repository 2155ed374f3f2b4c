"""Names that come from annotations, pod templates and requests lead nowhere but to an object of that name."""

from collections.abc import AsyncIterator

import pytest

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster

CANARY = {"metadata": {"name": "vault"}, "stringData": {"password": "canary"}}


@pytest.fixture
async def cluster(embedded_cluster: EmbeddedCluster) -> AsyncIterator[Cluster]:
    found = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    await found.create(paths.secrets("kronkeep"), CANARY)
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("default", "../../kronkeep/secrets/vault"),
        ("default", "..%2f..%2fkronkeep%2fsecrets%2fvault"),
        ("default/../kronkeep/secrets/vault?", "x"),
        ("default", ".."),
        ("default", "."),
        ("..", "x"),
        ("default", "x/../../../kronkeep/secrets/vault#"),
    ],
)
async def test_no_name_leads_to_another_object(cluster: Cluster, namespace: str, name: str) -> None:
    with pytest.raises(NotFoundInCluster):
        await cluster.get(paths.configmaps(namespace, name))
    there = await cluster.get(paths.secrets("kronkeep", "vault"))
    assert there["metadata"]["name"] == "vault"


async def test_what_an_address_gives_a_meaning_is_only_a_part_of_the_name(cluster: Cluster) -> None:
    for name in ("vault?x=1", "vault#x", "vault x", "vault\n", "\N{SNOWMAN}"):
        with pytest.raises(NotFoundInCluster):
            await cluster.get(paths.secrets("kronkeep", name))
