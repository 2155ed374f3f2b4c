"""The sinks of the settings: a task ships to each, and changes are held for the slowest."""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from kronkeep_common.api import SinkView
from kronkeep_common.clock import Clock
from kronkeep_common.text import clean, size
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import watch_key
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.secret_urls import UrlUnreadable, credential_path, read_url
from kronkeep_daemon.settings import Settings, SinkSettings
from kronkeep_daemon.sinks.errors import SinkRefused, SinkUrlUnreadable
from kronkeep_daemon.sinks.parquet_shipper import ParquetShipper
from kronkeep_daemon.sinks.postgres import TlsSettings
from kronkeep_daemon.sinks.shipper import Shipper
from kronkeep_daemon.supervisor import Supervisor

REVIEW_SECONDS = 5.0  # between two looks at the settings


class SinkService:
    """Starts and stops a Shipper for each sink as the settings change."""

    def __init__(
        self,
        *,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        clusters: Clusters,
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._clusters = clusters
        self._shippers: dict[str, tuple[SinkSettings, Shipper | ParquetShipper]] = {}
        self._hold_changes()

    def start(self) -> None:
        """Start the task that follows the settings."""
        self._supervisor.start("sinks", self._follow_settings, death="restart")

    async def _follow_settings(self) -> None:
        while True:
            sinks = {sink.name: sink for sink in self._settings().history.sinks}
            for name, (sink, _) in list(self._shippers.items()):
                if sinks.get(name) != sink:
                    await self._supervisor.stop(f"sink {name}")
                    del self._shippers[name]
            for sink in sinks.values():
                if sink.name not in self._shippers:
                    self._start_shipper(sink)
            self._hold_changes()
            await self._clock.sleep(REVIEW_SECONDS)

    def _start_shipper(self, sink: SinkSettings) -> None:
        daemon_name = sink.daemon or socket.gethostname() or "kronkeepd"
        shipper: Shipper | ParquetShipper
        if sink.kind == "parquet":
            assert sink.folder is not None
            shipper = ParquetShipper(
                name=sink.name,
                history=self._history,
                clock=self._clock,
                daemon_name=daemon_name,
                folder=Path(sink.folder),
                is_time_trusted=self._clusters.has_trusted_time,
                watched_until=self._find_watched_until,
            )
        else:
            shipper = Shipper(
                name=sink.name,
                history=self._history,
                clock=self._clock,
                daemon_name=daemon_name,
                address=partial(self._read_address, sink),
                report=self._hold_changes,
            )
        self._shippers[sink.name] = (sink, shipper)
        self._supervisor.start(f"sink {sink.name}", shipper.run, death="restart")

    def _find_watched_until(self) -> datetime | None:
        """Return up to when every cluster was watched; None where one never was."""
        facts = [self._history.facts.get(watch_key(cluster.id)) for cluster in self._clusters]
        times = [fact.created_at for fact in facts if fact is not None]
        return min(times) if times and len(times) == len(facts) else None

    def _hold_changes(self) -> None:
        """Hold the changes that a sink still needs; all of them, where it is not known how far one is."""
        limits = self._settings().history
        databases = limits.databases
        places = [shipper.state.place for sink, shipper in self._shippers.values() if sink.kind == "postgres"]
        if not databases:
            self._history.release_changes()
        elif len(places) < len(databases):
            self._history.hold_changes(0, limits.sink_backlog_bytes)
        else:
            self._history.hold_changes(min(place or 0 for place in places), limits.sink_backlog_bytes)

    async def _read_address(self, sink: SinkSettings) -> tuple[str, TlsSettings]:
        """Return the URL and TLS of a sink as they are now; raise SinkUrlUnreadable, SinkRefused."""
        try:
            url = await read_url(sink, self._clusters.first, self._settings().namespace)
        except UrlUnreadable as fault:
            raise SinkUrlUnreadable(f"The sink cannot be reached: {fault}.") from fault
        ca_file = credential_path(sink.ca_file) if sink.ca_file is not None else None
        if ca_file is not None and not await asyncio.to_thread(ca_file.is_file):
            message = f"The sink's ca_file {ca_file} is not there."
            raise SinkRefused(message, next_step="Put the CA's certificate there, or correct ca_file.")
        return url, TlsSettings(sink.sslmode, str(ca_file) if ca_file else None)

    def views(self) -> list[SinkView]:
        """Return how each sink is now."""
        return [self._view(sink, shipper) for sink, shipper in self._shippers.values()]

    def _view(self, sink: SinkSettings, shipper: Shipper | ParquetShipper) -> SinkView:
        state = shipper.state
        fault = state.fault
        message = clean(fault.message, 500) if fault else None
        if state.was_passed:
            limit = size(self._settings().history.sink_backlog_bytes)
            message = (
                f"{message or ''} More than {limit} of changes waited: it will get the whole history again."
            )
        return SinkView(
            name=sink.name,
            kind=sink.kind,
            status=state.status,
            since=state.since,
            sequence=state.place,
            lag=max(0, self._history.seq - state.place) if state.place is not None else None,
            shipped_at=state.shipped_at,
            copied=state.copied if state.status == "copying" else None,
            refused=state.refused,
            was_passed=state.was_passed,
            reason=fault.code if fault else None,
            message=message.strip() if message else None,
            next_step=fault.next_step if fault else None,
        )
