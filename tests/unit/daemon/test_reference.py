"""The reference page says what the table of routes says."""

from pathlib import Path

from kronkeep_daemon.http.reference import page
from kronkeep_daemon.http.routes import ROUTES


def test_the_page_is_the_table() -> None:
    written = (Path(__file__).parents[3] / "daemon/API.md").read_text()
    assert written == page(ROUTES), "run make reference"
    assert all(f"`{route.path}`" in written for route in ROUTES)
