"""A client reads the CronJobs of a snapshot page by page, and as one snapshot."""

import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kronkeep_common import api
from kronkeep_common.client import Client
from kronkeep_common.client.transport import HttpAnswer
from kronkeep_common.models import CronJob

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_cronjobs(*names: str) -> list[CronJob]:
    return [
        CronJob(id=name, cluster="c", namespace="n", name=name, schedule="0 2 * * *", created_at=NOW)
        for name in names
    ]


class Pages:
    """A transport that answers a snapshot of three pages."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, _method: str, target: str, _content: Any, _headers: Any) -> HttpAnswer:
        self.asked.append(target)
        answers: dict[str, msgspec.Struct] = {
            "/v1/snapshot": api.Snapshot(
                seq=7,
                now=NOW,
                version="0",
                cronjobs=make_cronjobs("a", "b"),
                cronjobs_cursor="x.2",
                executions=[],
                backups=[],
                storages=[],
                watches=[],
            ),
            "/v1/snapshot/cronjobs?cursor=x.2": api.ListOf(items=make_cronjobs("c"), next_cursor="x.3"),
            "/v1/snapshot/cronjobs?cursor=x.3": api.ListOf(items=make_cronjobs("d")),
        }
        return HttpAnswer(200, msgspec.json.encode(answers[target]))


@pytest.mark.parametrize(("whole", "names", "asked"), [(True, "abcd", 3), (False, "ab", 1)])
async def test_a_snapshot_of_several_pages_is_read_as_one(
    tmp_path: Path, *, whole: bool, names: str, asked: int
) -> None:
    pages: Any = Pages()
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "s"))
        snapshot = await Client(tmp_path / "s", transport=pages).snapshot(whole=whole)
    assert "".join(cronjob.name for cronjob in snapshot.cronjobs) == names
    assert (snapshot.seq, len(pages.asked)) == (7, asked)
    assert (snapshot.cronjobs_cursor is None) is whole
