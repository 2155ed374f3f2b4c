"""Checks of schedules in the daemon: refusals, strategies, the history and other policies; on one daemon."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    CronJobCreate,
    ScheduleCheckRequest,
    VolumeMount,
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    process = Daemon(tmp_path_factory.mktemp("e") / "s")
    asyncio.run(process.start())
    asyncio.run(create_storages(process))
    yield process
    asyncio.run(process.stop())


async def create_storages(daemon: Daemon) -> None:
    """Create two storages and wait until they are active."""
    async with daemon.client() as client:
        for name in ("vault", "attic"):
            path = str(daemon.state.parent / name)
            await daemon.prepare_storage(name, Path(path))
            await client.storages.create(
                BackupStorageCreate(
                    layout="shared", id=name, kind="local", settings={"path": path}, namespaces=("default",)
                )
            )
        await eventually(client.storages.list, lambda page: all(s.status == "active" for s in page.items))


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    async with daemon.client() as connected:
        yield connected


def cronjob_spec(name: str, runs: str = "0 4 * * *", **policy: object) -> CronJobCreate:
    spec = BackupPolicySpec(**({"storage_id": "vault", "schedule": "0 3 * * *"} | policy))  # type: ignore[arg-type]
    mounts = (VolumeMount(claim="data", mount_path="/data"),)
    return CronJobCreate(
        name=name, image="busybox:1.36", command=("true",), schedule=runs, volumes=mounts, policy=spec
    )


async def test_a_conflict_without_a_strategy_is_refused_however_it_is_written(
    daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(errors.ScheduleConflict) as refusal:
        await client.cronjobs.create(cronjob_spec("refused"))
    assert refusal.value.details["finding"] == "BackupBeforeRun"
    assert "shift" in refusal.value.next_step
    with pytest.raises(errors.ScheduleConflict):
        await client.cronjobs.create(cronjob_spec("refused"), dry_run=True)
    argv = ["create", "refused", "--image", "busybox", "--schedule", "0 4 * * *", "--storage", "vault"]
    argv += ["--backup-schedule", "0 3 * * *", "--", "true"]
    completed = await asyncio.to_thread(run_kronkeep, daemon, *argv)
    assert completed.returncode == 2
    assert "ScheduleConflict" in completed.stderr
    with pytest.raises(errors.CronJobNotFound):
        await client.cronjobs.get("default", "refused")


@pytest.mark.parametrize(
    ("strategy", "schedule", "text"),
    [
        ("shift", "10 9 * * *", "moves from"),
        ("after-run", None, "run has ended"),
        ("accept", "0 12 * * *", "record"),
    ],
)
async def test_each_strategy_changes_the_policy_and_says_so(
    client: Client, strategy: str, schedule: str | None, text: str
) -> None:
    hour = {"shift": 9, "after-run": 11, "accept": 13}[strategy]  # so that no two back up at the same time
    backups = f"0 {hour - 1} * * *"
    spec = cronjob_spec(f"by-{strategy}", f"0 {hour} * * *", schedule=backups, on_conflict=strategy)
    created = await client.cronjobs.create(spec)
    assert created.policy is not None
    assert created.policy.schedule == schedule
    assert text in (created.resolution or "")
    stored = await client.cronjobs.get("default", f"by-{strategy}")
    assert (stored.policy, stored.resolution) == (created.policy, None)
    assert created.policy.on_conflict == strategy


async def test_an_accepted_conflict_stays_on_the_screen(client: Client) -> None:
    await client.cronjobs.create(cronjob_spec("accepted", on_conflict="accept"))
    cronjob = await eventually(
        lambda: client.cronjobs.get("default", "accepted"), lambda c: bool(c.policy_findings)
    )
    assert cronjob.policy_findings[0].startswith("BackupBeforeRun: ")
    view = next(one for one in (await client.policies.list()).items if one.cronjob == "accepted")
    assert view.findings == cronjob.policy_findings
    assert view.next_backup_at is not None
    assert (view.next_backup_at.hour, view.next_backup_at.minute) == (3, 0)


async def test_a_shifted_policy_stays_the_same_when_it_is_written_again(client: Client) -> None:
    first = await client.cronjobs.create(cronjob_spec("again", on_conflict="shift"))
    changed = await client.cronjobs.replace(cronjob_spec("again", on_conflict="shift"))
    assert changed.policy == first.policy


async def test_the_history_says_how_long_a_run_takes(client: Client) -> None:
    script = "sleep 1.2"
    spec = CronJobCreate(
        name="slow", image="busybox:1.36", command=("sh", "-c", script), schedule="0 4 * * *"
    )
    await client.cronjobs.create(spec)
    run = await client.cronjobs.trigger("default", "slow")
    await eventually(lambda: client.runs.get(run.id), lambda e: e.status == "succeeded")
    request = ScheduleCheckRequest(
        cronjob_schedule="0 4 * * *",
        backup_schedule="5 4 * * *",
        expected_duration_seconds=3600,
        namespace="default",
        cronjob="slow",
    )
    check = await client.policies.check_schedule(request)
    assert (check.verdict, check.expected_from) == ("ok", "history")
    assert 1 <= check.expected_duration_seconds < 60
    stated = await client.policies.check_schedule(
        ScheduleCheckRequest(
            cronjob_schedule="0 4 * * *", backup_schedule="5 4 * * *", expected_duration_seconds=3600
        )
    )
    assert (stated.verdict, stated.expected_from) == ("conflict", "policy")
    by_default = await client.policies.check_schedule(
        ScheduleCheckRequest(cronjob_schedule="0 4 * * *", backup_schedule="10 4 * * *")
    )
    assert (by_default.verdict, by_default.expected_from) == ("ok", "default")
    assert by_default.expected_duration_seconds == 600


async def test_other_policies_on_the_storage_are_looked_at(client: Client) -> None:
    await client.cronjobs.create(
        cronjob_spec("neighbour", "0 1 * * *", storage_id="attic", schedule="0 5 * * *")
    )
    request = ScheduleCheckRequest(
        cronjob_schedule="0 4 * * *",
        backup_schedule="5 5 * * *",
        namespace="default",
        cronjob="new",
        storage_id="attic",
    )
    busy = await client.policies.check_schedule(request)
    assert [finding.code for finding in busy.findings] == ["StorageBusy"]
    assert "default/neighbour" in busy.findings[0].message
    itself = ScheduleCheckRequest(
        cronjob_schedule="0 1 * * *",
        backup_schedule="5 5 * * *",
        namespace="default",
        cronjob="neighbour",
        storage_id="attic",
    )
    assert (await client.policies.check_schedule(itself)).verdict == "ok"
    shifted = await client.cronjobs.create(
        cronjob_spec("new", "0 5 * * *", storage_id="attic", schedule="0 5 * * *", on_conflict="shift")
    )
    assert shifted.policy is not None
    assert shifted.policy.schedule == "10 5 * * *"
