"""Passwords of repositories of their own: each made once, whoever asks, and never replaced."""

import asyncio
import base64

from tests.records import vault

from kronkeep_common.models.storage_layout import password_secret_of_folders
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.repositories.folder_passwords import FolderPasswords
from kronkeep_daemon.repositories.repository import repository_in_folder
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.settings import Settings

FOLDERS = [f"namespace-shop{number}-0" for number in range(8)]


async def test_many_at_once_lose_no_password_and_replace_none(embedded_cluster: EmbeddedCluster) -> None:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    clusters = Clusters([cluster])
    storage = vault(cluster=cluster.id, settings={"path": "/srv"})
    repositories = [repository_in_folder(folder, storage) for folder in FOLDERS]
    secrets = RepositorySecrets(clusters=clusters, settings=Settings)
    # Two daemons, of which each makes all.
    daemons = [FolderPasswords(clusters=clusters, settings=Settings) for _ in range(2)]
    assert await daemons[0].list_repositories(storage) == []
    await asyncio.gather(*(each.make_if_missing(one) for each in daemons for one in repositories))
    first = [await secrets.own_password(repository) for repository in repositories]
    assert len(set(first)) == len(FOLDERS)
    await asyncio.gather(*(daemons[1].make_if_missing(repository) for repository in repositories))
    assert [await secrets.own_password(repository) for repository in repositories] == first
    assert await daemons[1].list_repositories(storage) == repositories
    # What is lent to a Job of one of them has that password and no other.
    data = await secrets.job_data(repositories[0])
    assert data["password"] == first[0]
    assert not set(data.values()) & set(first[1:])
    path = paths.secrets("kronkeep", password_secret_of_folders("vault"))
    stored = (await cluster.get(path))["data"]
    assert {base64.b64decode(value) for value in stored.values()} == set(first)
    await cluster.close()
