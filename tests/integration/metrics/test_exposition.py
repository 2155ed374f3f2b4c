"""The metrics of a daemon with many CronJobs: valid, complete, quick, and read by Debian's Prometheus."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmarks.loop_pauses import longest_pause
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.integration.http.many import CLUSTER, many
from tests.integration.metrics.metrics_listener import listener_of
from tests.integration.metrics.prometheus_server import (
    needs_prometheus,
    needs_promtool,
    prometheus_of,
    run_promtool,
)
from tests.records import vault
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.monitoring.metric_families import (
    ALL_FAMILIES,
    COPY_FAMILIES,
    COPY_LAG,
    COPY_OVERDUE,
    COPY_VERIFIED,
    CRONJOB_LAST_SUCCESS,
    POLICY_OVERDUE,
    STORAGE_REACHABLE,
    series_names,
)
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.alerts.storage_rules import storage_unreachable
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.metrics import object_metrics
from kronkeep_daemon.metrics.exposition import OPEN_METRICS, PLAIN
from kronkeep_daemon.metrics.object_series import copy_values, storage_values
from kronkeep_daemon.metrics.series_cache import SeriesCache
from kronkeep_daemon.metrics.textfile import MetricsTextfile

CRONJOBS = 5000
NOW = datetime(2026, 11, 30, tzinfo=UTC)
SCRAPE_SECONDS = 0.15
HELD_MS = 3.0
TYPE_LINE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


async def text_of(services: Services, format_name: str = PLAIN) -> str:
    return b"".join([piece async for piece in services.exposition.slices(format_name)]).decode()


@needs_promtool
async def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    async with many(tmp_path / "h", 4, 2) as services:
        text = await text_of(services)
    assert run_promtool("check", "metrics", text=text.encode()) == ""


async def test_every_family_is_one_of_the_table_with_its_type(tmp_path: Path) -> None:
    async with many(tmp_path / "h", 4, 2) as services:
        plain = dict(TYPE_LINE.findall(await text_of(services)))
        text = await text_of(services, OPEN_METRICS)
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    kinds = {family.name: family.kind for family in ALL_FAMILIES}
    series_labels = {name: family.labels for family in ALL_FAMILIES for name in series_names(family)}
    assert {family.name: family.type for family in families}.items() <= kinds.items()
    assert set(plain) <= {f"{n}_total" if kind == "counter" else n for n, kind in kinds.items()}
    samples = [sample for family in families for sample in family.samples if "_created" not in sample.name]
    assert all(set(sample.labels) - {"le"} == set(series_labels[sample.name]) for sample in samples)
    assert len(samples) > 50


async def test_a_series_has_its_object_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_metrics, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(object_metrics, "MIN_PAUSE_SECONDS", 0.0)
    async with many(tmp_path / "h", 3, 1) as services:
        labels = f'{{cluster="{CLUSTER}",namespace="ns-1",cronjob="job-1"}}'
        text = await text_of(services)
        assert re.search(re.escape(f"{CRONJOB_LAST_SUCCESS.name}{labels} ") + r"\d{10}", text)
        assert f"{POLICY_OVERDUE.name}{labels} 0\n" in text
        cache = services.cronjobs.recorders[CLUSTER].cache
        del cache.cronjobs[next(ref for ref in cache.cronjobs if ref.name == "job-1")]

        async def text_now() -> str:
            return await text_of(services)

        gone = await eventually(text_now, lambda now: 'cronjob="job-1"' not in now)
        assert 'cronjob="job-2"' in gone


@needs_prometheus
async def test_prometheus_scrapes_5000_cronjobs_in_time(tmp_path: Path) -> None:
    """The limits are those of a quiet moment: the best of many scrapes."""
    async with (
        many(tmp_path / "h", CRONJOBS, 1) as services,
        listener_of(services) as port,
        prometheus_of(tmp_path, port) as prometheus,
    ):
        samples = sum(not line.startswith("#") for line in (await text_of(services)).splitlines())

        async def quickest() -> float | None:
            return await prometheus.value("min_over_time(scrape_duration_seconds[10m])")

        await eventually(lambda: prometheus.value("up"), lambda up: up == 1)
        await eventually(quickest, lambda seconds: seconds is not None and seconds <= SCRAPE_SECONDS)
        scraped = await prometheus.value("scrape_samples_scraped")
        assert scraped is not None
        assert abs(scraped - samples) < 50  # counts of events grow meanwhile
        assert await prometheus.value(f"count({CRONJOB_LAST_SUCCESS.name})") == CRONJOBS


async def test_a_scrape_of_5000_cronjobs_holds_nobody_up(tmp_path: Path) -> None:
    async with many(tmp_path / "h", CRONJOBS, 1) as services:
        await text_of(services)

        async def scrape() -> None:
            async for _ in services.exposition.slices():
                pass

        async def pause() -> float:
            return await longest_pause(scrape)

        assert await eventually(pause, lambda held: held <= HELD_MS) <= HELD_MS


async def test_the_tcp_address_serves_metrics_and_nothing_else(tmp_path: Path) -> None:
    async with (
        many(tmp_path / "h", 1, 1) as services,
        listener_of(services) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LONGEST_WAIT) as client,
    ):
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, PLAIN)
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        answer = await client.get("/metrics", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == OPEN_METRICS
        assert (await client.get("/v1/cronjobs")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
        from_page = await client.get("/metrics", headers={"Origin": "http://evil.example"})
        assert from_page.status_code == 403


async def test_connections_without_a_request_leave_room_and_files(tmp_path: Path) -> None:
    async with many(tmp_path / "h", 1, 1) as services, listener_of(services) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        refused = 0
        for reader, _ in idle[16:]:
            async with asyncio.timeout(LONGEST_WAIT):
                refused += (await reader.read(12)) == b"HTTP/1.1 503"
        assert refused == 24
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()


@needs_promtool
async def test_the_textfile_is_whole_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "kronkeep.prom"
    async with many(tmp_path / "h", 3, 1) as services:
        textfile = MetricsTextfile(path, services.exposition, SystemClock())
        task = asyncio.create_task(textfile.run())

        async def is_there() -> bool:
            return path.exists()

        await eventually(is_there, bool)
        task.cancel()
        await asyncio.wait([task])
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.glob("*.prom*")] == ["kronkeep.prom"]
    text = path.read_text()
    assert "# EOF" not in text
    assert not re.search(r"^(?!kronkeep_|#)", text.rstrip("\n"), re.MULTILINE)  # node_exporter has process_*
    run_promtool("check", "metrics", text=text.encode())


def test_no_two_families_share_a_name() -> None:
    names = [name for family in ALL_FAMILIES for name in series_names(family)]
    assert len(names) == len(set(names))
    assert all(name.startswith("kronkeep_") for name in names)


def test_each_copy_of_a_policy_has_series_that_go_with_it() -> None:
    cache = SeriesCache(COPY_FAMILIES)
    far = CopyState(storage_id="far", newest_at=NOW, behind_since=NOW - timedelta(seconds=90), overdue=True)
    near = CopyState(storage_id="near")
    values = {f'{{storage="{copy.storage_id}"}}': copy_values(copy, NOW) for copy in (far, near)}
    cache.put_all("job", values)
    assert "".join(cache.blocks(COPY_LAG, 10)) == (
        'kronkeep_copy_lag_seconds{storage="far"} 90\nkronkeep_copy_lag_seconds{storage="near"} 0\n'
    )
    assert list(cache.blocks(COPY_OVERDUE, 10)) == [
        'kronkeep_copy_overdue{storage="far"} 1\nkronkeep_copy_overdue{storage="near"} 0\n'
    ]
    assert list(cache.blocks(COPY_VERIFIED, 10)) == []
    cache.put_all("job", {'{storage="near"}': copy_values(near, NOW)})
    assert list(cache.blocks(COPY_LAG, 10)) == ['kronkeep_copy_lag_seconds{storage="near"} 0\n']
    cache.keep_only(frozenset())
    assert list(cache.blocks(COPY_LAG, 10)) == []


@pytest.mark.parametrize(
    ("fields", "reachable"),
    [
        ({}, 1),
        ({"reason": "StorageFull"}, 1),
        ({"reason": "ServerUnreachable"}, 0),
        ({"reason": "RepositoryLocked"}, 0),
        ({"status": StorageStatus.FAILED}, 0),
    ],
)
def test_a_full_storage_can_be_reached_in_the_series_as_in_the_alerts(
    fields: dict[str, Any], reachable: int
) -> None:
    storage = vault(**fields)
    assert dict(storage_values(storage))[STORAGE_REACHABLE] == reachable
    open_alert = storage_unreachable(storage)
    assert (open_alert is None) is (reachable == 1 or storage.status is StorageStatus.FAILED)
