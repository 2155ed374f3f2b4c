"""The asynchronous client: the daemon's resources as attributes, and what is about the daemon itself."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec

from kronkeep_common import api, errors
from kronkeep_common.client.alerts import AlertCalls, SilenceCalls
from kronkeep_common.client.backups import BackupCalls
from kronkeep_common.client.connection import Connection, error_of
from kronkeep_common.client.copies import CopyCalls
from kronkeep_common.client.cronjobs import CronJobCalls
from kronkeep_common.client.figures import FigureCalls
from kronkeep_common.client.maintenance import MaintenanceCalls
from kronkeep_common.client.operations import OperationCalls
from kronkeep_common.client.policies import PolicyCalls
from kronkeep_common.client.restores import RestoreCalls
from kronkeep_common.client.runs import RunCalls
from kronkeep_common.client.storages import StorageCalls
from kronkeep_common.client.transport import Transport
from kronkeep_common.models import CronJob, QueueEntry
from kronkeep_common.models.morning_report import MorningReportView
from kronkeep_common.models.report import EvidenceReport
from kronkeep_common.models.timeline import Timeline


class Client:
    """A client of the daemon at one socket; without an argument, at the default one.

    `cluster` (a name or id) is the cluster that is meant where several have a CronJob of the same name.
    """

    def __init__(
        self,
        socket: Path | None = None,
        *,
        transport: Transport | None = None,
        cluster: str | None = None,
    ) -> None:
        self._connection = Connection(socket, transport, cluster)
        self.cronjobs = CronJobCalls(self._connection)
        self.runs = RunCalls(self._connection)
        self.backups = BackupCalls(self._connection)
        self.copies = CopyCalls(self._connection)
        self.restores = RestoreCalls(self._connection)
        self.policies = PolicyCalls(self._connection)
        self.storages = StorageCalls(self._connection)
        self.alerts = AlertCalls(self._connection)
        self.silences = SilenceCalls(self._connection)
        self.maintenance = MaintenanceCalls(self._connection)
        self.operations = OperationCalls(self._connection)
        self.figures = FigureCalls(self._connection)

    @property
    def socket(self) -> Path:
        """The path of the daemon's socket."""
        return self._connection.socket

    @property
    def cluster(self) -> str | None:
        """The cluster that is meant, or None."""
        return self._connection.cluster

    def for_cluster(self, cluster: str) -> "Client":
        """Return a client on the same connection for the CronJobs of a cluster (its name or id)."""
        return Client(self.socket, transport=self._connection.transport, cluster=cluster)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections to the daemon."""
        await self._connection.close()

    async def pause(self, seconds: float) -> None:
        """Wait, on the event loop or, in a blocking client, without one."""
        await self._connection.pause(seconds)

    async def snapshot(self, *, whole: bool = True) -> api.Snapshot:
        """Return what a first screen needs, as of one change of the history (`seq`).

        Each answer has 2 MB at most, so that thousands of CronJobs come in several; without `whole` the first
        is returned. Raise EventsLost where the daemon forgot the first one meanwhile: ask again.
        """
        snapshot = await self._connection.get("/v1/snapshot", api.Snapshot)
        cronjobs = snapshot.cronjobs
        cursor = snapshot.cronjobs_cursor
        while whole and cursor is not None:
            page = await self._connection.get(
                "/v1/snapshot/cronjobs", api.ListOf[CronJob], {"cursor": cursor}
            )
            cronjobs += page.items
            cursor = page.next_cursor
        return msgspec.structs.replace(snapshot, cronjobs=cronjobs, cronjobs_cursor=cursor)

    async def events(
        self, after: int | None = None, *, tables: Sequence[str] | None = None, filter: str | None = None
    ) -> AsyncGenerator[api.ChangeEvent, None]:
        """Yield every change later than the change `after` (or than now) while the connection lasts.

        `tables` (of api.HISTORY_TABLES and api.LIVE_TABLES; the former without it) and `filter` (as in the
        lists) select changes. `ChangeEvent.decode_record` makes a model of one. Raise EventsLost where the
        daemon no longer has all changes after `after`: then the caller takes a new snapshot.
        """
        query = {"table": ",".join(tables) if tables else None, "filter": filter}
        headers = {"Last-Event-ID": str(after)} if after is not None else {}
        rest = b""
        async for chunk in self._connection.stream("/v1/events", query, headers):
            *blocks, rest = (rest + chunk).split(b"\n\n")
            for block in blocks:
                if block.startswith(b"event: lost"):
                    raise errors.EventsLost("Events after the last one were missed.")
                for line in block.split(b"\n"):
                    if line.startswith(b"data: "):
                        yield msgspec.json.decode(line[6:], type=api.ChangeEvent)

    async def ready(self) -> api.Ready:
        """Return whether the daemon's view of the clusters is current, watch by watch."""
        answer = await self._connection.send("GET", "/readyz")
        if answer.status not in (200, 503):  # 503: the daemon answers, and its view is not current
            raise error_of(answer)
        return msgspec.json.decode(answer.body, type=api.Ready)

    async def doctor(self) -> api.ListOf[api.Check]:
        """Check everything that the daemon depends on, and return the results with what to do."""
        return await self._connection.get("/v1/doctor", api.ListOf[api.Check])

    async def audit(self, limit: int | None = None) -> api.ListOf[api.AuditEntry]:
        """Return who changed what, newest first."""
        return await self._connection.get("/v1/audit", api.ListOf[api.AuditEntry], {"limit": limit})

    async def report(self, from_at: datetime | None = None, to_at: datetime | None = None) -> EvidenceReport:
        """Return the evidence of a period, by default of the last 30 days."""
        query = {"from": _as_text(from_at), "to": _as_text(to_at)}
        return await self._connection.get("/v1/report", EvidenceReport, query)

    async def morning_report(
        self, from_at: datetime | None = None, to_at: datetime | None = None
    ) -> MorningReportView:
        """Return the morning report as it would be sent now."""
        query = {"from": _as_text(from_at), "to": _as_text(to_at)}
        return await self._connection.get("/v1/report/morning", MorningReportView, query)

    async def timeline(
        self,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        namespace: str | None = None,
        *,
        filter: str | None = None,
    ) -> Timeline:
        """Return runs, backups and what is planned of a period, by default from a day ago to 12 h ahead."""
        query = {
            "from": _as_text(from_at),
            "to": _as_text(to_at),
            "namespace": namespace,
            "filter": filter,
        }
        return await self._connection.get("/v1/timeline", Timeline, query)

    async def manifests(self) -> api.ListOf[api.ManifestFile]:
        """Return the files of the daemon's manifest folder and their states."""
        return await self._connection.get("/v1/manifests", api.ListOf[api.ManifestFile])

    async def queue(self) -> api.ListOf[QueueEntry]:
        """Return what works on repositories, and what waits for them."""
        return await self._connection.get("/v1/queue", api.ListOf[QueueEntry])

    async def coverage(self, namespace: str | None = None, *, filter: str | None = None) -> api.CoverageList:
        """Return the claims and who backs each up, those that nobody does first."""
        query = {"namespace": namespace, "filter": filter}
        return await self._connection.get("/v1/coverage", api.CoverageList, query)

    async def sinks(self) -> api.ListOf[api.SinkView]:
        """Return the databases that the history is shipped to, and how far each is."""
        return await self._connection.get("/v1/sinks", api.ListOf[api.SinkView])

    async def leftovers(self) -> api.ListOf[api.Leftover]:
        """Return what kronkeep has put into the clusters, with the commands that remove it."""
        return await self._connection.get("/v1/uninstall", api.ListOf[api.Leftover])


def _as_text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
