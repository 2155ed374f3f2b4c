"""A namespace that floods its logs loses its own oldest ones, and what is said of them."""

import asyncio
import os
import random
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.records import make_backup, make_run
from tests.waiting import eventually

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import LogRemoved, ReadOnlyHistory
from kronkeep_common.models import BackupExecution, HookRun, KeptLog, Restore
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog, sieve_key
from kronkeep_daemon.history.log_limits import LogLimits
from kronkeep_daemon.history.log_trimmer import LogTrimmer
from kronkeep_daemon.history.log_usage import folder_bytes
from kronkeep_daemon.supervisor import Supervisor

MIB = 2**20
LIMITS = LogLimits(MIB, 8 * MIB)
AT = datetime(2026, 1, 1, tzinfo=UTC)
LOG = random.Random(1).randbytes(200_000)  # which gzip cannot shorten


async def save(history: History, name: str, namespace: str) -> None:
    """Record a run and keep its log."""
    capped = CappedLog()
    capped.add(LOG if namespace == "flood" else b"hello\n")
    run = make_run(id=name, namespace=namespace, cronjob_id=namespace)
    kept = await history.logs.save(run, "pod.main", "pod", capped)
    logs = (KeptLog(container="main", pod="pod", bytes=kept.bytes, kept=kept.kept),)
    history.executions.put(make_run(id=name, namespace=namespace, cronjob_id=namespace, logs=logs))
    await history.commit()


def disk_bytes(history: Path, namespace: str) -> int:
    folders = (history / "logs").glob(f"*_{namespace}/*")
    return sum(map(folder_bytes, folders))


