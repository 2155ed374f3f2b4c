"""The queue before the repositories in the terminal."""

from typing import Any

from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, screen, until
from tests.unit.tui.page_records import queue_entry

from kronkeep_common.reasons import Reason


async def test_the_queue_opens_from_any_view_and_is_read_again() -> None:
    client = CannedClient()
    async with app_of(client, start="storages").run_test(size=(100, 24)) as pilot:
        await pilot.press("Q")
        await until(pilot, lambda: "Nothing works on a repository" in screen(pilot))
        busy: dict[str, Any] = {"reason": "RepositoryBusy", "message": Reason.REPOSITORY_BUSY.meaning}
        client.queue_given = [queue_entry("archive", namespace="shop", cronjob="db-dump", place=1, **busy)]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "shop/db-dump" in screen(pilot))
        assert Reason.REPOSITORY_BUSY.meaning in screen(pilot)
