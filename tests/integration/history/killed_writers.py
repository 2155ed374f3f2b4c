"""Writers of one history that are killed by `kill -9`, one after another.

Each is a fork of this process, which has imported everything, so a life costs some milliseconds and not the
start of an interpreter. `python -m tests.integration.history.killed_writers FOLDER ROUNDS` writes how many
changes were acknowledged, and ends with 1 where one of them is lost or doubled.
"""

import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History, database

COMPARISON_ROUNDS = 100  # writers between two comparisons
FIRST_NUMBERS = 1_000_000  # documents that one writer may put
CHECKPOINT_BYTES = 100_000  # a small WAL, so that some kills meet a checkpoint


async def write(folder: Path, first: int, out: int) -> None:
    """Put documents, and name each on `out` when it is durable, until killed."""
    history = await History.open(folder, clock=SystemClock())
    table = history.table("facts")
    number = first
    while True:
        table.put_document(None, {"id": str(number), "text": "x" * 300})
        await history.commit()
        os.write(out, b"%d\n" % number)
        number += 1


async def compare(folder: Path, acknowledged: set[str], killed: int) -> None:
    """Assert that each acknowledged document is there once, and of each writer one more at most."""
    history = await History.open(folder, clock=SystemClock())
    ids = [document["id"] for document in history.table("facts")]
    await history.close()
    assert len(ids) == len(set(ids)), "a document is doubled"
    assert acknowledged <= set(ids), f"lost: {sorted(acknowledged - set(ids))}"
    assert len(ids) - len(acknowledged) <= killed, "documents that no writer put"


def fork(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """Return the id of a new process that does the work in an event loop and ends."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        asyncio.run(work())
        code = 0
    except BaseException as fault:  # noqa: BLE001  the top of a process
        sys.stderr.write(f"{type(fault).__name__}: {fault}\n")
    finally:
        os._exit(code)


def kill_one(folder: Path, number: int, chance: random.Random) -> list[str]:
    """Kill one writer after some acknowledgements, or while it opens the history; return what it named."""
    reader, writer = os.pipe()
    child = fork(partial(write, folder, number * FIRST_NUMBERS, writer))
    os.close(writer)
    named = b""
    for _ in range(chance.choice((0, 1, 2, 5, 9, 17))):
        named += os.read(reader, 1 << 16)
    time.sleep(chance.uniform(0, 0.02 if not named else 0.002))  # the moment of the kill
    os.kill(child, signal.SIGKILL)
    while rest := os.read(reader, 1 << 16):
        named += rest
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), f"writer {number} ended by itself: {status}"
    return named.decode().split("\n")[:-1]


def kill_writers(folder: Path, rounds: int) -> int:
    """Kill so many writers; return how many changes were acknowledged."""
    database.CHECKPOINT_BYTES = CHECKPOINT_BYTES
    chance = random.Random(rounds)
    acknowledged: set[str] = set()
    gc.freeze()
    for number in range(1, rounds + 1):
        acknowledged.update(kill_one(folder, number, chance))
        if number % COMPARISON_ROUNDS == 0 or number == rounds:
            child = fork(partial(compare, folder, acknowledged, number))
            assert os.waitpid(child, 0)[1] == 0, f"after {number} kills"
    return len(acknowledged)


if __name__ == "__main__":
    sys.stdout.write(f"{kill_writers(Path(sys.argv[1]), int(sys.argv[2]))}\n")
