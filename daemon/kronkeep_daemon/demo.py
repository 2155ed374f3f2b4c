"""The demo's workload: five CronJobs that do real work on the embedded cluster, two with data to back up.

`shop-db-dump` writes a table of orders, which a Job of the demo has created, as SQL. The others fail, run too
long, are suspended, or have a backup policy with its own schedule, so that each of these cases can be seen.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    CronJobCreate,
    Retention,
    Source,
    VolumeMount,
)
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject

NAMESPACE = "default"
STORAGE = "demo-local"
IMAGE = "busybox:1.36"
CLAIMS = ("shop-data", "shop-dumps", "ledger")

_SEED_SCRIPT = """
if [ ! -e /data/orders.csv ]; then
  awk 'BEGIN {
    srand(7)
    count = split("tea kettle cup tray", items, " ")
    for (id = 1; id <= 20000; id++)
      printf "%d,customer-%d,%s,%d\\n", id, rand() * 900, items[1 + int(rand() * count)], 100 + rand() * 9800
  }' > /data/orders.new
  mv /data/orders.new /data/orders.csv
fi
echo "orders.csv exists"
"""

_DUMP_SCRIPT = """
set -e
new=/backup/.shop.sql.$HOSTNAME # a manual run may overlap a scheduled one
awk -F , -v quote="'" '
  BEGIN { print "CREATE TABLE orders(id integer primary key, customer text, item text, cents integer);" }
  { printf "INSERT INTO orders VALUES(%d,%s%s%s,%s%s%s,%d);\\n", $1, quote, $2, quote, quote, $3, quote, $4 }
' /data/orders.csv > "$new"
sync "$new"
mv "$new" /backup/shop.sql
echo "dumped $(wc -l < /backup/shop.sql) statements, $(wc -c < /backup/shop.sql) bytes"
"""

_LEDGER_SCRIPT = """
set -e
awk -v now="$(date -u +%Y-%m-%dT%H:%M:%SZ)" 'BEGIN {
  srand()
  for (entry = 0; entry < 50; entry++) printf "%s,%d\\n", now, rand() * 1000000
}' >> /ledger/entries.csv
echo "booked 50 entries"
"""


async def create_workload(services: Services, folder: Path, say: Callable[[str], None]) -> None:
    """Create the storage in `folder`, the claims, the orders and the CronJobs, unless they exist.

    `say` takes one line of progress.
    """
    cluster = services.clusters.first
    await services.cronjobs.wait_until_synced()
    say("creating the repository")
    await _create_storage(services, folder)
    say("creating the shop's orders")
    for name in CLAIMS:
        await _create_if_absent(cluster, paths.claims(NAMESPACE), claim_body(name))
    await _create_if_absent(cluster, paths.jobs(NAMESPACE), seed_job())
    present = {cronjob.name async for cronjob in services.extended.iter_cronjobs(NAMESPACE)}
    for spec in cronjob_specs():
        if spec.name not in present:
            say(f"creating {spec.name}")
            await services.extended.create(spec, cluster)


async def _create_if_absent(cluster: Cluster, path: str, body: JsonObject) -> None:
    try:
        await cluster.create(path, body)
    except AlreadyExists:
        return


async def _create_storage(services: Services, folder: Path) -> None:
    """Create the storage and wait for its repository; write its password beside the repository."""
    storages = services.storages
    if STORAGE not in {storage.id for storage in storages.list()}:
        await storages.create(storage_spec(folder), services.clusters.first)
    while storages.get(STORAGE).status in (StorageStatus.PENDING, StorageStatus.CREATING):
        await services.clock.sleep(0.1)
    password = await storages.password(storages.get(STORAGE))
    await asyncio.to_thread(_write_password, folder.with_suffix(".password"), password.decode())


def _write_password(path: Path, password: str) -> None:
    """Write a file that only its owner can read, so that restic can be run by hand in the demo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)


def _shell_command(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def storage_spec(folder: Path) -> BackupStorageCreate:
    """Return the storage `demo-local` in `folder`."""
    return BackupStorageCreate(
        id=STORAGE,
        kind="local",
        settings={"path": str(folder)},
        namespaces=(NAMESPACE,),
        layout="shared",
    )


def claim_body(name: str) -> JsonObject:
    """Return a PersistentVolumeClaim of the demo."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def seed_job() -> JsonObject:
    """Return the Job that creates the shop's orders in their claim."""
    container = {
        "name": "seed",
        "image": IMAGE,
        "command": list(_shell_command(_SEED_SCRIPT)),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "shop-data"}}
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "shop-db-seed", "namespace": NAMESPACE},
        "spec": {"backoffLimit": 3, "template": {"spec": pod}},
    }


def cronjob_specs() -> list[CronJobCreate]:
    """Return the demo's five CronJobs."""
    return [_shop(), _always_fails(), _too_slow(), _weekly_report(), _ledger()]


def _shop() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="shop-db-dump",
        image=IMAGE,
        command=_shell_command(_DUMP_SCRIPT),
        schedule="* * * * *",
        volumes=(
            VolumeMount(claim="shop-data", mount_path="/data", read_only=True),
            VolumeMount(claim="shop-dumps", mount_path="/backup"),
        ),
        policy=BackupPolicySpec(
            storage_id=STORAGE,
            source=Source(claims=(ClaimSource(claim="shop-dumps"),)),
            compression="max",
            retention=Retention(days=7, keep_last=10),
        ),
    )


def _always_fails() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="always-fails",
        image=IMAGE,
        command=("sh", "-c", "echo 'the price list is not where it should be' >&2; exit 3"),
        schedule="*/2 * * * *",
        volumes=(VolumeMount(claim="shop-dumps", mount_path="/backup"),),
        policy=BackupPolicySpec(storage_id=STORAGE),
    )


def _too_slow() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="too-slow",
        image=IMAGE,
        command=("sh", "-c", "echo 'counting every grain of sand'; sleep 3600"),
        schedule="*/3 * * * *",
        active_deadline_seconds=20,
    )


def _weekly_report() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="weekly-report",
        image=IMAGE,
        command=("echo", "nothing to report"),
        schedule="0 6 * * 1",
        time_zone="Europe/Berlin",
        suspend=True,
    )


def _ledger() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="ledger",
        image=IMAGE,
        command=_shell_command(_LEDGER_SCRIPT),
        schedule="*/5 * * * *",
        volumes=(VolumeMount(claim="ledger", mount_path="/ledger"),),
        policy=BackupPolicySpec(
            storage_id=STORAGE,
            schedule="2-59/5 * * * *",
            expected_duration_seconds=30,
            retention=Retention(days=30, keep_daily=7),
        ),
    )
