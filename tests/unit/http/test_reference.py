"""The generated pages and the command line's help agree with the routes."""

from pathlib import Path

from kronkeep_common.api import HISTORY_TABLES, LIVE_TABLES
from kronkeep_daemon.http.reference import help_routes, page, reasons_page
from kronkeep_daemon.http.routes import ROUTES


def test_the_page_is_the_table() -> None:
    written = (Path(__file__).parents[3] / "daemon/API.md").read_text()
    assert written == page(ROUTES), "run make reference"
    assert all(f"`{route.path}`" in written for route in ROUTES)


def test_the_help_s_routes_are_the_table() -> None:
    written = (Path(__file__).parents[3] / "tui/kronkeep_tui/cli/routes.json").read_text()
    assert written == help_routes(ROUTES), "run make reference"


def test_the_page_of_reasons_is_current() -> None:
    written = (Path(__file__).parents[3] / "docs/REASONS.md").read_text()
    assert written == reasons_page(), "run make reference"


def test_every_table_of_the_stream_is_described() -> None:
    events = page(ROUTES).partition("## Events")[2].partition("## Refusals")[0]
    assert [table for table in (*HISTORY_TABLES, *LIVE_TABLES) if f"`{table}`" not in events] == []
