"""One cluster with RBAC that victims and attackers share, and the daemon on it with the rights it is given.

`shop` is the namespace whose truth must not change. `bank` is a victim that goes on working. The tenant of
`evil` may do everything with CronJobs, Jobs, pods, ConfigMaps and Events there, the tenant of `meek` with
CronJobs only. All four may use the storage `shared`, only `shop` the storage `sealed`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests import external_cluster
from tests.cluster_proxy import DaemonOnOtherCluster, other_cluster
from tests.e2e.backup_site import NEWER_RESTIC, wait_for_end
from tests.e2e.daemon_account import collection_path, create_account, request_token
from tests.quick_repository import prepare_storage
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.errors import ExecutionNotFound, LogNotFound
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    Retention,
    Source,
)
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

SHOP = "shop"
BANK = "bank"
EVIL = "evil"
MEEK = "meek"
NAMESPACES = (SHOP, BANK, EVIL, MEEK)
NEVER = "0 2 29 2 *"
RESOURCES = {
    EVIL: [("batch", "cronjobs"), ("batch", "jobs"), ("", "pods"), ("", "configmaps"), ("", "events")],
    MEEK: [("batch", "cronjobs")],
}
HOLD = ["evil.example/hold"]
CONFIG = """
[allow]
host_path = true
[archive]
image = "{image}"
[clusters.arena]
kubeconfig = "{kubeconfig}"
"""
_KINDS = ("cronjobs", "jobs", "pods", "configmaps", "secrets", "persistentvolumeclaims", "events")
Truth = dict[str, Any]


class Arena:
    """The running cluster and daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemon = DaemonOnOtherCluster(folder / "s")
        self._barriers = 0

    def client(self) -> Client:
        """Return a client of the daemon, as its admin."""
        return self.daemon.client()

    @asynccontextmanager
    async def connection(self, user: str = "admin") -> AsyncIterator[Cluster]:
        """Connect to the cluster as its admin or as the tenant of a namespace."""
        file = self.folder / "cluster" / "kubeconfig" if user == "admin" else self.folder / f"{user}.yaml"
        cluster = Cluster(file, None, False, name=user)
        await cluster.reload()
        try:
            yield cluster
        finally:
            await cluster.close()

    async def write_kubeconfig(self, user: str, token: str) -> Path:
        """Write the kubeconfig of a token's owner."""
        text = await asyncio.to_thread((self.folder / "cluster" / "kubeconfig").read_text)
        config = yaml.safe_load(text)
        server = config["clusters"][0]["cluster"]
        if external_cluster.KUBECONFIG is None:
            server["server"] = f"{server['server'].rpartition('/')[0]}/{token}"
        config["users"][0]["user"] = {"token": token}
        path = self.folder / f"{user}.yaml"
        await asyncio.to_thread(path.write_text, yaml.safe_dump(config))
        return path

    def claim(self, namespace: str, name: str) -> Path:
        """Return the folder of a claim."""
        return self.daemon.claims / namespace / name

    def repository(self, storage: str) -> Path:
        """Return the folder of a storage."""
        return self.folder / f"storage-{storage}"

    def snapshot_ids(self) -> frozenset[str]:
        """Return the ids of all snapshots in all repositories: the names of their files."""
        return frozenset(file.name for file in self.folder.glob("storage-*/**/snapshots/*"))

    async def read_truth(self, namespace: str = SHOP) -> Truth:
        """Return all that the API says of a namespace, and the versions of its objects in the cluster."""
        truth: Truth = {}
        async with self.client() as client:
            runs = (await client.runs.list(f"ns:{namespace}")).items
            backups = (await client.backups.list(f"ns:{namespace}")).items
            records: list[Any] = [
                *(await client.cronjobs.list(namespace)).items,
                *runs,
                *backups,
                *(alert for alert in (await client.alerts.list()).items if alert.namespace == namespace),
            ]
            truth |= {
                f"{type(record).__name__} {record.id}": msgspec.to_builtins(record) for record in records
            }
            for view in (await client.policies.list(namespace)).items:
                truth[f"policy of {view.cronjob}"] = msgspec.to_builtins(view)
            for run in runs:
                with suppress(LogNotFound):
                    truth[f"log of {run.id}"] = b"".join([chunk async for chunk in client.runs.log(run.id)])
            for storage in (await client.storages.list()).items:
                fields = (storage.status, storage.check_ok, storage.reason, storage.namespaces)
                truth[f"storage {storage.id}"] = fields
        async with self.connection() as admin:
            truth |= await _read_versions(admin, namespace)
        return truth

    async def settle(self) -> None:
        """Wait until the daemon has seen every Job and pod that was changed before this call."""
        self._barriers += 1
        name = f"barrier-{self._barriers}"
        async with self.connection() as admin, self.client() as client:
            owner = await admin.get(paths.cronjobs(EVIL, "bystander"))
            body = job_of(owner, name, suspend=True)
            job = await admin.create(paths.jobs(EVIL), body)
            uid = job["metadata"]["uid"]
            await admin.create(paths.pods(EVIL), pod_of(job, name))
            await eventually(lambda: find_run(client, uid), lambda run: run is not None and bool(run.pods))
            await admin.delete(paths.jobs(EVIL, name), propagation="Foreground")
            await admin.delete(paths.pods(EVIL, name), grace_seconds=0)

    async def back_up(self, namespace: str, name: str) -> BackupExecution:
        """Back up a CronJob and return the backup once it has ended."""
        async with self.client() as client:
            started = await client.cronjobs.back_up(namespace, name)
            return await wait_for_end(client, started.id)

    async def create_claim(self, namespace: str, name: str, content: str) -> None:
        """Create a claim with one file."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        async with self.connection() as admin:
            await admin.create(paths.claims(namespace), {"metadata": {"name": name}, "spec": spec})
        folder = self.claim(namespace, name)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread((folder / "file").write_text, content)

    async def create_victim(self, namespace: str, name: str, storage: str, **policy: Any) -> CronJob:
        """Create a CronJob whose claim of the same name is archived in the storage."""
        await self.create_claim(namespace, name, f"of {namespace}")
        source = Source(claims=(ClaimSource(claim=name),))
        spec = BackupPolicySpec(**{"storage_id": storage, "source": source, "retries": 0, **policy})
        async with self.client() as client:
            return await client.cronjobs.create(
                CronJobCreate(
                    namespace=namespace,
                    name=name,
                    image="busybox:1.36",
                    command=("true",),
                    schedule=NEVER,
                    policy=spec,
                )
            )

    async def create_storage(self, name: str, *namespaces: str, layout: Layout = "shared") -> None:
        """Create a storage that only these namespaces may use."""
        folder = self.repository(name)
        async with self.connection() as admin:
            await prepare_storage(admin, name, folder)
        async with self.client() as client:
            await client.storages.create(
                BackupStorageCreate(
                    id=name,
                    kind="local",
                    settings={"path": str(folder)},
                    namespaces=namespaces,
                    layout=layout,
                )
            )
            storage = await eventually(
                lambda: client.storages.get(name), lambda s: s.status in ("active", "failed")
            )
        assert storage.status == "active", storage


async def _read_versions(admin: Cluster, namespace: str) -> Truth:
    versions = {}
    for kind in _KINDS:
        group = paths.batch if kind in ("cronjobs", "jobs") else paths.core
        for item in (await admin.list(group(kind, namespace)))[0]:
            versions[f"{kind} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return versions


async def find_run(client: Client, uid: str) -> CronJobExecution | None:
    """Return a run by its Job's uid; None where there is none."""
    with suppress(ExecutionNotFound):
        return await client.runs.get(uid)
    return None


