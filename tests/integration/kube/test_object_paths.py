"""A name from an annotation, pod template or request leads to no other object than that of the name."""

from collections.abc import AsyncIterator

import pytest

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster

CANARY = {"metadata": {"name": "vault"}, "stringData": {"password": "canary"}}


@pytest.fixture
async def cluster(embedded_cluster: EmbeddedCluster) -> AsyncIterator[Cluster]:
    connection = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    await connection.create(paths.secrets("kronkeep"), CANARY)
    yield connection
    await connection.close()


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
    secret = await cluster.get(paths.secrets("kronkeep", "vault"))
    assert secret["metadata"]["name"] == "vault"


async def test_characters_with_a_meaning_in_urls_are_a_part_of_the_name(cluster: Cluster) -> None:
    for name in ("vault?x=1", "vault#x", "vault x", "vault\n", "\N{SNOWMAN}"):
        with pytest.raises(NotFoundInCluster):
            await cluster.get(paths.secrets("kronkeep", name))
