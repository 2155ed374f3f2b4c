"""Who may work on a repository together, and who waits for whom."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from kronkeep_common.reasons import Reason
from kronkeep_daemon.repositories import queue as repository_queue
from kronkeep_daemon.repositories.queue import ArchiveRequest, RepositoryQueues
from kronkeep_daemon.settings import ArchiveSettings, ParallelSettings, Settings
from kronkeep_daemon.testing import FakeClock, settle


class Holder:
    """A task that holds a repository until it is released."""

    def __init__(self, hold: AbstractAsyncContextManager[object]) -> None:
        self.holds = False
        self._released = asyncio.Event()
        self._task = asyncio.ensure_future(self._hold(hold))

    async def _hold(self, hold: AbstractAsyncContextManager[object]) -> None:
        async with hold:
            self.holds = True
            await self._released.wait()
        self.holds = False

    async def release(self) -> None:
        self._released.set()
        await self._task

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


def new_queues(repository: int = 1) -> RepositoryQueues:
    settings = Settings(archive=ArchiveSettings(parallel=ParallelSettings(repository=repository)))

    def current() -> Settings:
        return settings

    return RepositoryQueues(clock=FakeClock(), settings=current)


def archive(backup_id: str, repository: str = "r") -> ArchiveRequest:
    return ArchiveRequest(backup_id=backup_id, repository=repository, cluster="c", namespace="n")


async def test_archives_work_side_by_side_up_to_the_limit_beside_readers() -> None:
    queues = new_queues(repository=2)
    holders = [Holder(queues.hold_for_archive(archive(name))) for name in "abc"]
    reader = Holder(queues.hold_for_reading("r", "listing"))
    await settle()
    assert [one.holds for one in (*holders, reader)] == [True, True, False, True]
    await holders[0].release()
    await settle()
    assert holders[2].holds
    for one in (*holders[1:], reader):
        await one.release()


async def test_a_place_that_was_given_back_early_is_the_next_ones_and_is_left_once() -> None:
    queues = new_queues()
    async with queues.hold_for_archive(archive("a")) as first:
        second = Holder(queues.hold_for_archive(archive("b")))
        await settle()
        assert not second.holds
        first.release()
        first.set_stalled(True)  # what is said of it after that changes nothing
        await settle()
        assert second.holds
    third = Holder(queues.hold_for_archive(archive("c")))
    await settle()
    assert (second.holds, third.holds) == (True, False)
    await second.release()
    await settle()
    assert third.holds
    await third.release()
    assert queues.list_work() == []


async def test_archives_go_past_one_that_waits_to_start_and_exclusive_work_does_not() -> None:
    queues = new_queues()
    stalled = asyncio.Event()
    ended = asyncio.Event()

    async def stall() -> None:
        async with queues.hold_for_archive(archive("stalled")) as hold:
            hold.set_stalled(True)
            hold.set_stalled(True)
            stalled.set()
            await ended.wait()

    waiting = asyncio.ensure_future(stall())
    await stalled.wait()
    other = Holder(queues.hold_for_archive(archive("other")))
    await settle()
    assert other.holds
    exclusive = Holder(queues.hold_exclusively("r", "prune"))
    await other.release()
    await settle()
    assert not exclusive.holds
    ended.set()
    await waiting
    await settle()
    assert exclusive.holds
    await exclusive.release()
    last = Holder(queues.hold_for_archive(archive("last")))
    await settle()
    assert last.holds
    await last.release()


async def test_an_archive_keeps_the_place_of_its_hooks_in_the_queue() -> None:
    queues = new_queues()
    async with queues.hold_for_hooks(archive("hooked")) as hooks:
        running = Holder(queues.hold_for_archive(archive("running")))
        later = Holder(queues.hold_for_archive(archive("later")))
        await settle()
        hooked = Holder(queues.hold_for_archive(archive("hooked"), hooks=hooks))
        await running.release()
        await settle()
        assert (hooked.holds, later.holds) == (True, False)
    await hooked.release()
    await settle()
    await later.release()


async def test_who_is_cancelled_or_loses_patience_leaves_nothing_behind() -> None:
    queues = new_queues()
    running = Holder(queues.hold_for_archive(archive("running")))
    await settle()
    exclusive = Holder(queues.hold_exclusively("r", "check"))
    waiting = Holder(queues.hold_for_archive(archive("waiting")))
    await settle()
    for hold in (queues.hold_exclusively("r", "prune", 0.01), queues.hold_for_archive(archive("x"), 0.01)):
        with pytest.raises(TimeoutError):
            async with hold:
                pass
    await exclusive.cancel()
    assert [queued.work.backup_id for queued in queues.list_work()] == ["running", "waiting"]
    await running.release()
    await settle()
    assert waiting.holds
    await waiting.cancel()
    await settle()
    assert queues.list_work() == []


async def test_who_is_cancelled_when_just_chosen_gives_the_place_back() -> None:
    queues = new_queues()
    running = Holder(queues.hold_for_archive(archive("running")))
    await settle()
    chosen = Holder(queues.hold_for_archive(archive("chosen")))
    next_one = Holder(queues.hold_for_archive(archive("next")))
    await settle()
    await running.release()
    at_work = [queued.work.backup_id for queued in queues.list_work() if queued.is_working]
    assert (at_work, chosen.holds) == (["chosen"], False), "its task does not know yet"
    await chosen.cancel()
    await settle()
    assert not chosen.holds
    assert next_one.holds
    await next_one.release()


async def test_a_wait_is_explained_each_time_that_its_reason_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_queue, "FIRST_EXPLANATION_SECONDS", 0.0)
    monkeypatch.setattr(repository_queue, "EXPLANATION_SECONDS", 0.01)
    queues = new_queues()
    reasons: asyncio.Queue[Reason] = asyncio.Queue()
    exclusive = Holder(queues.hold_exclusively("r", "prune"))
    await settle()
    waiting = Holder(queues.hold_for_archive(archive("waiting"), on_wait=reasons.put))
    assert await reasons.get() is Reason.REPOSITORY_EXCLUSIVE
    first = Holder(queues.hold_for_archive(ArchiveRequest(backup_id="first", repository="r")))
    await exclusive.release()
    await settle()
    assert waiting.holds or await reasons.get() is Reason.REPOSITORY_BUSY
    for one in (waiting, first):
        await settle()
        await one.release()
    assert reasons.empty()


async def test_the_queue_shows_what_works_and_what_waits_with_reasons_and_places() -> None:
    queues = new_queues()
    holders = [Holder(queues.hold_for_archive(archive(name))) for name in ("at-work", "second", "third")]
    holders.append(Holder(queues.hold_exclusively("r", "prune")))
    await settle()
    shown = [
        (queued.work.backup_id or queued.work.task, queued.is_working, queued.reason, queued.place)
        for queued in queues.list_work()
    ]
    assert shown == [
        ("at-work", True, None, None),
        ("second", False, Reason.REPOSITORY_BUSY, 1),
        ("third", False, Reason.REPOSITORY_BUSY, 2),
        ("prune", False, Reason.REPOSITORY_IN_USE, 1),
    ]
    for holder in holders:
        await settle()
        await holder.release()
