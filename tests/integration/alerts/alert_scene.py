"""The alert service over a history on disk, what it reads as a test sets it, and a web server that counts."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.waiting import LONGEST_WAIT

from kronkeep_common.api import SinkView
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage, CronJob
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_daemon.alert_settings import AlertSettings, ChannelSettings, HeartbeatSettings, ReportSettings
from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.alerts.heartbeat_rules import LeadState
from kronkeep_daemon.alerts.rule_results import ClockFault, HeldCronJob
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

WRONG = CronJob(
    id="j",
    cluster="c",
    namespace="shop",
    name="dump",
    schedule="* * * * *",
    policy_fault="No JSON.",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
WELL = msgspec.structs.replace(WRONG, policy_fault=None)


class Receiver:
    """A web server; `answers` are the statuses of its next responses, 200 after the last."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.messages: list[Any] = []  # JSON: an object for a webhook, a list for an Alertmanager
        self.requests = 0
        self.changed = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.messages.append(json.loads(await request.read()))
        self.changed.set()
        return web.Response(status=status)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.messages]


class Inputs:
    """The inputs of the alert service: the daemon's fields as the test sets them."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    async def wait_until_listed(self) -> None:
        return

    def clusters_not_listed(self) -> frozenset[str]:
        return self._daemon.unknown

    async def cronjobs(self) -> AsyncIterator[CronJob]:
        for number in range(self._daemon.number):
            name = f"dump{number or ''}"
            yield msgspec.structs.replace(self._daemon.cronjob, id=f"j{number}", name=name)

    def storages(self) -> list[BackupStorage]:
        return self._daemon.storages

    def claims(self) -> list[ClaimCoverage]:
        return self._daemon.claims

    def claims_first_listed_at(self, _: str) -> datetime | None:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def knows_claims(self, _: str) -> bool:
        return self._daemon.knows_claims

    def list_held_cronjobs(self) -> list[HeldCronJob]:
        return self._daemon.held

    def sinks(self) -> list[SinkView]:
        return []

    def watch_states(self) -> list[WatchState]:
        return self._daemon.watches

    def clock_faults(self) -> list[ClockFault]:
        return self._daemon.clock_faults

    def is_live(self, _: str) -> bool:
        return True

    def has_findings(self, _: CronJob) -> bool:
        return self._daemon.checked

    def lead_states(self) -> list[LeadState]:
        return self._daemon.leads

    def stands_by(self, _: str) -> bool:
        return self._daemon.stands_by


class ConfigMapCluster:
    """A cluster that holds ConfigMaps, with versions as an API server has them."""

    id = "c"
    name = "prod"
    former = ()
    token_ends_at: datetime | None = None

    def __init__(self) -> None:
        self.objects: dict[str, JsonObject] = {}
        self.versions = 0
        self.refusal: KronkeepError | None = None

    async def get(self, path: str) -> JsonObject:
        if self.refusal is not None:
            raise self.refusal
        if path not in self.objects:
            raise NotFoundInCluster("There is none.")
        return copy.deepcopy(self.objects[path])

    async def create(self, path: str, body: JsonObject) -> JsonObject:
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            raise AlreadyExists("There is one.")
        return self._put(path, body)

    async def replace(self, path: str, body: JsonObject) -> JsonObject:
        if body["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise ConflictInCluster("It has changed.")
        return self._put(path, body)

    def _put(self, path: str, body: JsonObject) -> JsonObject:
        self.versions += 1
        self.objects[path] = copy.deepcopy(body)
        self.objects[path]["metadata"]["resourceVersion"] = str(self.versions)
        return self.objects[path]


class MovableClock(SystemClock):
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


class Daemon:
    """The alert service with its history; `cronjob` is the CronJob that it reads."""

    def __init__(
        self, history: History, supervisor: Supervisor, settings: Settings, cluster: ConfigMapCluster
    ) -> None:
        self.history = history
        self.supervisor = supervisor
        self.settings = settings
        self.cronjob = WRONG
        self.checked = True
        self.number = 1
        self.storages: list[BackupStorage] = []
        self.held: list[HeldCronJob] = []
        self.stands_by = False
        self.leads: list[LeadState] = []
        self.watches: list[WatchState] = []
        self.clock_faults: list[ClockFault] = []
        self.claims: list[ClaimCoverage] = []
        self.knows_claims = True
        self.unknown: frozenset[str] = frozenset()
        self.clock = MovableClock()
        clusters = Clusters([cluster])  # type: ignore[list-item]
        self.shared = SharedAlerts(clusters, lambda: "kronkeep", self.clock)
        self.bus = Bus()
        self.service = AlertService(
            inputs=Inputs(self),
            history=history,
            bus=self.bus,
            clock=self.clock,
            settings=self.current_settings,
            supervisor=supervisor,
            clusters=clusters,
            shared=self.shared,
            registry=CollectorRegistry(),
        )

    def current_settings(self) -> Settings:
        return self.settings

    def use_heartbeats(self, *heartbeats: HeartbeatSettings) -> None:
        alerts = msgspec.structs.replace(self.settings.alerts, heartbeats=heartbeats)
        self.settings = msgspec.structs.replace(self.settings, alerts=alerts)

    def use_channels(self, *channels: ChannelSettings) -> None:
        alerts = msgspec.structs.replace(self.settings.alerts, channels=channels)
        self.settings = msgspec.structs.replace(self.settings, alerts=alerts)

    def use_report(self, report: ReportSettings) -> None:
        alerts = msgspec.structs.replace(self.settings.alerts, report=report)
        self.settings = msgspec.structs.replace(self.settings, alerts=alerts, late_after_seconds=0)

    def move_to(self, moment: datetime) -> None:
        """Put the clock to a time."""
        self.clock.ahead = moment - datetime.now(UTC)

    async def exchange(self) -> None:
        """Read and write what daemons share."""
        for cluster in self.shared.all():
            await cluster.sync()

    async def wait_until_sent(self) -> None:
        """Return once no message waits any more."""
        changed = asyncio.Event()
        stop = self.history.subscribe(lambda _: changed.set())
        async with asyncio.timeout(LONGEST_WAIT):
            while len(self.history.table("notices")) or len(self.history.table("report_notices")):
                changed.clear()
                await changed.wait()
        stop()


@asynccontextmanager
async def daemon(
    folder: Path,
    *channels: ChannelSettings,
    repeat: float = 0,
    cluster: ConfigMapCluster | None = None,
) -> AsyncIterator[Daemon]:
    settings = Settings(alerts=AlertSettings(channels=channels, repeat_seconds=repeat))
    history = await History.open(folder / "h", clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    try:
        yield Daemon(history, supervisor, settings, cluster or ConfigMapCluster())
    finally:
        await supervisor.close()
        await history.close()


def channel(folder: Path, url: str, **fields: Any) -> ChannelSettings:
    (folder / "url").write_text(url + "\n")
    return ChannelSettings(**{"name": "ops", "kind": "webhook", "url_file": str(folder / "url")} | fields)
