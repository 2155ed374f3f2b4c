"""The sieve of kept logs on a real disk: no hit of a plain search is lost, whatever happened to the sieve."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.records import RUN, make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import KeptLog
from kronkeep_common.models.log_search import SearchEnd
from kronkeep_daemon.cronjobs.log_search_service import AT_ONCE, LogSearch
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog, LogOwner, sieve_key
from kronkeep_daemon.history.log_search import LogQuestion, find_lines
from kronkeep_daemon.history.log_sieve_builder import LogSieveBuilder

SYLLABLES = ("disk", "Quota", " ", "ÄRGER", "ärger", "K", "\u212a", "x1", "\x00", "err", "OR:", "\n", "ß")
Texts = dict[tuple[str, str], bytes]  # by run and container


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(tmp_path / "h", clock=SystemClock())
    yield opened
    await opened.close()


async def save(history: History, run_id: str, texts: dict[str, bytes]) -> None:
    """Keep logs by container, in place of earlier ones, and the run that names them."""
    run = make_run(id=run_id, created_at=RUN.created_at + timedelta(seconds=int(run_id[1:])))
    logs: list[KeptLog] = []
    for container, text in texts.items():
        capped = CappedLog()
        capped.add(text)
        kept = await history.logs.save(run, f"p.{container}", "p", capped)
        logs.append(KeptLog(container=container, pod="p", bytes=kept.bytes, kept=kept.kept))
    old = history.executions.get(run_id)
    others = tuple(log for log in (old.logs if old else ()) if log.container not in texts)
    created_at = run.created_at
    history.executions.put(make_run(id=run_id, created_at=created_at, logs=(*others, *logs)))
    await history.commit()


async def search(history: History, question: LogQuestion) -> tuple[list[tuple[str, str, int]], SearchEnd]:
    lines = [line async for line in LogSearch(history, question).run(bool, {})]
    hits = [
        (line.hit.execution_id, line.hit.container, line.hit.line) for line in lines if line.hit is not None
    ]
    assert lines[-1].end is not None
    return sorted(hits), lines[-1].end


async def review(history: History) -> None:
    await LogSieveBuilder(logs=history.logs, clock=SystemClock()).review()


def plain_hits(texts: Texts, question: LogQuestion) -> list[tuple[str, str, int]]:
    return sorted(
        (run_id, container, line.number)
        for (run_id, container), text in texts.items()
        for line in find_lines(text, question, 10_000)
    )


def random_text(chance: random.Random, words: int) -> bytes:
    text = "".join(chance.choices(SYLLABLES, k=words)).encode()
    return text + bytes(chance.randrange(256) for _ in range(chance.randrange(4)))


def random_question(chance: random.Random, texts: Texts) -> LogQuestion:
    """Return a piece of some log, or words of none, in another case or not."""
    line = chance.choice(chance.choice(list(texts.values())).split(b"\n")).decode(errors="ignore")
    start = chance.randrange(len(line) + 1)
    word = line[start : start + chance.randrange(1, 14)] or "".join(chance.choices(SYLLABLES, k=3))
    word = chance.choice((word, word.upper(), word.lower(), word.swapcase())).replace("\n", "")
    return LogQuestion(word or "err", 0, chance.random() < 0.5)


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_hits_as_a_plain_search_after_saves_removals_and_loss(
    history: History, seed: int
) -> None:
    chance = random.Random(seed)
    texts: Texts = {}
    for _ in range(60):
        run_id = f"r{chance.randrange(20)}"
        match chance.randrange(12):
            case 0:
                await history.logs.remove_all([sieve_key(make_run(id=run_id))])
                texts = {key: text for key, text in texts.items() if key[0] != run_id}
            case 1:
                history.logs.sieve.forget()
                history.logs.sieve.open()
            case 2:
                await review(history)
            case _:
                container = chance.choice(("main", "side"))
                text = random_text(chance, chance.randrange(60))
                await save(history, run_id, {container: text})
                texts[run_id, container] = text
        if texts:
            question = random_question(chance, texts)
            assert (await search(history, question))[0] == plain_hits(texts, question), question
    for _ in range(200):
        question = random_question(chance, texts)
        assert (await search(history, question))[0] == plain_hits(texts, question), question


async def fill(history: History, count: int = 20) -> None:
    for number in range(count):
        word = "disk quota exceeded" if number == 3 else "all is well"
        await save(history, f"r{number}", {"main": f"begin\nerror: {word}\n".encode()})


async def test_the_first_hit_comes_before_the_other_logs_are_read(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        await save(history, f"r{number}", {"main": b"the word\n"})
    read: list[str] = []
    read_now = history.logs.read_now

    def count_reads(run: LogOwner, name: str) -> bytes | None:
        read.append(run.id)
        return read_now(run, name)

    monkeypatch.setattr(history.logs, "read_now", count_reads)
    lines = LogSearch(history, LogQuestion("word")).run(bool, {})
    async with aclosing(lines):
        first = await anext(lines)
        assert first.hit is not None
        assert (first.hit.execution_id, len(read)) == ("r59", AT_ONCE)
        assert len([line async for line in lines]) == 60
    assert len(read) == 60


async def test_logs_without_the_text_are_not_read(history: History) -> None:
    await fill(history)
    hits, end = await search(history, LogQuestion("Disk QUOTA", 0, True))
    assert hits == [("r3", "main", 2)]
    assert (end.logs, end.skipped) == (1, 19)
    assert (await search(history, LogQuestion("di")))[1].logs == 20, "too short to be told"
    assert (await search(history, LogQuestion("diskä", 0, True)))[1].logs == 20


def corrupt(folder: Path) -> None:
    for path in folder.glob("sieve.db*"):
        path.write_bytes(b"no database" * 1000)


def flip_filters(folder: Path) -> None:
    path = folder / "sieve.db"
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data), 7):
        data[place] ^= 0x55
    path.write_bytes(data)


def remove_sieve(folder: Path) -> None:
    for path in folder.glob("sieve.db*"):
        path.unlink()


def change_a_log(folder: Path) -> None:
    """Leave what a kill leaves between the row and the log: another log than the row was made of."""
    logs = folder / "logs" / "c_n"
    shutil.copy(logs / "r3" / "p.main.log.gz", logs / "r9" / "p.main.log.gz")


@pytest.mark.parametrize("fault", [corrupt, flip_filters, remove_sieve, change_a_log])
async def test_a_sieve_that_is_damaged_missing_or_old_loses_no_hit_and_is_made_again(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    folder = tmp_path / "h"
    history = await History.open(folder, clock=SystemClock())
    await fill(history)
    await history.close()
    fault(folder)
    expected = [("r3", "main", 2)] + ([("r9", "main", 2)] if fault is change_a_log else [])
    history = await History.open(folder, clock=SystemClock())
    hits, _ = await search(history, LogQuestion("disk quota"))
    assert hits == expected
    for _ in range(2):  # damage of a row is seen when it is read
        await asyncio.to_thread(history.logs.sieve.open)
        await review(history)
        hits, end = await search(history, LogQuestion("disk quota"))
        assert hits == expected
    assert end.logs == len(expected)
    await history.close()


async def test_rows_go_with_their_logs_and_are_small(history: History) -> None:
    await fill(history)
    sieve = history.logs.sieve
    assert len(sieve.keys_after("", 100)) == 20
    await history.logs.remove_all([sieve_key(make_run(id="r7"))])
    assert "c_n/r7" not in sieve.keys_after("", 100)
    shutil.rmtree(history.logs.folder / "c_n" / "r8")
    sieve.is_believed = False  # as after a start
    await review(history)
    assert len(sieve.keys_after("", 100)) == 18
    noise = random.Random(1).randbytes(2_000_000)
    await save(history, "r50", {"main": noise, "side": noise[:300_000]})
    with closing(sqlite3.connect(history.folder / "sieve.db")) as connection:
        lengths = dict(connection.execute("SELECT key, length(bits) FROM sieves"))
    assert lengths["c_n/r50"] == 16 * 1024
    assert max(lengths[key] for key in lengths if key != "c_n/r50") == 64
    assert sieve.size_bytes() < 3_000_000
