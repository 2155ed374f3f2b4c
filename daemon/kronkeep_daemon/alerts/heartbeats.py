"""Heartbeats: pings to a monitor outside, sent only while what the settings require holds.

A kronkeepd that is stopped, cut off or dead sends none, and the monitor raises the alarm. `healthchecks` is
the convention of healthchecks.io, Uptime Kuma's push and others: a POST to the URL, or to URL/fail with the
reason. `alertmanager` keeps the alert WatchdogSignal firing, for receivers that raise the alarm without it
(the Watchdog of kube-prometheus); it ends by itself two intervals after the last.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

from kronkeep_common.api import VERSION
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.foreign_packages import import_httpx
from kronkeep_daemon.alert_settings import HeartbeatSettings
from kronkeep_daemon.alerts.channel_health import ChannelFault, ChannelHealth
from kronkeep_daemon.alerts.channels import NotSent
from kronkeep_daemon.alerts.channels.http_post import post
from kronkeep_daemon.alerts.delivery import read_url_file
from kronkeep_daemon.alerts.heartbeat_rules import HeartbeatFacts, Verdict, judge
from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import HEARTBEAT
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
HISTORY_SECONDS = 5.0
SEND_SECONDS = 10.0
REVIEW_SECONDS = 1.0  # between two looks at which heartbeats the settings have
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


class Heartbeats:
    """The heartbeats of the settings, each sent by a task of its own, so that none waits for another's."""

    def __init__(
        self,
        *,
        inputs: AlertInputs,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        changed: Callable[[], None],
    ) -> None:
        self._inputs = inputs
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._health = ChannelHealth(changed)
        self._last: dict[str, str] = {}  # by name, what was sent the last time

    def start(self) -> None:
        """Start to follow the settings."""
        self._supervisor.start("heartbeats", self._follow_settings, death="restart")

    def faults(self) -> list[ChannelFault]:
        """Return the heartbeats that could not be sent twice in a row."""
        self._health.keep_only(frozenset(each.name for each in self._settings().alerts.heartbeats))
        return self._health.stuck()

    async def _follow_settings(self) -> None:
        while True:
            for heartbeat in self._settings().alerts.heartbeats:
                name = f"heartbeat {heartbeat.name}"
                if not self._supervisor.running(name):
                    self._supervisor.start(name, partial(self._beat, heartbeat.name), death="restart")
            await self._clock.sleep(REVIEW_SECONDS)

    async def _beat(self, name: str) -> None:
        """Send one heartbeat again and again, as the settings are at each time."""
        while True:
            heartbeat = next((each for each in self._settings().alerts.heartbeats if each.name == name), None)
            if heartbeat is None:
                await self._clock.sleep(REVIEW_SECONDS)
                continue
            began = self._clock.monotonic()
            await self._send(heartbeat)
            await self._clock.sleep(max(0.0, began + heartbeat.every - self._clock.monotonic()))

    async def _send(self, heartbeat: HeartbeatSettings) -> None:
        verdict = judge(heartbeat.requires, await self._read_facts(heartbeat))
        if verdict.why and verdict.sends != self._last.get(heartbeat.name):
            log.warning("heartbeat %s: %s", heartbeat.name, verdict.why)
        self._last[heartbeat.name] = verdict.sends
        if verdict.sends == "nothing":
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                url = await read_url_file(heartbeat.url_file)
                await self._deliver(heartbeat, url, verdict)
        except TimeoutError:
            self._refuse(heartbeat, f"it was not delivered within {SEND_SECONDS:.0f} s")
        except NotSent as fault:
            self._refuse(heartbeat, str(fault))
        else:
            self._health.accept(heartbeat.name)

    async def _deliver(self, heartbeat: HeartbeatSettings, url: str, verdict: Verdict) -> None:
        if heartbeat.kind == "healthchecks":
            text = verdict.why or f"kronkeepd {VERSION} on {socket.gethostname()}"
            await post(url if verdict.sends == "ping" else fail_url(url), text.encode(), TEXT)
        elif verdict.sends == "ping":
            await post(f"{url.rstrip('/')}/api/v2/alerts", self._signal(heartbeat), JSON)

    def _signal(self, heartbeat: HeartbeatSettings) -> bytes:
        """Return the alert that stays firing; see POST /api/v2/alerts of Alertmanager."""
        ends_at = self._clock.now() + timedelta(seconds=2 * heartbeat.every)
        labels = {"alertname": "WatchdogSignal", "severity": "none", "heartbeat": heartbeat.name}
        labels["instance"] = socket.gethostname()
        summary = f"kronkeepd {VERSION} works; without this alert it does not."
        annotations = {"summary": summary}
        return msgspec.json.encode([{"labels": labels, "annotations": annotations, "endsAt": ends_at}])

    def _refuse(self, heartbeat: HeartbeatSettings, why: str) -> None:
        log.warning("heartbeat %s: %s", heartbeat.name, why)
        self._health.refuse(heartbeat.name, why, self._clock.now(), final=False)

    async def _read_facts(self, heartbeat: HeartbeatSettings) -> HeartbeatFacts:
        needs_history = "history" in heartbeat.requires
        return HeartbeatFacts(
            history_fault=await self._find_history_fault() if needs_history else None,
            watches=self._inputs.watch_states(),
            leads=self._inputs.lead_states(),
            now=self._clock.now(),
            every=heartbeat.every,
        )

    async def _find_history_fault(self) -> str | None:
        """Write a fact durably, which is the only proof that the history takes changes."""
        self._history.facts.set(HEARTBEAT, self._clock.now())
        try:
            async with asyncio.timeout(HISTORY_SECONDS):
                await self._history.commit()
        except TimeoutError:
            return f"a commit takes longer than {HISTORY_SECONDS:.0f} s"
        except KronkeepError as fault:
            return fault.message
        return None


def fail_url(url: str) -> str:
    """Return URL/fail, before the query where the URL has one; raise NotSent for what is no URL."""
    httpx = import_httpx()
    try:
        parsed = httpx.URL(url)
        return str(parsed.copy_with(path=f"{parsed.path.rstrip('/')}/fail"))
    except httpx.InvalidURL as fault:
        raise NotSent("the URL is no http URL", final=True) from fault
