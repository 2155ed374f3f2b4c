"""The route of the timeline: what ran, was archived and is planned in a period."""

from datetime import datetime, timedelta

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.evidence import Period
from kronkeep_common.models.timeline import Timeline
from kronkeep_daemon.http.list_pages import check_namespace, cluster_views, filter_of
from kronkeep_daemon.http.query_times import read_moment
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.timeline import TimelineQuestion, build_timeline

MOST = timedelta(days=8)
BEFORE = timedelta(hours=24)  # of the period without `from` and `to`, around now
AFTER = timedelta(hours=12)

routes = RouteTable()


@routes.get("/v1/timeline", query=("from", "to", "namespace", "filter"))
async def get_timeline(call: ApiCall[None]) -> Timeline:
    """Show the runs, backups and what is planned of a period of at most 8 days, by CronJob."""
    services = call.services
    now = services.clock.now()
    question = TimelineQuestion(
        period=_period_of(call, now),
        namespace=check_namespace(call),
        record_filter=filter_of(call, "executions", "backups", "planned"),
        now=now,
    )
    clusters = {cluster.id: cluster.name for cluster in cluster_views(services)}
    return await build_timeline(
        question,
        history=services.history,
        cronjobs=services.cronjobs,
        schedules=services.schedules,
        clusters=clusters if len(clusters) > 1 else {},
    )


def _period_of(call: ApiCall[None], now: datetime) -> Period:
    """Return the period of the query, by default from a day ago to 12 hours ahead; raise InvalidRequest."""
    start = read_moment(call, "from") or now - BEFORE
    end = read_moment(call, "to") or min(max(now, start) + AFTER, start + MOST)
    if end <= start:
        raise InvalidRequest(
            "The period ends before it begins.", next_step="Let `to` be after `from`.", field="to"
        )
    if end - start > MOST:
        raise InvalidRequest(
            f"A timeline is about a period of at most {MOST.days} days.",
            next_step="Let `from` and `to` be closer to each other.",
            field="from",
        )
    return Period(start, end)
