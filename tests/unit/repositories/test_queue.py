"""Who may be at a repository together, and who waits for whom."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.testing import settle


class Person:
    """Enters, stays until told to go."""

    def __init__(self, place: AbstractAsyncContextManager[None]) -> None:
        self.inside = False
        self._go = asyncio.Event()
        self._task = asyncio.ensure_future(self._visit(place))

    async def _visit(self, place: AbstractAsyncContextManager[None]) -> None:
        async with place:
            self.inside = True
            await self._go.wait()
        self.inside = False

    async def leave(self) -> None:
        self._go.set()
        await self._task

    async def give_up(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_readers_are_beside_an_archive_and_each_other() -> None:
    queues = RepositoryQueues()
    people = [
        Person(queues.hold_for_archive("r")),
        Person(queues.hold_for_reading("r")),
        Person(queues.hold_for_reading("r")),
    ]
    second = Person(queues.hold_for_archive("r"))
    await settle()
    assert [one.inside for one in people] == [True, True, True]
    assert not second.inside
    await people[0].leave()
    await settle()
    assert second.inside
    for one in (*people[1:], second):
        await one.leave()


async def test_what_is_alone_waits_for_readers_and_lets_no_new_ones_in() -> None:
    queues = RepositoryQueues()
    reader = Person(queues.hold_for_reading("r"))
    await settle()
    alone = Person(queues.hold_exclusively("r"))
    late = None
    other = Person(queues.hold_exclusively("another"))
    await settle()
    late = Person(queues.hold_for_reading("r"))
    await settle()
    assert (alone.inside, late.inside, other.inside) == (False, False, True)
    await reader.leave()
    await settle()
    assert (alone.inside, late.inside) == (True, False)
    await alone.leave()
    await settle()
    assert late.inside
    await late.leave()
    await other.leave()


async def test_who_gives_up_leaves_the_repository_open() -> None:
    queues = RepositoryQueues()
    reader = Person(queues.hold_for_reading("r"))
    await settle()
    alone = Person(queues.hold_exclusively("r"))
    await settle()
    late = Person(queues.hold_for_reading("r"))
    await settle()
    await alone.give_up()
    await settle()
    assert late.inside
    with pytest.raises(TimeoutError):
        async with queues.hold_exclusively("r", 0.01):
            pass
    third = Person(queues.hold_for_reading("r"))
    archive = Person(queues.hold_for_archive("r"))
    await settle()
    assert third.inside
    assert archive.inside
    for one in (reader, late, third, archive):
        await one.leave()
