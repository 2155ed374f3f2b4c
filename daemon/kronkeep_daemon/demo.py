"""The demo's workload: five CronJobs that do real work on the embedded cluster, two with data to keep.

`shop-db-dump` dumps a SQLite database that a Job of the demo has made; the others fail, run too long,
are suspended, or have a policy with its own schedule, so that each of these can be seen.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from kronkeep_daemon.kube.errors import AlreadyExists

NAMESPACE = "default"
STORAGE = "demo-local"
IMAGE = "python:3.11"
CLAIMS = ("shop-data", "shop-dumps", "ledger")

_SEED = """
import pathlib, random, sqlite3
target = pathlib.Path("/data/shop.db")
if not target.exists():
    chance = random.Random(7)
    database = sqlite3.connect("/data/shop.new")
    database.execute("create table orders(id integer primary key, customer text, item text, cents integer)")
    database.executemany("insert into orders(customer, item, cents) values(?, ?, ?)", [
        (f"customer-{chance.randrange(900)}", chance.choice(["tea", "kettle", "cup", "tray"]),
         chance.randrange(100, 9900)) for _ in range(20000)])
    database.commit()
    database.close()
    pathlib.Path("/data/shop.new").rename(target)
print("shop.db is there")
"""

_DUMP = """
import os, sqlite3
database = sqlite3.connect("file:/data/shop.db?mode=ro", uri=True)
lines, new = 0, f"/backup/.shop.sql.{os.uname().nodename}"  # a run by hand may meet a scheduled one
with open(new, "w") as dump:
    for line in database.iterdump():
        dump.write(line + "\\n")
        lines += 1
    dump.flush()
    os.fsync(dump.fileno())
os.replace(new, "/backup/shop.sql")
print(f"dumped {lines} statements, {os.path.getsize('/backup/shop.sql')} bytes")
"""

_LEDGER = """
import datetime, random
with open("/ledger/entries.csv", "a") as ledger:
    for _ in range(50):
        ledger.write(f"{datetime.datetime.now(datetime.timezone.utc).isoformat()},{random.randrange(10**6)}\\n")
print("booked 50 entries")
"""


async def fill(services: Services, folder: Path, say: Callable[[str], None]) -> None:
    """Makes the storage, the claims, the database and the CronJobs; what is there already is left alone."""
    cluster = services.cronjobs.clusters.first
    await services.cronjobs.wait_until_synced()
    say("making the repository")
    await _storage(services, folder)
    say("making the shop's database")
    for path, body in [
        *((paths.claims(NAMESPACE), claim(name)) for name in CLAIMS),
        (paths.jobs(NAMESPACE), seed()),
    ]:
        try:
            await cluster.create(path, body)
        except AlreadyExists:
            continue
    present = {cronjob.name async for cronjob in services.extended.iter_cronjobs(NAMESPACE)}
    for wanted in cronjobs():
        if wanted.name not in present:
            say(f"creating {wanted.name}")
            await services.extended.create(wanted, cluster)


async def _storage(services: Services, folder: Path) -> None:
    storages = services.storages
    if STORAGE not in {found.id for found in storages.list()}:
        await storages.create(storage(folder), services.cronjobs.clusters.first)
    while storages.get(STORAGE).status in (StorageStatus.PENDING, StorageStatus.CREATING):
        await services.clock.sleep(0.1)
    password = await storages.password(storages.get(STORAGE))
    await asyncio.to_thread(_keep_password, folder.with_suffix(".password"), password.decode())


def _keep_password(path: Path, password: str) -> None:
    """A file that only its owner reads, so that restic can be run by hand in the demo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)


def _python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def storage(folder: Path) -> BackupStorageCreate:
    """The storage `demo-local` in `folder`, made by its own repository Job."""
    return BackupStorageCreate(id=STORAGE, kind="local", settings={"path": str(folder)})


def claim(name: str) -> dict[str, Any]:
    """The PersistentVolumeClaim `name` of the demo."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def seed() -> dict[str, Any]:
    """The Job that makes the shop's database in its claim."""
    container = {
        "name": "seed",
        "image": IMAGE,
        "command": list(_python(_SEED)),
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


def cronjobs() -> list[CronJobCreate]:
    """The demo's five CronJobs."""
    return [_shop(), _always_fails(), _too_slow(), _weekly_report(), _ledger()]


def _shop() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="shop-db-dump",
        image=IMAGE,
        command=_python(_DUMP),
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
        image="busybox:1.36",
        command=("sh", "-c", "echo 'the price list is not where it should be' >&2; exit 3"),
        schedule="*/2 * * * *",
        volumes=(VolumeMount(claim="shop-dumps", mount_path="/backup"),),
        policy=BackupPolicySpec(storage_id=STORAGE),
    )


def _too_slow() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="too-slow",
        image="busybox:1.36",
        command=("sh", "-c", "echo 'counting every grain of sand'; sleep 3600"),
        schedule="*/3 * * * *",
        active_deadline_seconds=20,
    )


def _weekly_report() -> CronJobCreate:
    return CronJobCreate(
        namespace=NAMESPACE,
        name="weekly-report",
        image="busybox:1.36",
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
        command=_python(_LEDGER),
        schedule="*/5 * * * *",
        volumes=(VolumeMount(claim="ledger", mount_path="/ledger"),),
        policy=BackupPolicySpec(
            storage_id=STORAGE,
            schedule="2-59/5 * * * *",
            expected_duration_seconds=30,
            retention=Retention(days=30, keep_daily=7),
        ),
    )
