"""Copies between storages of different kinds: one pod has the credentials of both."""

import pytest
from tests.daemon_process import Daemon
from tests.e2e.storages.servers import StorageServer, needs_servers
from tests.e2e.storages.storage_steps import (
    archive_claim,
    create_storage,
    list_credential_copies,
    replace_secret,
    write_repository,
)
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, PolicyCopy
from kronkeep_common.states import ENDED_COPIES

pytestmark = needs_servers


async def create_on(
    daemon: Daemon, client: Client, name: str, kind: str, server: StorageServer, secret: str
) -> None:
    """Create a storage on a server, in a folder or with a prefix of its own, with the Secret of that name."""
    await replace_secret(daemon, secret, server.secret)
    await write_repository(daemon, server, name)
    settings = dict(server.settings)
    if kind == "s3":
        settings["prefix"] = name
    else:
        settings["url"] = str(settings["url"]).replace("/vault", f"/{name}")
    storage = await create_storage(
        client,
        BackupStorageCreate(
            layout="shared",
            id=name,
            kind=kind,
            settings=settings,
            credentials=secret,
            namespaces=("default",),
        ),
    )
    assert storage.status == "active", storage


async def test_from_a_rest_server_to_s3_and_back(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer]
) -> None:
    for name, kind in (("here-rest", "rest"), ("there-s3", "s3"), ("there-rest", "rest")):
        await create_on(storage_daemon, client, name, kind, servers_by_kind[kind], f"keys-{name}")
    await archive_claim(storage_daemon, client, "travels", "here-rest")
    policy = BackupPolicySpec(
        storage_id="here-rest",
        copies=(PolicyCopy(storage_id="there-s3"), PolicyCopy(storage_id="there-rest")),
    )
    await client.cronjobs.set_policy("default", "travels", policy)
    (backup,) = (await client.backups.list("name:travels")).items
    page = await eventually(
        lambda: client.copies.of_backup(backup.id),
        lambda page: len(page.items) == 2 and all(copy.status in ENDED_COPIES for copy in page.items),
    )
    assert {copy.storage_id: (copy.status, copy.reason) for copy in page.items} == {
        "there-s3": ("succeeded", None),
        "there-rest": ("succeeded", None),
    }
    for copy in page.items:
        verified = await client.backups.verify(backup.id, copy.storage_id)
        assert verified.verified_at is None  # the copy was verified, not the first
        assert (await client.copies.get(copy.id)).verified_by is not None
    cluster = await storage_daemon.cluster()
    # A measurement of a storage may be at work, which takes its copies away at its end.
    assert await eventually(lambda: list_credential_copies(cluster), lambda names: not names) == []
    await cluster.close()


async def test_what_restic_cannot_have_at_once_is_refused_when_the_policy_is_written(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer]
) -> None:
    for name in ("one-s3", "other-s3"):
        await create_on(storage_daemon, client, name, "s3", servers_by_kind["s3"], f"keys-{name}")
    await archive_claim(storage_daemon, client, "clashes", "one-s3")
    policy = BackupPolicySpec(storage_id="one-s3", copies=(PolicyCopy(storage_id="other-s3"),))
    with pytest.raises(InvalidPolicy, match="AWS_ACCESS_KEY_ID") as refusal:
        await client.cronjobs.set_policy("default", "clashes", policy)
    assert refusal.value.details["field"] == "policy.copies[0].storage_id"
    assert "one Secret" in refusal.value.next_step
