"""The route that searches kept logs; its answer is streamed, a line of JSON for each hit."""

from contextlib import aclosing, suppress

import msgspec
from aiohttp import web

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import CronJobExecution
from kronkeep_daemon.cronjobs.log_search_service import MOST_HITS, LogSearch
from kronkeep_daemon.history.log_search import LogQuestion
from kronkeep_daemon.http.list_pages import earliest_creation, filter_of, values_by_index
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.streams import count_stream

LONGEST_TEXT = 200  # characters
MOST_CONTEXT = 20  # lines
LINES = "application/x-ndjson"

routes = RouteTable()


@routes.get("/v1/grep", query=("text", "filter", "context", "ignore_case", "limit"), media=LINES)
async def search_logs(call: ApiCall[None]) -> web.StreamResponse:
    """Search a text in the kept logs of runs, the newest run first; the last line is the end."""
    question = _read_question(call)
    accepted = filter_of(call, "executions")
    clock = call.services.clock
    equal = {name: str(value) for name, value in values_by_index(call, accepted).items()}

    def accepts(run: CronJobExecution) -> bool:
        return accepted.matches(run, clock.now())

    since = earliest_creation(accepted, clock.now())
    with count_stream(call):
        response = web.StreamResponse(headers={"Content-Type": LINES})
        search = LogSearch(call.services.history, question, _number(call, "limit", MOST_HITS, MOST_HITS))
        with suppress(ConnectionResetError):  # the client may be gone, also before the headers are sent
            await response.prepare(call.request)
            async with aclosing(search.run(accepts, equal, since)) as lines:
                async for line in lines:
                    await response.write(msgspec.json.encode(line) + b"\n")
    return response


def _read_question(call: ApiCall[None]) -> LogQuestion:
    """Return what the request looks for; raise InvalidRequest."""
    text = call.query.get("text", "")
    if not 1 <= len(text) <= LONGEST_TEXT or "\n" in text:
        raise InvalidRequest(f"text has 1 to {LONGEST_TEXT} characters of one line.", field="text")
    ignore_case = call.query.get("ignore_case", "false")
    if ignore_case not in ("true", "false"):
        raise InvalidRequest("ignore_case is true or false.", field="ignore_case")
    return LogQuestion(text, _number(call, "context", 0, MOST_CONTEXT), ignore_case == "true")


def _number(call: ApiCall[None], name: str, default: int, most: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
        raise InvalidRequest(f"{name} is a number up to {most}.", field=name)
    return int(text)
