"""The route of figures: sums over days and weeks."""

from datetime import timedelta
from typing import cast, get_args

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.figures import Figures, FigureSubject
from kronkeep_daemon.history.figure_reader import FigureQuestion, Period, read_figures
from kronkeep_daemon.http.list_pages import with_cluster_names
from kronkeep_daemon.http.route import ApiCall, RouteTable

DEFAULT_DAYS = 90
MOST_DAYS = 3660

routes = RouteTable()


@routes.get("/v1/figures", query=("by", "days", "period", "namespace", "cronjob_id", "storage_id", "cluster"))
async def list_figures(call: ApiCall[None]) -> api.ListOf[Figures]:
    """Sum up runs and backups of the last days, by namespace, CronJob or storage."""
    query = call.query
    last = call.services.clock.now().date()
    cluster = call.services.clusters.by_name(query["cluster"]).id if "cluster" in query else None
    if query.get("by") == "storage" and "namespace" in query:
        raise InvalidRequest("Figures of a storage are of all its namespaces.", field="namespace")
    question = FigureQuestion(
        by=cast(FigureSubject, _choose(call, "by", get_args(FigureSubject))),
        first=last - timedelta(days=_days_of(call) - 1),
        last=last,
        period=cast(Period, _choose(call, "period", ("total", "day", "week"))),
        cluster=cluster,
        namespace=query.get("namespace"),
        cronjob_id=query.get("cronjob_id"),
        storage_id=query.get("storage_id"),
    )
    return with_cluster_names(call, api.ListOf(items=await read_figures(call.services.history, question)))


def _choose(call: ApiCall[None], name: str, choices: tuple[str, ...]) -> str:
    """Return a parameter of some values, the first of them where it is missing; raise InvalidRequest."""
    value = call.query.get(name, choices[0])
    if value not in choices:
        raise InvalidRequest(f"{name} is {', '.join(choices[:-1])} or {choices[-1]}.", field=name)
    return value


def _days_of(call: ApiCall[None]) -> int:
    text = call.query.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_DAYS):
        raise InvalidRequest(f"days is a number from 1 to {MOST_DAYS}.", field="days")
    return int(text)