async def wait_until_run_ended(client: Client, uid: str) -> CronJobExecution:
    """Return a run once it has ended."""
    run = await eventually(
        lambda: find_run(client, uid), lambda r: r is not None and is_final(EXECUTION_TRANSITIONS, r.status)
    )
    assert run is not None
    return run


def container(script: str, name: str = "main") -> JsonObject:
    """Return a container that runs a line of shell."""
    return {"name": name, "image": "busybox:1.36", "command": ["sh", "-c", script]}


def cronjob_manifest(name: str, *, script: str = "true", policy: JsonObject | None = None) -> JsonObject:
    """Return a CronJob that never runs by itself, with a policy in its annotation."""
    annotations = {object_keys.POLICY: json.dumps(policy)} if policy is not None else {}
    pod = {"restartPolicy": "Never", "containers": [container(script)]}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "schedule": NEVER,
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}},
        },
    }


def owner_reference(owner: JsonObject, kind: str) -> JsonObject:
    """Return a reference to an owner as its controller writes it."""
    meta = owner["metadata"]
    group = "batch/v1"
    reference = {"apiVersion": group, "kind": kind, "name": meta["name"], "uid": meta["uid"]}
    return {**reference, "controller": True}


def job_of(owner: JsonObject, name: str, *, script: str = "true", suspend: bool = False) -> JsonObject:
    """Return a Job of a CronJob as `kubectl create job --from` makes it."""
    pod = {"restartPolicy": "Never", "containers": [container(script)]}
    return {
        "metadata": {
            "name": name,
            "annotations": {object_keys.INSTANTIATE: "manual"},
            "ownerReferences": [owner_reference(owner, "CronJob")],
        },
        "spec": {"backoffLimit": 0, "suspend": suspend, "template": {"spec": pod}},
    }


