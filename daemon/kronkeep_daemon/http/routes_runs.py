"""The routes of runs (CronJobExecutions): their records, logs, Kubernetes Events and manifests."""

from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import clean
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import (
    LIST_QUERY,
    filter_of,
    page_of,
    values_by_index,
    with_staleness,
)
from kronkeep_daemon.http.route import TEXT, ApiCall, RouteTable
from kronkeep_daemon.http.streams import count_stream, send_text, tail_lines

RUNS = "/v1/executions"
RUN = RUNS + "/{id}"
MOST_DIGITS = 9  # of a number in the query
MOST_TAIL_LINES = 1000

routes = RouteTable()


@routes.get(RUNS, query=LIST_QUERY)
async def list_runs(call: ApiCall[None]) -> api.ListOf[CronJobExecution]:
    """List the runs, newest first."""
    records = call.services.backup_records
    equal = values_by_index(call, filter_of(call, "executions"))
    policy_id = equal.pop("policy_id", None)  # the backup names it, the run's record does not
    if policy_id is not None:
        cronjob_ids = records.cronjob_ids(policy_id)
        if not cronjob_ids:
            return with_staleness(call, api.ListOf(items=[]))
        if len(cronjob_ids) == 1:
            equal.setdefault("cronjob_id", cronjob_ids[0])
    runs = call.services.history.executions
    return with_staleness(
        call, await page_of(call, runs, kind="executions", equal=equal, convert=records.link_to_backup)
    )


@routes.get(RUN)
async def get_run(call: ApiCall[None]) -> CronJobExecution:
    """Show one run by its id."""
    return call.services.extended.execution(call.id)


@routes.post(RUN + "/cancel", Level.OPERATE)
async def cancel_run(call: ApiCall[api.Empty]) -> CronJobExecution:
    """Stop a run that has not ended."""
    return await call.services.extended.cancel(call.id, access.user_of(call.request))


@routes.get(RUN + "/manifest")
async def get_manifest(call: ApiCall[None]) -> JsonObject:
    """Show a run's Job as a Kubernetes manifest."""
    cronjobs = call.services.cronjobs
    return await call.services.run_reader.manifest(cronjobs.execution(call.id))


@routes.get(RUN + "/events")
async def list_kubernetes_events(call: ApiCall[None]) -> api.ListOf[api.EventView]:
    """List the Kubernetes Events of a run, oldest first."""
    cronjobs = call.services.cronjobs
    return api.ListOf(items=await call.services.run_reader.events(cronjobs.execution(call.id)))


@routes.get(RUN + "/logs", query=("follow", "attempt", "tail"), media=TEXT)
async def send_log(call: ApiCall[None]) -> web.StreamResponse:
    """Send a run's log, live or as it was kept: of all attempts, or of the one with a number from 1.

    Of a container that was started again (restartPolicy OnFailure) the first and the newest four attempts are
    kept. With `tail` only so many of the last lines are sent (1 to 1000), and nothing is followed.
    """
    cronjobs = call.services.cronjobs
    follow = call.query.get("follow") == "true"
    with count_stream(call):
        run = cronjobs.execution(call.id)
        count = _number_of(call, "tail")
        log = call.services.run_reader.log(
            run, follow=follow and count is None, attempt=_number_of(call, "attempt")
        )
        if count is not None:
            log = tail_lines(log, min(count, MOST_TAIL_LINES))
        return await send_text(call.request, log)


def _number_of(call: ApiCall[None], name: str) -> int | None:
    """Return a number of the query, from 1; None where it has none; raises InvalidRequest."""
    text = call.query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= MOST_DIGITS or int(text) == 0:
        raise InvalidRequest(f"{name} is {clean(text, 40)}, not a number from 1.", field=name)
    return int(text)
