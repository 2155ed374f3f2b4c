"""The generated reference: `python -m kronkeep_daemon.http.reference API REASONS ROUTES`.

API is the page of routes, errors and reasons in Markdown, REASONS the page of reasons alone, and ROUTES the
JSON from which the command line prints the help of its verbs.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kronkeep_common import error_codes, errors, reason_texts
from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import HISTORY_TABLES
from kronkeep_common.reasons import Reason
from kronkeep_daemon.http.route import JSON, Route
from kronkeep_daemon.http.routes import ROUTES

_HEAD = """# The socket API

Every route, with the level that it needs (read, operate, admin; each includes those before it). Requests and
answers are JSON unless another type is named; `/openapi.json` has their fields. Every write takes
`?dry_run=true`, `If-Match` and `Idempotency-Key`.
Lists are newest first, with `limit` (1 to 1000) and `cursor`.
In the place of the `{id}` of a run, backup, copy, restore, alert or policy, its first 4 or more characters
will do, where only one has them, and for a backup or copy those of its snapshot's id; otherwise the refusal
is `AmbiguousId` and names some that do.

A route and a field of `/v1` stay: a later version may add routes, fields and values of `status`, `reason`
and `code`, and readers ignore what they do not know. What must break callers gets a new prefix, beside the
old one for at least a year; `/version` names the versions that a daemon speaks.

| method | path | level | parameters | answers | what |
|---|---|---|---|---|---|
"""

_EVENTS = """
## Events

`GET /v1/events` sends changes as server-sent events, each with one JSON object:
`{"seq": 7, "table": "executions", "id": "...", "op": "put", "record": {...}}`; `op` is `put` or `remove`.
The query's `table` names the tables, separated by commas.

| table | record | sent |
|---|---|---|
| HISTORY_TABLES | as in their lists | every change, in order |
| `cronjobs` | as in `/v1/cronjobs`; the id is the CronJob's uid | the latest state, where `table` names it |
| `watches` | as in `/readyz`; the id is cluster id and name | the latest state, where `table` names it |

A snapshot has 2 MB at most. Where `cronjobs_cursor` is set, `/v1/snapshot/cronjobs?cursor=` goes on with
the CronJobs; `EventsLost` means that the daemon forgot that snapshot: take a new one.

Take `seq` from `/v1/snapshot` and send it as `Last-Event-ID`: every later change of the history follows,
once, and the state of each CronJob and watch that changed since, perhaps twice. CronJobs and watches are in
no history: their events have no event id, carry the `seq` of the history's latest change, and come after the
change that caused them. `event: lost` says that changes are no longer there or that the reader was too slow,
and ends the stream: take a new snapshot.
"""
_ERRORS = """
## Refusals

A refusal is a problem (RFC 9457) with one of these codes, which do not change, a sentence (`detail`), and a
`next_step` of its own or the one below. *Again* is `retryable`: the same request may succeed later. The
command line and the terminal show the same code in brackets.

| code | status | again | what it means | what to do |
|---|---|---|---|---|
"""
_REASONS = """Each of these codes says why a run, backup, restore or storage is in its state (`reason`), or
what an alert is about (`code`). They do not change. A `reason` may also be the code of an error, or one that
Kubernetes gives for a Job. An archive that failed is tried again as often as its policy allows (`retries`),
but not where the reason is *lasting*: another attempt would fail as well.
"""
_ONLY_FAMILIES = ("NotFound", "Unavailable")  # what is raised is always one of their own


def page(routes: Sequence[Route]) -> str:
    """Return the page of routes, events, errors and reasons in Markdown."""
    documented = [kind for kind in error_codes.all_errors() if kind.__doc__]
    # A subclass may have its parent's code: `all_errors` begins at the root, so reversed the parent wins.
    by_code = {kind.code: kind for kind in reversed(documented)}
    listed = [by_code[code] for code in sorted(by_code) if code not in _ONLY_FAMILIES]
    return (
        _HEAD
        + "".join(map(_row, routes))
        + _EVENTS.replace("HISTORY_TABLES", ", ".join(f"`{table}`" for table in HISTORY_TABLES))
        + _ERRORS
        + "".join(map(_error, listed))
        + f"\n## Reasons\n\n{_REASONS}{reason_tables('###')}"
    )


def reasons_page() -> str:
    """Return the page of reasons and alert codes in Markdown."""
    return f"# Reasons and alerts\n\n{_REASONS}{reason_tables('##')}"


def reason_tables(heading: str) -> str:
    """Return a table for each section of reasons, then that of the alerts.

    heading: the Markdown of their headings, such as `##`.
    """
    tables = [
        _reason_table(heading, title, [Reason(code) for code in codes])
        for title, codes in reason_texts.SECTIONS.items()
    ]
    alerts = "".join(f"| `{code}` | {code.meaning} |\n" for code in AlertCode)
    return "".join(tables) + f"\n{heading} Alerts\n\n| code | what it means |\n|---|---|\n{alerts}"


def _reason_table(heading: str, title: str, reasons: list[Reason]) -> str:
    """Return one section; it has the column *lasting* where one of its reasons is."""
    lasting = any(not reason.retryable for reason in reasons)
    columns = "code | lasting | what it means" if lasting else "code | what it means"
    rules = "|---" * (4 if lasting else 3) + "|"
    lines = [f"\n{heading} {title}\n", f"| {columns} | what to do |", rules]
    for reason in reasons:
        cells = [f"`{reason}`", reason.meaning, reason.next_step]
        if lasting:
            cells.insert(1, "" if reason.retryable else "yes")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _error(kind: type[errors.KronkeepError]) -> str:
    meaning = (kind.__doc__ or "").partition("\n")[0]
    again = "yes" if kind.retryable else ""
    return f"| `{kind.code}` | {kind.status} | {again} | {meaning} | {kind.default_next_step} |\n"


def _row(route: Route) -> str:
    media = route.media if route.media != JSON else ""
    answers = f"{route.status} {media}".strip()
    names = ", ".join(f"`{name}`" for name in route.query)
    level = route.level.name.lower()
    return f"| {route.method} | `{route.path}` | {level} | {names} | {answers} | {route.summary} |\n"


def help_routes(routes: Sequence[Route]) -> str:
    """Return the JSON that the command line reads for its help.

    It is `METHOD path` -> [level, summary, and `cluster` where a request may name one].
    """
    entries = {
        f"{route.method} {route.path}": [
            route.level.name.lower(),
            route.summary,
            *(name for name in route.parameters if name == "cluster"),
        ]
        for route in routes
    }
    return json.dumps(entries, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(ROUTES))
    Path(sys.argv[2]).write_text(reasons_page())
    Path(sys.argv[3]).write_text(help_routes(ROUTES))