def pod_of(job: JsonObject, name: str, *scripts: tuple[str, str]) -> JsonObject:
    """Return a pod that says it is a Job's; `scripts` are its containers' names and lines of shell.

    Without any it waits for a node that does not exist.
    """
    meta = job["metadata"]
    labels = {
        object_keys.JOB_NAME_LABEL: meta["name"],
        object_keys.CONTROLLER_UID_LABEL: meta["uid"],
        "job-name": meta["name"],
        "controller-uid": meta["uid"],
        object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY,
    }
    containers = [container(script, name) for name, script in scripts]
    spec: JsonObject = {
        "restartPolicy": "Never",
        "initContainers": containers[:-1],
        "containers": containers[-1:] or [container("true")],
    }
    if not scripts:
        spec["nodeSelector"] = {"kubernetes.io/hostname": "nowhere"}
    metadata = {"name": name, "labels": labels, "ownerReferences": [owner_reference(job, "Job")]}
    return {"metadata": metadata, "spec": spec}


@asynccontextmanager
async def run_arena(folder: Path) -> AsyncIterator[Arena]:
    """Run an arena with its tenants, storages and victims until the block ends."""
    arena = Arena(folder)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(other_cluster(folder / "cluster"))
        await stack.enter_async_context(_namespaces(arena))
        await _start(arena)
        stack.push_async_callback(arena.daemon.end)
        await _create_victims(arena)
        yield arena


@asynccontextmanager
async def _namespaces(arena: Arena) -> AsyncIterator[None]:
    """Create the four namespaces; on a cluster that lives on they are deleted at the end, and before."""
    is_external = external_cluster.KUBECONFIG is not None
    if is_external:
        await _delete_namespaces(arena)
    async with arena.connection() as admin:
        for namespace in NAMESPACES:
            metadata = {"name": namespace, "annotations": {external_cluster.EMPTIED: "true"}}
            await admin.create(paths.namespaces(), {"metadata": metadata})
    yield
    if is_external:
        await _delete_namespaces(arena)


async def _delete_namespaces(arena: Arena) -> None:
    """Delete them with all that is in them; finalizers of attacks that failed would hold them."""
    async with arena.connection() as admin:
        for item in (await admin.list(paths.namespaces()))[0]:
            name = item["metadata"]["name"]
            is_ours = external_cluster.EMPTIED in (item["metadata"].get("annotations") or {})
            if name in NAMESPACES and not is_ours:
                pytest.exit(f"the tests would delete the namespace {name}: use another cluster", 2)
        for namespace in NAMESPACES:
            for path_of in (paths.jobs, paths.pods):
                for item in (await admin.list(path_of(namespace)))[0]:
                    if item["metadata"].get("finalizers"):
                        path = path_of(namespace, item["metadata"]["name"])
                        await admin.patch(path, {"metadata": {"finalizers": None}})
            await admin.delete(paths.namespaces(namespace))

        async def list_names() -> set[str]:
            return {item["metadata"]["name"] for item in (await admin.list(paths.namespaces()))[0]}

        await eventually(list_names, lambda names: names.isdisjoint(NAMESPACES))


