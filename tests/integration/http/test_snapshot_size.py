"""The first answer that a terminal reads stays small, whatever the records hold and however many CronJobs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.integration.http.many import CLUSTER, cronjob, many
from tests.records import BACKUP, RUN, make_backup, make_run

from kronkeep_common import api
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import EventsLost, InvalidRequest
from kronkeep_common.models import BackupPolicy, BackupPolicySpec, Cause, CronJob, PodRecord
from kronkeep_common.models.policy import Hook, Hooks
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.http.routes_backups import list_backups
from kronkeep_daemon.http.routes_events import get_snapshot, list_more_cronjobs
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import open_composition

RECORDS = 300
CRONJOBS = 1500
MOST_BYTES = 2_000_000


@pytest.fixture
async def services(embedded_cluster: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[Services]:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    async with open_composition(cluster, tmp_path, Supervisor(SystemClock()), Settings()) as composition:
        yield composition.services
    await cluster.close()


def call_of(services: Services) -> Any:
    return SimpleNamespace(services=services, query={"limit": str(RECORDS)})


async def fill(services: Services) -> None:
    cause = Cause(reason="ExitCode", message="x" * 1000, next_step="y" * 200)
    pods = tuple(PodRecord(name=f"pod-{number}", cause=cause) for number in range(20))
    policy = BackupPolicy(
        id="p",
        storage_id="s",
        hooks=Hooks(pre=(Hook(name="a", image="b", command=("x" * 30_000,)),)),
    )
    for number in range(RECORDS):
        created = RUN.created_at + timedelta(minutes=number)
        run = make_run(id=f"run-{number:03}", pods=pods, created_at=created)
        services.history.executions.put(run)
        warnings = tuple("w" * 300 for _ in range(20))
        backup = make_backup(id=f"b-{number:03}", policy=policy, warnings=warnings, created_at=created)
        services.history.backups.put(backup)
    await services.history.commit()


async def test_a_snapshot_of_the_largest_records_has_at_most_two_megabytes(services: Services) -> None:
    await fill(services)
    snapshot = await get_snapshot(call_of(services))
    assert len(msgspec.json.encode(snapshot)) < MOST_BYTES
    assert snapshot.executions[0].id == f"run-{RECORDS - 1}"
    assert len(snapshot.executions) > 20
    assert len(snapshot.backups) > 50


async def test_a_list_of_backups_leaves_the_policies_out_and_one_backup_has_its_own(
    services: Services,
) -> None:
    await fill(services)
    page = await list_backups(call_of(services))
    assert len(page.items) == RECORDS
    assert len(msgspec.json.encode(page)) < 3_000_000
    policy = services.backups.get(BACKUP.id + "-000").policy
    assert policy is not None
    assert len(policy.hooks.pre[0].command[0]) == 30_000


def large_cronjob(number: int, hook_bytes: int) -> CronJobObject:
    """Return a CronJob with the longest names, and a policy with a hook of so many bytes."""
    hook = Hook(name="a", image="b", command=("x" * hook_bytes,))
    policy = policy_annotations.new_policy(BackupPolicySpec(storage_id="s", hooks=Hooks(pre=(hook,))))
    pod = {"containers": [{"name": "c", "image": "i" * 500}]}
    manifest = {
        "metadata": {
            "name": f"{number:0253}",
            "namespace": "n" * 63,
            "uid": f"{number:036}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": policy_annotations.annotations_of(policy) if hook_bytes else {},
        },
        "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    return CronJobObject.from_manifest(manifest, CLUSTER)


async def read_pages(services: Services, first: api.Snapshot) -> list[list[CronJob]]:
    """Return the pages of CronJobs as a client decodes them, the snapshot's own first."""
    pages = [msgspec.convert(msgspec.json.decode(msgspec.json.encode(first.cronjobs)), list[CronJob])]
    cursor = first.cronjobs_cursor
    while cursor is not None:
        call: Any = SimpleNamespace(services=services, query={"cursor": cursor})
        answer = msgspec.json.encode(await list_more_cronjobs(call))
        assert len(answer) < 600_000
        page = msgspec.json.decode(answer, type=api.ListOf[CronJob])
        pages.append(page.items)
        cursor = page.next_cursor
    return pages


async def test_no_number_of_cronjobs_makes_an_answer_larger_and_pages_have_each_once(tmp_path: Path) -> None:
    async with many(tmp_path / "h", 0, 0) as services:
        await fill(services)
        known = services.cronjobs.recorders[CLUSTER].cache.cronjobs
        for number in range(CRONJOBS):
            cronjob = large_cronjob(number, 25_000 if number % 10 == 0 else 0)
            known[cronjob.ref] = cronjob
        call: Any = SimpleNamespace(services=services, query={})
        snapshot = await get_snapshot(call)
        assert len(msgspec.json.encode(snapshot)) < MOST_BYTES
        assert len(snapshot.executions) > 20
        pages = await read_pages(services, snapshot)
        assert len(pages) > 10
        assert [each.name for page in pages for each in page] == [f"{n:0253}" for n in range(CRONJOBS)]


async def test_cronjobs_that_come_or_go_between_two_pages_are_there_or_not_and_the_others_once(
    tmp_path: Path,
) -> None:
    async with many(tmp_path / "h", 1000, 0) as services:
        call: Any = SimpleNamespace(services=services, query={})
        snapshot = await get_snapshot(call)
        known = services.cronjobs.recorders[CLUSTER].cache.cronjobs
        (last,) = msgspec.convert(
            msgspec.json.decode(msgspec.json.encode(snapshot.cronjobs[-1:])), list[CronJob]
        )
        del known[CronJobRef(CLUSTER, last.namespace, last.name)]
        added = cronjob(5000)
        known[added.ref] = added
        await services.live.current(MOST_BYTES)
        pages = await read_pages(services, snapshot)
        names = [each.name for page in pages for each in page]
        assert len(names) == len(set(names)) == 1001
        assert names[-1] == "job-5000"


async def test_a_cursor_of_another_time_needs_a_new_snapshot_and_one_that_is_none_is_refused(
    services: Services,
) -> None:
    await get_snapshot(call_of(services))
    call: Any = SimpleNamespace(services=services, query={"cursor": "0123abcd.1"})
    with pytest.raises(EventsLost):
        await list_more_cronjobs(call)
    for cursor in ("", "x", "1.5", ".", "0123abcd.-1", "0123abcd.1 "):
        call.query["cursor"] = cursor
        with pytest.raises(InvalidRequest):
            await list_more_cronjobs(call)
