"""The written reference: `python -m kronkeep_daemon.http.reference PAGE ROUTES`.

PAGE is the table of routes and the tree of errors in Markdown, ROUTES the JSON from which the command line
tells its help.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kronkeep_common import errors
from kronkeep_daemon.http.route import Route
from kronkeep_daemon.http.routes import ROUTES

_HEAD = """# The socket API

Every route, with the level that it needs (read, operate, admin; each includes those before it). Requests and
answers are JSON unless another type is named; `/openapi.json` has their fields. Every write takes
`?dry_run=true`, `If-Match` and `Idempotency-Key`.
Lists are newest first, with `limit` (1 to 1000) and `cursor`.

| method | path | level | parameters | answers | what |
|---|---|---|---|---|---|
"""


_ERRORS = """
## Refusals

A refusal is a problem (RFC 9457) with one of these codes, which do not change, a sentence (`detail`), and a
`next_step` of its own or the one below. *Again* is `retryable`: the same request may succeed later. The
command line and the terminal show the same code in brackets.

| code | status | again | what it means | what to do |
|---|---|---|---|---|
"""
_ONLY_FAMILIES = ("NotFound", "Unavailable")  # what is raised is always one of their own


def page(routes: Sequence[Route]) -> str:
    """The page in Markdown."""
    told = [kind for kind in errors.each() if kind.__doc__]
    codes = {
        kind.code: kind for kind in reversed(told)
    }  # a code is its family's, not that of what is below it
    listed = [codes[code] for code in sorted(codes) if code not in _ONLY_FAMILIES]
    return _HEAD + "".join(map(_row, routes)) + _ERRORS + "".join(map(_error, listed))


def _error(kind: type[errors.KronkeepError]) -> str:
    meaning = (kind.__doc__ or "").partition("\n")[0]
    again = "yes" if kind.retryable else ""
    return f"| `{kind.code}` | {kind.status} | {again} | {meaning} | {kind.default_next_step} |\n"


def _row(route: Route) -> str:
    kind = route.media if route.media != "application/json" else ""
    answers = f"{route.status} {kind}".strip()
    names = ", ".join(f"`{name}`" for name in route.query)
    level = route.level.name.lower()
    return f"| {route.method} | `{route.path}` | {level} | {names} | {answers} | {route.sentence} |\n"


def routes_of_help(routes: Sequence[Route]) -> str:
    """`METHOD path` -> [level, sentence, and `cluster` where it may name one], as JSON."""
    told = {
        f"{route.method} {route.path}": [
            route.level.name.lower(),
            route.sentence,
            *(name for name in route.parameters if name == "cluster"),
        ]
        for route in routes
    }
    return json.dumps(told, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(ROUTES))
    Path(sys.argv[2]).write_text(routes_of_help(ROUTES))
