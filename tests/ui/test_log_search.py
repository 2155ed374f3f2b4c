"""`:grep TEXT` in the terminal: hits of all runs as they come, the lines around them, and their run."""

from tests.ui.canned import NOW, CannedClient
from tests.ui.driving import app_of, screen, until
from tests.ui.scenes import busy

from kronkeep_common.models import CronJobExecution
from kronkeep_common.models.log_search import LogHit, SearchEnd, SearchLine


def hit_of(run: CronJobExecution, text: str, line: int = 7) -> SearchLine:
    return SearchLine(
        hit=LogHit(
            execution_id=run.id, cluster=run.cluster, namespace=run.namespace, cronjob=run.cronjob,
            created_at=NOW, container="main", pod="pod-1", line=line, text=text,
            before=("the line before",), after=("the line after",),
        )
    )  # fmt: skip


async def test_hits_are_shown_with_the_lines_around_them_and_lead_to_their_run() -> None:
    client = CannedClient(*busy())
    run = client.runs_given[0]
    end = SearchEnd(logs=12, removed=1, bytes=3 * 2**20, hits=2, limited=True)
    client.hits_given = [
        hit_of(run, "2026-11-24T03:11:57.123456789Z write failed: Disk QUOTA exceeded"),
        hit_of(run, "[b]not markup[/b]\x1b[31m", 9),
        SearchLine(end=end),
    ]
    async with app_of(client, zone="Europe/Berlin").run_test(size=(120, 30)) as pilot:
        await pilot.press("colon", *"grep disk quota", "enter")
        await until(pilot, lambda: "write failed: Disk QUOTA" in screen(pilot))
        await until(pilot, lambda: "there are more hits" in screen(pilot))
        shown = screen(pilot)
        assert "12 logs of 3.0 MiB read, 1 log had been removed" in shown
        assert "the line before" in shown
        assert "the line after" in shown
        assert "[b]not markup[/b]" in shown
        assert shown.count("04:11:57 write failed") == 2, "in the row and among the lines around it"
        assert "T03:11:57" not in shown
        assert client.searches == [
            ("disk quota", {"filter": None, "context": 3, "ignore_case": True, "limit": 1000})
        ]
        await pilot.press("enter")
        await until(pilot, lambda: f"{run.cronjob}" in screen(pilot) and "end of log" in screen(pilot))


async def test_a_search_without_hits_or_end_says_so() -> None:
    client = CannedClient()
    async with app_of(client).run_test(size=(100, 24)) as pilot:
        await pilot.press("colon", *"grep nope", "enter")
        await until(pilot, lambda: "No kept log has it." in screen(pilot))
        assert "broken off" in screen(pilot)
        client.hits_given = [SearchLine(end=SearchEnd(logs=0, bytes=0, hits=0))]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "0 logs of 0 B read" in screen(pilot))
        await pilot.press("colon", *"grep", "enter")
        await until(pilot, lambda: "Write :grep TEXT." in screen(pilot))
