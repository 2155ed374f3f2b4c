"""Each step of a creation fails in turn: refused, cut off before the cluster got it, or after."""

import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.cluster_proxy import ClusterProxy, DaemonOnOtherCluster, FailureKind, daemon_behind_proxy
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError, NameTaken
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, CronJobCreate, VolumeMount
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

WRITES = r"^(POST|PUT|PATCH|DELETE) (?!.*/leases)"
MOST_STEPS = 8


class ProxiedSite:
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
        settings: dict[str, str | int] = {"path": str(self.folder / name)}
        await self.client.storages.create(
            BackupStorageCreate(id=name, kind="local", settings=settings, namespaces=("default",))
        )

    async def create_storage(self, name: str) -> None:
        await self.begin_storage(name)
        storage = await eventually(
            lambda: self.client.storages.get(name), lambda s: s.status in ("active", "failed")
        )
        assert storage.status == "active", storage

    async def list_objects(self) -> dict[str, Any]:
        """Return everything that a creation could leave behind, in the cluster and in the history."""
        objects = {}
        for kind, path in (
            ("cronjobs", paths.cronjobs()),
            ("jobs", paths.jobs()),
            ("secrets", paths.secrets()),
        ):
            items, _ = await self.cluster.list(path)
            names = [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items]
            # Lists of snapshots are read in the background, whatever is created.
            objects[kind] = sorted(name for name in names if not name.startswith("kronkeep/kronkeep-list-"))
        runs = await self.client.runs.list()
        backups = await self.client.backups.list()
        objects["history"] = sorted([r.id for r in runs.items] + [b.id for b in backups.items])
        objects["storages"] = [s.id for s in (await self.client.storages.list()).items]
        return objects


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[ProxiedSite]:
    async with daemon_behind_proxy(tmp_path) as (daemon, proxy, kubeconfig), daemon.client() as client:
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        found = ProxiedSite(daemon=daemon, proxy=proxy, cluster=cluster, client=client, folder=tmp_path)
        await found.create_storage("vault")
        yield found
        await cluster.close()


def cronjob_spec(name: str) -> CronJobCreate:
    return CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("true",),
        schedule="0 2 29 2 *",
        successful_jobs_history_limit=100,  # so that the CronJob controller removes none
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=BackupPolicySpec(storage_id="vault"),
    )


async def try_create(create: Callable[[str], Awaitable[object]], name: str) -> KronkeepError | None:
    try:
        await create(name)
    except KronkeepError as refusal:
        return refusal
    return None


async def fail_each_step(
    site: ProxiedSite,
    kinds: Sequence[FailureKind],
    create: Callable[[str], Awaitable[object]],
    pattern: str = WRITES,
) -> None:
    """Create objects until no step is left to fail; check that a failure leaves nothing and can be repeated.

    The steps fail in the ways of `kinds`, one after the other.
    """
    for step in range(MOST_STEPS):
        kind = kinds[step % len(kinds)]
        before = await site.list_objects()
        name = f"{kinds[0]}-{step}"
        site.proxy.fail(pattern, step, kind)
        refusal = await try_create(create, name)
        failed = site.proxy.failed
        site.proxy.heal()
        if not failed:
            assert refusal is None
            return
        if refusal is not None:
            assert refusal.next_step.endswith(".")
            assert await site.list_objects() == before
            await create(name)
    raise AssertionError("a creation has more steps than this test counts")


async def test_each_step_of_each_creation_fails_in_turn(site: ProxiedSite) -> None:
    await check_cronjobs_with_policies(site)
    await check_runs_with_backups(site)
    await check_storages_with_passwords(site)
    await check_history_without_space(site)


async def check_cronjobs_with_policies(site: ProxiedSite) -> None:
    async def create(name: str) -> None:
        created = await site.client.cronjobs.create(cronjob_spec(name))
        assert created.policy is not None
        assert (await site.client.cronjobs.get("default", name)).policy == created.policy

    for kind in get_args(FailureKind):
        await fail_each_step(site, [kind], create)
    with pytest.raises(NameTaken):
        await site.client.cronjobs.create(cronjob_spec("lost-0"))


async def check_runs_with_backups(site: ProxiedSite) -> None:
    await site.client.cronjobs.create(cronjob_spec("one"))

    async def create(_: str) -> None:
        run = await site.client.cronjobs.trigger("default", "one")
        assert run.backup_id is not None
        assert (await site.client.backups.get(run.backup_id)).cronjob_execution_id == run.id

    for kind in get_args(FailureKind):
        await fail_each_step(site, [kind], create, r"^POST .*/namespaces/default/jobs$")
    recorded = [run.id for run in (await site.client.runs.list()).items]
    jobs, _ = await site.cluster.list(paths.jobs("default"))
    runs = [job["metadata"]["uid"] for job in jobs if "-manual-" in job["metadata"]["name"]]
    assert sorted(runs) == sorted(recorded)


async def check_storages_with_passwords(site: ProxiedSite) -> None:
    """Only the request for the password fails: what follows ends with a storage that is active or failed."""
    for kind in get_args(FailureKind):
        site.proxy.fail(r"^POST .*/secrets$", 0, kind)
        refusal = await try_create(site.begin_storage, kind)
        site.proxy.heal()
        if refusal is not None:
            objects = await site.list_objects()
            assert kind not in objects["storages"]
            assert [secret for secret in objects["secrets"] if kind in secret] == []
            await site.begin_storage(kind)


async def check_history_without_space(site: ProxiedSite) -> None:
    before = (await site.list_objects())["jobs"]
    unlimited = resource.prlimit(site.daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(site.daemon.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    with pytest.raises(KronkeepError):
        await site.client.cronjobs.trigger("default", "one")
    resource.prlimit(site.daemon.pid, resource.RLIMIT_FSIZE, unlimited)

    async def jobs() -> list[str]:
        return [
            name for name in (await site.list_objects())["jobs"] if name.startswith("default/one-manual-")
        ]

    await eventually(jobs, lambda found: found == [name for name in before if "one-manual" in name])
