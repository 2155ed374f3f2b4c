"""Lists of everything block the event loop for a few CronJobs at a time, however many there are."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.integration.http.many import many
from tests.turn_count import Turns

from kronkeep_common import api
from kronkeep_daemon import loop_turns
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.http import (
    json_encoding,
    list_pages,
    routes_cronjobs,
    routes_events,
    routes_policies,
    routes_runs,
)
from kronkeep_daemon.http.route import ApiCall
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef

CRONJOBS = 300
RUNS = 3
LISTS = (routes_cronjobs.list_cronjobs, routes_policies.list_policies, routes_events.get_snapshot)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with many(tmp_path / "h", CRONJOBS, RUNS) as found:
        yield found


@pytest.mark.parametrize("handler", LISTS, ids=lambda handler: handler.__name__)
async def test_a_list_of_all_cronjobs_lets_others_work_after_a_few_of_them(
    services: Services, handler: Callable[[ApiCall[None]], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_turns, "LONGEST_WORK", 0.0)  # each CronJob is more than a turn may hold
    turns = Turns()
    views = Counter[int]()
    view = CronJobService.view

    def count_view(self: CronJobService, cronjob: CronJobObject) -> Any:
        views[turns.count] += 1
        return view(self, cronjob)

    monkeypatch.setattr(CronJobService, "view", count_view)
    call = cast(ApiCall[None], SimpleNamespace(services=services, query={}))
    answer = await turns.during(handler(call))
    assert views.total() == CRONJOBS
    assert max(views.values()) == 1
    shown = answer.cronjobs if isinstance(answer, api.Snapshot) else answer.items
    assert len(shown) == (CRONJOBS // 2 if handler is routes_policies.list_policies else CRONJOBS)


async def test_what_came_while_a_list_was_made_is_in_it_and_what_went_is_not(services: Services) -> None:
    known = services.cronjobs.recorders["many"].cache.cronjobs
    names = []
    async for cronjob in services.extended.iter_cronjobs("ns-7"):
        names.append(cronjob.name)
        known.pop(CronJobRef("many", "ns-7", "job-57"), None)
    assert names == ["job-107", "job-157", "job-207", "job-257", "job-7"]


async def test_a_list_looks_no_further_back_than_its_filter_s_age(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_pages, "SCANNED", 10)
    query = {"filter": "name:nothing-has-it", "limit": "10"}
    call = cast(ApiCall[None], SimpleNamespace(services=services, query=query))
    assert (await routes_runs.list_runs(call)).next_cursor is not None
    for age in ("<1s", "<999999999d"):
        query["filter"] = f"name:nothing-has-it age:{age}"
        page = await routes_runs.list_runs(call)
        assert (page.items, page.next_cursor is None) == ([], age == "<1s")


async def test_a_long_answer_is_encoded_in_slices_and_says_the_same() -> None:
    turns = Turns()
    items = [api.ChangeEvent(seq=n, table="t", id=str(n), op="put", record={}) for n in range(5000)]
    answer = api.ListOf(items=items, next_cursor="c")
    assert await turns.during(json_encoding.encode(answer)) == msgspec.json.encode(answer)
    assert turns.count >= len(items) / json_encoding.SLICE
    for short in (api.ListOf(items=items[:3]), {"a": [1]}, None, items[:2]):
        assert await json_encoding.encode(short) == msgspec.json.encode(short)
