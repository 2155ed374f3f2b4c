"""Copies of credentials are removed with their Job, or by the sweep where a daemon was killed before."""

import base64
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.owned_objects import ObjectTokens
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.credential_copies import CredentialCopies
from kronkeep_daemon.repositories.job_manifests import build_secret
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.settings import Settings

STORAGE = BackupStorage(
    id="vault",
    cluster="c",
    kind="rest",
    settings={"url": "http://127.0.0.1:1/vault"},
    password=SecretKeyRef(secret="vault"),
    credentials="keys",
    credential_keys=("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD"),
    status=StorageStatus.ACTIVE,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    namespaces=("*",),
)


REPOSITORY = Repository(storage=STORAGE)


class DaemonLives:
    """A cluster with a password and credentials, and daemons one after the other on the same history."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder
        self.history: History | None = None

    async def start_next(self) -> CredentialCopies:
        """Return the copies of the next daemon's life."""
        if self.history is not None:
            await self.history.close()
        self.history = await History.open(self._folder, clock=SystemClock())
        clusters = Clusters([self.cluster])
        self.runners = JobRunners(
            clusters=clusters,
            clock=SystemClock(),
            tokens=ObjectTokens(history=self.history, clock=SystemClock()),
            recorders={},
            settings=Settings,
        )
        return CredentialCopies(
            clusters=clusters,
            history=self.history,
            clock=SystemClock(),
            secrets=RepositorySecrets(clusters=clusters, settings=Settings),
            runners=self.runners,
        )

    async def secret_names(self) -> list[str]:
        """Return the names of the Secrets in the namespace default, without their random digits."""
        return sorted(re.sub(r"-[0-9a-f]{32}-key$", "-key", name) for name in await self._full_names())

    async def secret_of(self, job: str) -> JsonObject:
        """Return the only Secret of a Job's copy."""
        (name,) = (name for name in await self._full_names() if name.startswith(f"{job}-"))
        return await self.cluster.get(paths.secrets("default", name))

    async def _full_names(self) -> list[str]:
        items, _ = await self.cluster.list(paths.secrets("default"))
        return [item["metadata"]["name"] for item in items]

    async def create_job(self, name: str, script: str) -> None:
        container = {"name": "c", "image": "busybox", "command": ["sh", "-c", script]}
        pod = {"restartPolicy": "Never", "containers": [container]}
        body = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        await self.runners.on(self.cluster.id).objects.create(paths.jobs("default"), body)


@pytest.fixture
async def lives(embedded_cluster: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[DaemonLives]:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    data = {"RESTIC_REST_USERNAME": b"keeper\n", "RESTIC_REST_PASSWORD": b"p@ss/%\n", "OTHER": b"x"}
    for name, held in (("vault", {"password": b"secret"}), ("keys", data)):
        await cluster.create(paths.secrets("kronkeep"), build_secret(name, "kronkeep", held, None))
    daemons = DaemonLives(cluster, tmp_path / "history")
    yield daemons
    if daemons.history is not None:
        await daemons.history.close()
    await cluster.close()


async def test_a_copy_has_what_the_kind_needs_quoted_where_an_address_takes_it(lives: DaemonLives) -> None:
    copies = await lives.start_next()
    await copies.create(REPOSITORY, lives.cluster, "default", "one")
    copied = await lives.secret_of("one")
    data = {key: base64.b64decode(value) for key, value in copied["data"].items()}
    assert data == {
        "password": b"secret",
        "RESTIC_REST_USERNAME": b"keeper",
        "RESTIC_REST_PASSWORD": b"p%40ss%2F%25",
    }
    await copies.remove(lives.cluster, "default", "one")
    assert await lives.secret_names() == []


async def test_the_sweep_takes_what_a_killed_daemon_left_and_no_more(lives: DaemonLives) -> None:
    killed = await lives.start_next()
    await lives.create_job("runs", "sleep 600")
    await lives.create_job("ended", "exit 1")
    for name in ("runs", "ended", "never-made"):
        await killed.create(REPOSITORY, lives.cluster, "default", name)
    await killed.sweep()  # its own are in use
    assert await lives.secret_names() == ["ended-key", "never-made-key", "runs-key"]
    copies = await lives.start_next()
    await copies.create(REPOSITORY, lives.cluster, "default", "new")
    await lives.runners.on(lives.cluster.id).wait("default", "ended")
    await copies.sweep()
    assert await lives.secret_names() == ["new-key", "runs-key"]
    await lives.cluster.delete(paths.jobs("default", "runs"))
    await copies.sweep()
    await copies.remove(lives.cluster, "default", "new")
    assert await lives.secret_names() == []
    again = await lives.start_next()
    await again.sweep()
    assert await lives.secret_names() == []


async def test_a_restarted_daemon_uses_the_copy_it_had_and_no_secret_of_a_guessed_name(
    lives: DaemonLives,
) -> None:
    guessed = build_secret("one-key", "default", {"password": b"a stranger's"}, None)
    await lives.cluster.create(paths.secrets("default"), guessed)
    first = await (await lives.start_next()).create(REPOSITORY, lives.cluster, "default", "one")
    copies = await lives.start_next()
    assert await copies.create(REPOSITORY, lives.cluster, "default", "one") == first
    assert first != "one-key"
    await copies.remove(lives.cluster, "default", "one")
    assert await lives.secret_names() == ["one-key"]


async def test_what_is_missing_is_named_and_leaves_no_copy(lives: DaemonLives) -> None:
    copies = await lives.start_next()
    await lives.cluster.patch(paths.secrets("kronkeep", "keys"), {"data": {"RESTIC_REST_PASSWORD": None}})
    with pytest.raises(StorageFailed, match="lost its key RESTIC_REST_PASSWORD") as refusal:
        await copies.create(REPOSITORY, lives.cluster, "default", "one")
    assert refusal.value.details["reason"] == "CredentialsMissing"
    await lives.cluster.delete(paths.secrets("kronkeep", "vault"))
    with pytest.raises(StorageFailed) as refusal:
        await copies.create(REPOSITORY, lives.cluster, "default", "one")
    assert refusal.value.details["reason"] == "SecretMissing"
    assert await lives.secret_names() == []