async def _start(arena: Arena) -> None:
    async with arena.connection() as admin:
        for tenant, resources in RESOURCES.items():
            await arena.write_kubeconfig(tenant, await _create_tenant(admin, tenant, resources))
        kubeconfig = await arena.write_kubeconfig("kronkeepd", await create_account(admin))
    image = "restic/restic:newer" if NEWER_RESTIC.exists() else "restic/restic:0.14.0"
    config = arena.folder / "kronkeepd.toml"
    text = CONFIG.format(image=image, kubeconfig=kubeconfig)
    await asyncio.to_thread(config.write_text, text)
    arena.daemon.arguments = ("--config", str(config))
    await arena.daemon.start()


async def _create_tenant(admin: Cluster, namespace: str, resources: list[tuple[str, str]]) -> str:
    """Create a service account that may do everything with the resources in its namespace; its token."""
    meta = {"name": "tenant", "namespace": namespace}
    rules = [{"apiGroups": [group], "resources": [name], "verbs": ["*"]} for group, name in resources]
    if namespace == EVIL:
        rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    rbac = "rbac.authorization.k8s.io"
    for body in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "tenant"},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        },
    ):
        await admin.create(collection_path(body), body)
    return await request_token(admin, f"/api/v1/namespaces/{namespace}/serviceaccounts/tenant")


async def _create_victims(arena: Arena) -> None:
    """Create the storages, good backups of shop, a run of shop that failed, and a CronJob of evil."""
    await asyncio.gather(
        arena.create_storage("shared", SHOP, BANK, EVIL, MEEK), arena.create_storage("sealed", SHOP)
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(arena.client())
        evil = await stack.enter_async_context(arena.connection(EVIL))
        await evil.create(paths.cronjobs(EVIL), cronjob_manifest("bystander"))
        await arena.create_claim(EVIL, "data", "of evil")
        await arena.create_victim(SHOP, "ledger", "shared", retention=Retention(keep_last=5))
        await arena.create_victim(SHOP, "vault", "sealed")
        await arena.create_victim(BANK, "till", "shared", retention=Retention(keep_last=5))
        await client.cronjobs.create(
            CronJobCreate(
                namespace=SHOP,
                name="broken",
                image="busybox:1.36",
                command=("sh", "-c", "echo of shop; exit 3"),
                schedule=NEVER,
            )
        )
        run = await client.cronjobs.trigger(SHOP, "broken")
        admin = await stack.enter_async_context(arena.connection())
        broken = await admin.get(paths.cronjobs(SHOP, "broken"))
        await admin.create(paths.jobs(SHOP), job_of(broken, "waiting", suspend=True))
        backups = await asyncio.gather(arena.back_up(SHOP, "ledger"), arena.back_up(SHOP, "vault"))
        assert [backup.status for backup in backups] == ["succeeded"] * 2, backups
        assert (await wait_until_run_ended(client, run.id)).status == "failed"
        await eventually(
            client.alerts.list,
            lambda alerts: any(alert.cronjob == "broken" for alert in alerts.items),
        )
        await eventually(
            lambda: client.runs.get(run.id), lambda ended: "Its last line" in (ended.message or "")
        )
        # The daemon writes its Events after the records that they tell of.
        await eventually(lambda: _list_backed_up(admin, SHOP), lambda names: {"ledger", "vault"} <= names)


async def _list_backed_up(admin: Cluster, namespace: str) -> set[str]:
    """Return the names of the CronJobs that have an Event about a good backup."""
    events, _ = await admin.list(paths.events(namespace))
    return {event["involvedObject"]["name"] for event in events if event["reason"] == "BackupSucceeded"}