async def test_a_flood_beside_a_running_daemon_removes_nothing_of_others(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    trimmer = LogTrimmer(history=history, clock=SystemClock(), limits=lambda: LIMITS)
    supervisor = Supervisor(SystemClock())
    for number in range(5):
        await save(history, f"shop-{number}", "shop")
    supervisor.start("kept log limits", trimmer.run, death="fatal")
    for number in range(30):
        await save(history, f"flood-{number}", "flood")

    async def flood_bytes() -> int:
        return disk_bytes(tmp_path, "flood")

    await eventually(flood_bytes, lambda count: count <= MIB)
    runs = {run.id: run for run in history.executions.all()}
    kept = [f"flood-{n}" for n in range(30) if runs[f"flood-{n}"].logs[0].removed is None]
    assert kept == [f"flood-{n}" for n in range(30 - len(kept), 30)]
    assert 3 <= len(kept) <= 5
    for number in range(5):
        run = runs[f"shop-{number}"]
        assert run.logs[0].removed is None
        assert await history.logs.read(run, "pod.main") == b"hello\n"
    measured = {usage.namespace: usage.bytes for usage in history.logs.usage.by_namespace()}
    assert measured == {namespace: disk_bytes(tmp_path, namespace) for namespace in ("flood", "shop")}
    await supervisor.close()
    await history.close()


async def test_usage_follows_each_change(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    run = make_run(id="r", namespace="shop")
    backup = make_backup(id="b", namespace="shop")
    for size, name in ((10_000, "a"), (20_000, "a"), (5, "b"), (0, "c")):
        for owner in (run, backup):
            capped = CappedLog()
            capped.add(LOG[:size])
            await history.logs.save(owner, name, "pod", capped)
    await history.logs.remove_one(run, "b")
    await history.logs.remove_one(run, "never")
    await history.logs.remove_all([sieve_key(backup)])
    (usage,) = history.logs.usage.by_namespace()
    assert usage.bytes == disk_bytes(tmp_path, "shop") > 20_000
    await history.logs.remove_all([sieve_key(run)])
    assert history.logs.usage.by_namespace() == []
    await history.close()


async def test_a_log_is_saved_while_those_of_its_run_are_removed(tmp_path: Path) -> None:
    """A folder that goes while a file is put into it would be a fault of the disk, which ends the daemon."""
    history = await History.open(tmp_path, clock=SystemClock())
    run = make_run(id="r", namespace="shop")

    async def save_again(number: int) -> None:
        capped = CappedLog()
        capped.add(b"hello")
        await history.logs.save(run, f"c{number}", "pod", capped)

    for _ in range(10):
        saving = [save_again(number) for number in range(10)]
        await asyncio.gather(
            *saving, history.logs.remove_all([sieve_key(run)]), history.logs.remove_all([sieve_key(run)])
        )
    assert not history.failed.is_set()
    await history.close()


async def test_a_run_whose_uid_another_cluster_has_too_says_so(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    names = ["9b2e", "9b2e@c-2"]
    for name in names:
        await save(history, name, "flood")
    supervisor = Supervisor(SystemClock())
    trimmer = LogTrimmer(history=history, clock=SystemClock(), limits=lambda: LogLimits(1000, MIB))
    supervisor.start("trimmer", trimmer.run, death="quiet")

    async def look() -> int:
        return disk_bytes(tmp_path, "flood")

    await eventually(look, lambda count: not count, 60)
    await supervisor.close()
    runs = [history.executions.get(name) for name in names]
    assert [[bool(kept.removed) for kept in run.logs] for run in runs if run] == [[True], [True]]
    await history.close()


async def test_backups_hooks_and_restores_say_so_too_once_the_disk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the files go first: they make space, and their records follow."""
    history = await History.open(tmp_path, clock=SystemClock())
    logs = (KeptLog(container="main", pod="p", bytes=9, kept=9),)
    hook = HookRun(name="h", stage="pre", status="succeeded", job="j", started_at=AT, logs=logs)
    backup = make_backup(id="b1", namespace="flood", logs=logs, hooks=(hook,))
    restore = Restore(
        id="r1",
        cluster="c",
        namespace="flood",
        cronjob="j",
        cronjob_id="u",
        policy_id="p",
        backup_id="b1",
        storage_id="s",
        purpose="drill",
        status=RestoreStatus.COMPLETED,
        created_at=AT,
        logs=logs,
    )
    history.backups.put(backup)
    history.restores.put(restore)
    await history.commit()
    for owner in (backup, restore):
        capped = CappedLog()
        capped.add(LOG)
        await history.logs.save(owner, "p.main", "p", capped)
    commit = history.commit
    refused: list[int] = []

    async def refuse_while_files_are_there() -> int:
        if disk_bytes(tmp_path, "flood"):
            refused.append(1)
            raise ReadOnlyHistory("The disk is full.")
        return await commit()

    monkeypatch.setattr(history, "commit", refuse_while_files_are_there)
    supervisor = Supervisor(SystemClock())
    trimmer = LogTrimmer(history=history, clock=SystemClock(), limits=lambda: LogLimits(1000, MIB))
    supervisor.start("kept log limits", trimmer.run, death="fatal")

    async def read_records() -> tuple[BackupExecution | None, Restore | None]:
        return history.backups.get("b1"), history.restores.get("r1")

    def is_marked(records: tuple[BackupExecution | None, Restore | None]) -> bool:
        return all(record is not None and record.logs[0].removed is not None for record in records)

    marked, _ = await eventually(read_records, is_marked)
    await commit()
    assert refused
    assert marked is not None
    assert marked.hooks[0].logs[0].removed is not None
    with pytest.raises(LogRemoved, match="namespace flood"):
        _ = [chunk async for chunk in BackupLogs(history).read(marked)]
    await supervisor.close()
    await history.close()


async def fill(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    for number in range(8):
        await save(history, f"flood-{number}", "flood")
    await save(history, "shop-0", "shop")
    await history.close()
    # Saved in this order, whatever the resolution of the file system's times is.
    for number in range(8):
        (path,) = folder.glob(f"logs/*_flood/flood-{number}")
        os.utime(path, (1_700_000_000 + number,) * 2)
    (path,) = folder.glob("logs/*_shop/shop-0")
    os.utime(path, (1_600_000_000,) * 2)  # older than all others


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    process = Daemon(tmp_path / "s")
    settings = tmp_path / "kronkeepd.toml"
    settings.write_text(f"[history]\nkeep_log_bytes_per_namespace = {MIB}\n")
    process.arguments = ("--config", str(settings))
    await fill(process.state / "history")
    await process.start()
    yield process
    await process.stop()


async def test_what_is_said_of_a_removed_log(daemon: Daemon) -> None:
    async with daemon.client() as client:
        run = await eventually(
            lambda: client.runs.get("flood-3"), lambda found: found.logs[0].removed is not None
        )
        removal = run.logs[0].removed
        assert removal is not None
        assert (removal.limit, removal.limit_bytes) == ("namespace", MIB)
        assert datetime.now(removal.at.tzinfo) - removal.at < timedelta(minutes=5)
        with pytest.raises(LogRemoved, match="because the kept logs of namespace flood reached") as error:
            await read_log(daemon, "flood-0")
        assert "history.keep_log_bytes_per_namespace" in error.value.next_step
        assert await read_log(daemon, "shop-0") == b"hello\n"
        assert await read_log(daemon, "flood-7") == LOG
        for read, what in ((client.runs.manifest, "manifest"), (client.runs.events, "Events")):
            with pytest.raises(LogRemoved, match=f"The copy of the {what}.* namespace flood reached"):
                await read("flood-0")
            with pytest.raises(LogRemoved):
                await read("flood-1")
        assert (await client.runs.events("shop-0")).items == []
        alerts = await eventually(
            lambda: client.alerts.list(filter=f"code:{AlertCode.LOGS_REMOVED}"), lambda page: bool(page.items)
        )
        (alert,) = alerts.items
        assert (alert.object, alert.namespace) == ("kept logs of flood", "flood")
        assert "The kept logs of flood reached 1.0 MiB" in alert.message
    told = await kronkeep(daemon, "logs", "flood-0")
    assert told.returncode != 0
    assert "namespace flood reached 1.0 MiB" in told.stderr
    assert "history.keep_log_bytes_per_namespace" in told.stderr
    searched = await kronkeep(daemon, "grep", "hello")
    assert "shop/j shop-0 main:1:hello" in searched.stdout
    assert "logs were removed for space" in searched.stderr
    checks = await kronkeep(daemon, "doctor")
    line = next(line for line in checks.stdout.splitlines() if "kept logs" in line)
    assert "of 20.0 GiB: flood 8" in line
    assert ", shop 8.0 KiB" in line
    assert line.startswith("warn")
    assert "The kept logs of flood reached 1.0 MiB: the oldest of flood were removed" in line
    metrics = await read_metrics(daemon)
    (count,) = re.findall(r'^kronkeep_kept_logs_removed_total{.*namespace="flood".*} (\d+)', metrics, re.M)
    assert 3 <= int(count) <= 5
    assert re.search(r"^kronkeep_kept_logs_bytes \d{6}", metrics, re.M)


async def read_log(daemon: Daemon, run_id: str) -> bytes:
    async with daemon.client() as client:
        return b"".join([chunk async for chunk in client.runs.log(run_id)])


async def read_metrics(daemon: Daemon) -> str:
    transport = httpx.AsyncHTTPTransport(uds=str(daemon.announcement["socket"]))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get("/metrics")).text


async def kronkeep(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(run_kronkeep, daemon, *words)
