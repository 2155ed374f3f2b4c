"""The route of the queue before the repositories."""

from datetime import UTC, datetime, timedelta

from kronkeep_common import api
from kronkeep_common.models import QueueEntry
from kronkeep_daemon.backups.archive_requests import priority_word
from kronkeep_daemon.http.list_pages import with_cluster_names
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.repositories.queue import QueuedWork
from kronkeep_daemon.repositories.queue_rules import NO_DEADLINE

routes = RouteTable()


@routes.get("/v1/queue")
async def list_queue(call: ApiCall[None]) -> api.ListOf[QueueEntry]:
    """List what works on repositories now, and what waits for them, with its place and the reason."""
    now = call.services.clock.now()
    entries = [_entry_of(call, queued, now) for queued in call.services.queues.list_work()]
    return with_cluster_names(call, api.ListOf(items=entries))


def _entry_of(call: ApiCall[None], queued: QueuedWork, now: datetime) -> QueueEntry:
    work = queued.work
    reason = queued.reason
    backup = call.services.history.backups.get(work.backup_id) if work.backup_id else None
    return QueueEntry(
        id=f"{work.ticket}-{work.kind}",
        kind=work.kind.value,
        task=work.task,
        status="working" if queued.is_working else "waiting",
        repository=work.repository,
        storage_id=work.repository.partition("/")[0],
        since=now - timedelta(seconds=queued.seconds),
        place=queued.place,
        backup_id=work.backup_id or None,
        cluster=work.cluster or None,
        namespace=work.namespace or None,
        cronjob=backup.cronjob if backup is not None else None,
        node=work.node or None,
        priority=priority_word(work.priority) if work.backup_id else None,
        good_until=_moment(work.good_until),
        reason=reason,
        message=reason.meaning if reason is not None else None,
        next_step=reason.next_step if reason is not None else None,
    )


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds != NO_DEADLINE else None
