"""A list that is cut says so, and what the daemon has not looked through yet is not "Nothing found"."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from tests.records import make_backup

from kronkeep_common.api import ListOf
from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution
from kronkeep_tui.cli import get
from kronkeep_tui.cli.main import build_parser

BACKUPS = [make_backup(id=f"b{number:03}") for number in range(120)]


class Pages:
    """A client of a daemon that looks through `scanned` backups for a page; those of `good` match."""

    def __init__(self, scanned: int, good: set[str]) -> None:
        self._scanned = scanned
        self._good = good
        self.cluster = None
        self.calls = 0
        self.backups = SimpleNamespace(list=self._list)
        self.runs = self.copies = self.restores = self.alerts = self.backups
        self.silences = self.maintenance = self.backups

    async def _list(
        self, filter: str | None, limit: int, cursor: str | None = None
    ) -> ListOf[BackupExecution]:
        self.calls += 1
        start = int(cursor or 0)
        items: list[BackupExecution] = []
        for place in range(start, min(start + self._scanned, len(BACKUPS))):
            items += [BACKUPS[place]] if BACKUPS[place].id in self._good else []
            if len(items) == limit:
                break
        following = place + 1
        return ListOf(items=items, next_cursor=str(following) if following < len(BACKUPS) else None)


def run(client: Pages, *argv: str) -> None:
    options = build_parser("get").parse_args(["get", "backups", "-o", "name", *argv])
    asyncio.run(get._get(cast(Client, client), options))


def test_what_matches_far_back_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    run(Pages(20, {"b010", "b115"}))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("b010\nb115\n", "")


def test_of_a_very_long_history_the_rest_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    client = Pages(1, {"b115"})
    run(client)
    assert client.calls == get.MOST_PAGES + 1
    assert "Older records were not looked through" in capsys.readouterr().err


@pytest.mark.parametrize(("argv", "count"), [((), 50), (("--limit", "7"), 7)])
def test_a_list_that_is_cut_says_so(
    argv: tuple[str, ...], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Pages(1000, {backup.id for backup in BACKUPS}), *argv)
    said = capsys.readouterr()
    assert said.out.split() == [backup.id for backup in BACKUPS[:count]]
    assert said.err == f"There are more: these are the newest {count}. --limit N shows up to 1000.\n"


def test_a_list_that_is_whole_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run(Pages(1000, {backup.id for backup in BACKUPS}), "--limit", "120")
    assert capsys.readouterr().err == ""
