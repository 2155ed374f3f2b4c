"""Each step of a creation failed in turn: refused, cut off before the cluster heard of it, and after."""

import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.cluster_proxy import ClusterProxy, DaemonOnOtherCluster, FailureKind, daemon_behind_proxy
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError, NameTaken
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, CronJobCreate
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

WRITES = r"^(POST|PUT|PATCH|DELETE) (?!.*/leases)"
MOST_STEPS = 8


class Room:
    """A daemon behind the proxy, with a storage `vault`."""

    def __init__(
        self,
        daemon: DaemonOnOtherCluster,
        proxy: ClusterProxy,
        cluster: Cluster,
        client: Client,
        folder: Path,
    ) -> None:
        self.daemon = daemon
        self.proxy = proxy
        self.cluster = cluster
        self.client = client
        self.folder = folder

    async def begin_storage(self, name: str) -> None:
        settings = {"path": str(self.folder / name)}
        await self.client.storages.create(BackupStorageCreate(id=name, kind="local", settings=settings))

    async def storage(self, name: str) -> None:
        await self.begin_storage(name)
        made = await eventually(
            lambda: self.client.storages.get(name), lambda s: s.status in ("active", "failed")
        )
        assert made.status == "active", made

    async def there(self) -> dict[str, Any]:
        """All that a creation could leave behind, in the cluster and in the history, by name."""
        found = {}
        for kind, path in (
            ("cronjobs", paths.cronjobs()),
            ("jobs", paths.jobs()),
            ("secrets", paths.secrets()),
        ):
            items, _ = await self.cluster.list(path)
            found[kind] = sorted(f"{i['metadata']['namespace']}/{i['metadata']['name']}" for i in items)
        runs = await self.client.runs.list()
        backups = await self.client.backups.list()
        found["history"] = sorted([r.id for r in runs.items] + [b.id for b in backups.items])
        found["storages"] = [s.id for s in (await self.client.storages.list()).items]
        return found


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with daemon_behind_proxy(tmp_path) as (daemon, proxy, kubeconfig), daemon.client() as client:
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        found = Room(daemon=daemon, proxy=proxy, cluster=cluster, client=client, folder=tmp_path)
        await found.storage("vault")
        yield found
        await cluster.close()


def wanted(name: str) -> CronJobCreate:
    return CronJobCreate(
        name=name,
        image="busybox",
        command=("true",),
        schedule="0 2 29 2 *",
        successful_jobs_history_limit=100,  # the cluster's own removals are not what is looked at
        policy=BackupPolicySpec(storage_id="vault"),
    )


async def refused(make: Callable[[str], Awaitable[object]], name: str) -> KronkeepError | None:
    try:
        await make(name)
    except KronkeepError as refusal:
        return refusal
    return None


async def each_step_failed(
    room: Room, hows: Sequence[FailureKind], make: Callable[[str], Awaitable[object]], pattern: str = WRITES
) -> None:
    """Makes things until no step is left to fail; a failure leaves nothing, and the same works afterwards.

    The steps fail in the ways of `hows`, one after the other.
    """
    for step in range(MOST_STEPS):
        how = hows[step % len(hows)]
        before = await room.there()
        name = f"{hows[0]}-{step}"
        room.proxy.fail(pattern, step, how)
        refusal = await refused(make, name)
        failed = room.proxy.failed
        room.proxy.heal()
        if not failed:
            assert refusal is None
            return
        if refusal is not None:
            assert refusal.next_step.endswith(".")
            assert await room.there() == before
            await make(name)
    raise AssertionError("a creation has more steps than this test counts")


async def test_each_step_of_each_creation_failed_in_turn(room: Room) -> None:
    await cronjobs_with_policies(room)
    await runs_with_backups(room)
    await storages_with_passwords(room)
    await a_history_without_room(room)


async def cronjobs_with_policies(room: Room) -> None:
    async def make(name: str) -> None:
        made = await room.client.cronjobs.create(wanted(name))
        assert made.policy is not None
        assert (await room.client.cronjobs.get("default", name)).policy == made.policy

    for how in get_args(FailureKind):
        await each_step_failed(room, [how], make)
    with pytest.raises(NameTaken):
        await room.client.cronjobs.create(wanted("lost-0"))


async def runs_with_backups(room: Room) -> None:
    await room.client.cronjobs.create(wanted("one"))

    async def make(_: str) -> None:
        run = await room.client.cronjobs.trigger("default", "one")
        assert run.backup_id is not None
        assert (await room.client.backups.get(run.backup_id)).cronjob_execution_id == run.id

    for how in get_args(FailureKind):
        await each_step_failed(room, [how], make, r"^POST .*/namespaces/default/jobs$")
    found = [run.id for run in (await room.client.runs.list()).items]
    jobs, _ = await room.cluster.list(paths.jobs("default"))
    runs = [job["metadata"]["uid"] for job in jobs if "-manual-" in job["metadata"]["name"]]
    assert sorted(runs) == sorted(found)


async def storages_with_passwords(room: Room) -> None:
    """Only the request for the password: what follows is a storage's own work, and ends active or failed."""
    for how in get_args(FailureKind):
        room.proxy.fail(r"^POST .*/secrets$", 0, how)
        refusal = await refused(room.begin_storage, how)
        room.proxy.heal()
        if refusal is not None:
            there = await room.there()
            assert how not in there["storages"]
            assert [secret for secret in there["secrets"] if how in secret] == []
            await room.begin_storage(how)


async def a_history_without_room(room: Room) -> None:
    before = (await room.there())["jobs"]
    unlimited = resource.prlimit(room.daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(room.daemon.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    with pytest.raises(KronkeepError):
        await room.client.cronjobs.trigger("default", "one")
    resource.prlimit(room.daemon.pid, resource.RLIMIT_FSIZE, unlimited)

    async def jobs() -> list[str]:
        return [name for name in (await room.there())["jobs"] if name.startswith("default/one-manual-")]

    await eventually(jobs, lambda found: found == [name for name in before if "one-manual" in name])
