"""CronJobs and watches on the event stream: what changed after a snapshot, without reading lists."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.daemon_process import Daemon
from tests.integration.http.many import CLUSTER, many
from tests.waiting import LONGEST_WAIT

from kronkeep_common import api
from kronkeep_common.client import Client
from kronkeep_common.models import CronJob, CronJobCreate
from kronkeep_daemon.history import Change
from kronkeep_daemon.http import computed_changes
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.objects import CronJobRef

MOST_BYTES = 1_000_000
TABLES = ("executions", "cronjobs", "watches")


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    daemon = Daemon(open_folder / "s")
    asyncio.run(daemon.start())
    yield daemon
    asyncio.run(daemon.stop())


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with many(tmp_path / "h", cronjobs=5, each=1) as services:
        yield services


async def next_cronjob(events: AsyncIterator[api.ChangeEvent], name: str) -> CronJob:
    """Return the next state of a CronJob that the stream sends."""
    async with asyncio.timeout(LONGEST_WAIT):
        async for event in events:
            if event.table == "cronjobs" and event.record and event.record["name"] == name:
                return msgspec.convert(event.record, CronJob)
    raise AssertionError("the stream ended")


async def create(client: Client, name: str) -> CronJob:
    return await client.cronjobs.create(
        CronJobCreate(name=name, image="busybox", command=("true",), schedule="0 2 29 2 *")
    )


async def test_a_cronjob_is_sent_when_it_comes_changes_runs_and_goes(daemon: Daemon) -> None:
    async with daemon.client() as client:
        events = client.events((await client.snapshot()).seq, tables=TABLES)
        created = await create(client, "life")
        assert (await next_cronjob(events, "life")).id == created.id
        await client.cronjobs.suspend("default", "life")
        while not (await next_cronjob(events, "life")).suspended:
            pass
        run = await client.cronjobs.trigger("default", "life")
        order = []
        async with asyncio.timeout(LONGEST_WAIT):
            async for event in events:
                order.append((event.table, event.id))
                if (event.record or {}).get("last_execution_id") == run.id:
                    break
        assert order.index(("executions", run.id)) < order.index(("cronjobs", created.id))
        await client.cronjobs.delete("default", "life", confirm="life")
        async with asyncio.timeout(LONGEST_WAIT):
            async for event in events:
                if event.op == "remove":
                    break
        assert (event.table, event.id, event.record) == ("cronjobs", created.id, None)
        await events.aclose()


async def test_what_changed_between_snapshot_and_stream_is_sent(daemon: Daemon) -> None:
    async with daemon.client() as client:
        await create(client, "between")
        seq = (await client.snapshot()).seq
        await client.cronjobs.suspend("default", "between")
        events = client.events(seq, tables=["cronjobs"])
        while not (await next_cronjob(events, "between")).suspended:
            pass
        await events.aclose()


async def test_the_stream_and_the_list_say_the_same(daemon: Daemon) -> None:
    async with daemon.client() as client:
        await create(client, "same")
        events = client.events((await client.snapshot()).seq, tables=["cronjobs"])
        await client.cronjobs.suspend("default", "same")
        while not (sent := await next_cronjob(events, "same")).suspended:
            pass
        assert sent == await client.cronjobs.get("default", "same")
        await events.aclose()


async def test_who_names_no_table_gets_the_history_alone(daemon: Daemon) -> None:
    async with daemon.client() as client:
        seq = (await client.snapshot()).seq
        await create(client, "alone")
        run = await client.cronjobs.trigger("default", "alone")
        async with asyncio.timeout(LONGEST_WAIT):
            async for event in client.events(seq):
                assert event.table != "cronjobs"
                if event.id == run.id and (event.record or {}).get("status") == "succeeded":
                    break


async def test_the_snapshot_itself_is_no_change(services: Services) -> None:
    seq = services.history.seq
    page, _ = await services.live.current(MOST_BYTES)
    assert (len(page.items), page.next_cursor) == (5, None)
    assert services.live.since(seq) == []
    assert services.live.since(seq - 1) is None


async def test_a_sweep_finds_changes_without_an_event(services: Services) -> None:
    await services.live.ensure_started()
    seq = services.history.seq
    changes: list[Change] = []
    stop = services.live.subscribe(changes.append, changes.clear)
    cache = services.cronjobs.recorders[CLUSTER].cache.cronjobs
    del cache[CronJobRef(CLUSTER, "ns-1", "job-1")]
    cache[CronJobRef(CLUSTER, "ns-2", "job-2")].spec.suspend = True
    await services.live.current(MOST_BYTES)
    assert {(change.id, change.op) for change in changes} == {
        ("cronjob-1", "remove"),
        ("cronjob-2", "put"),
    }
    assert {change.id for change in services.live.since(seq) or ()} == {"cronjob-1", "cronjob-2"}
    stop()
    await services.live.current(MOST_BYTES)
    assert len(changes) == 2


async def test_nothing_is_computed_once_nobody_has_read_for_a_while(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computed_changes, "IDLE", 1.0)
    for name in ("TICK_SECONDS", "MIN_PAUSE_SECONDS", "SWEEP"):
        monkeypatch.setattr(computed_changes, name, 0.01)
    seq = services.history.seq
    await services.live.ensure_started()
    running = asyncio.create_task(services.live.run())
    await asyncio.sleep(1.5)
    assert services.live.since(seq) == []  # the same sequence may still be resumed from
    services.history.facts.set("any", services.clock.now())
    await services.history.commit()
    for _ in range(1000):
        if services.live.since(seq) is None:
            break
        await asyncio.sleep(0.01)
    await services.live.ensure_started()
    assert services.live.since(seq) is None
    assert services.live.since(services.history.seq) == []
    running.cancel()
