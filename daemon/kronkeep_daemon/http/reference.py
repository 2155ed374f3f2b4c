"""What is written from the table of routes: `python -m kronkeep_daemon.http.reference PAGE ROUTES`.

PAGE is the API's reference in Markdown, ROUTES the JSON from which the command line tells its help.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

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


def page(routes: Sequence[Route]) -> str:
    """The page in Markdown."""
    return _HEAD + "".join(map(_row, routes))


def _row(route: Route) -> str:
    kind = route.media if route.media != "application/json" else ""
    answers = f"{route.status} {kind}".strip()
    names = ", ".join(f"`{name}`" for name in route.query)
    level = route.level.name.lower()
    return f"| {route.method} | `{route.path}` | {level} | {names} | {answers} | {route.sentence} |\n"


def routes_of_help(routes: Sequence[Route]) -> str:
    """`METHOD path` -> [level, sentence], as JSON."""
    told = {f"{route.method} {route.path}": [route.level.name.lower(), route.sentence] for route in routes}
    return json.dumps(told, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(ROUTES))
    Path(sys.argv[2]).write_text(routes_of_help(ROUTES))
