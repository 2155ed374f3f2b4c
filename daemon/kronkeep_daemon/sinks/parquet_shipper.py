"""One Parquet sink: each month that is sealed becomes a file of each table, once, and stays as it is.

What was written is remembered in the history, with its SHA-256, so that a file that somebody removed or
changed is noticed: at each start, and once a day.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.states import BACKUP_TRANSITIONS, EXECUTION_TRANSITIONS, RESTORE_TRANSITIONS, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.history import History, schema
from kronkeep_daemon.history.database import connect
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.history.facts import parquet_months_key
from kronkeep_daemon.history.history_folder import DATABASE
from kronkeep_daemon.sinks.errors import SinkDriverMissing, SinkRefused
from kronkeep_daemon.sinks.parquet_months import FOLDERS, Month, ended_months, file_of, waits_for_ends
from kronkeep_daemon.sinks.parquet_process import (
    DRIVER_MISSING,
    FOREIGN_FILE,
    MonthOrder,
    WrittenMonth,
    hash_file,
)
from kronkeep_daemon.sinks.sink_state import SinkState

log = logging.getLogger(__name__)
PROGRAM = (sys.executable, "-m", "kronkeep_daemon.sinks.parquet_process")
ROUND_SECONDS = 3600.0
RETRY_SECONDS = 60.0  # after a fault
VERIFY_SECONDS = 86_400.0  # between two looks at all files
VERIFY_AGAIN_SECONDS = 3600.0  # after one that found a fault
UNFINISHED = {
    "executions": tuple(each for each in EXECUTION_TRANSITIONS if not is_final(EXECUTION_TRANSITIONS, each)),
    "backups": tuple(each for each in BACKUP_TRANSITIONS if not is_final(BACKUP_TRANSITIONS, each)),
    "restores": tuple(each for each in RESTORE_TRANSITIONS if not is_final(RESTORE_TRANSITIONS, each)),
    "alerts": (),  # one may be open for years
}
Months = dict[str, WrittenMonth]  # by the month's text


class ParquetShipper:
    """The task that writes the sealed months of one history below a folder.

    is_time_trusted: whether the clocks of this machine and the clusters agree; else no month is over.
    watched_until: returns up to when the runs of every cluster are recorded; None where that is not known.
    """

    def __init__(
        self,
        *,
        name: str,
        history: History,
        clock: Clock,
        daemon_name: str,
        folder: Path,
        is_time_trusted: Callable[[], bool],
        watched_until: Callable[[], datetime | None],
    ) -> None:
        self._name = name
        self._history = history
        self._clock = clock
        self._daemon_name = daemon_name
        self._folder = folder
        self._is_time_trusted = is_time_trusted
        self._watched_until = watched_until
        self._verify_at = 0.0
        self._damage: SinkRefused | None = None
        self.state = SinkState(since=clock.now())

    async def run(self) -> None:
        """Write what is sealed, and look again each hour; after a fault each minute."""
        while True:
            try:
                await self.ship()
            except KronkeepError as fault:
                self._fail(fault)
            is_done = self.state.fault is None and self._is_time_trusted()
            await self._clock.sleep(ROUND_SECONDS if is_done else RETRY_SECONDS)

    async def ship(self) -> None:
        """Write the files of months that are sealed, and verify all; raise SinkRefused, SinkDriverMissing."""
        for table in FOLDERS:
            if self._is_time_trusted():
                await self._ship_table(table)
        await self._verify_if_due()
        self.state.fault = None
        self.state.shipped_at = self._clock.now()
        self.state.set_status("live", self._clock.now())

    async def _verify_if_due(self) -> None:
        now = self._clock.monotonic()
        if now >= self._verify_at:
            self._damage = await self._find_damage()
            self._verify_at = now + (VERIFY_AGAIN_SECONDS if self._damage else VERIFY_SECONDS)
        if self._damage is not None:
            raise self._damage

    async def _find_damage(self) -> SinkRefused | None:
        """Return what is wrong with the first file that is not as it was written."""
        for table in FOLDERS:
            for month, written in self._known(table).items():
                if written.rows:
                    path = file_of(self._folder, self._daemon_name, table, Month.parse(month))
                    fault = await asyncio.to_thread(_compare, path, written)
                    if fault is not None:
                        return fault
        return None

    async def _ship_table(self, table: str) -> None:
        first = await asyncio.to_thread(_read_first, self._history.folder / DATABASE, table)
        if first is None:
            return
        for month in ended_months(first, self._clock.now()):
            known = self._known(table)
            if str(month) in known or self._lacks_runs(month):
                continue
            self.state.set_status("copying", self._clock.now())
            written = await self._write(table, month)
            if written.is_open:
                continue
            await self._remember(table, known | {str(month): written})
            self.state.copied += written.rows

    def _lacks_runs(self, month: Month) -> bool:
        """Whether a start after the month's end has yet to record the Jobs of it that clusters still have."""
        until = self._watched_until()
        is_watched = until is not None and until >= month.following.begin
        return not is_watched and waits_for_ends(month, self._clock.now())

    async def _write(self, table: str, month: Month) -> WrittenMonth:
        waits = waits_for_ends(month, self._clock.now())
        order = MonthOrder(
            database=str(self._history.folder / DATABASE),
            history_id=self._history.history_id,
            table=table,
            begin=month.begin,
            end=month.following.begin,
            target=str(file_of(self._folder, self._daemon_name, table, month)),
            unfinished=UNFINISHED[table] if waits else (),
        )
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, errors = await process.communicate(msgspec.json.encode(order))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise _fault_of(process.returncode, errors)
        return msgspec.json.decode(answer, type=WrittenMonth)

    def _known(self, table: str) -> Months:
        """Return the months that were written."""
        fact = self._history.facts.get(parquet_months_key(self._name, table))
        return msgspec.json.decode(fact.name, type=Months) if fact is not None and fact.name else {}

    async def _remember(self, table: str, months: Months) -> None:
        text = msgspec.json.encode(months).decode()
        self._history.facts.set(parquet_months_key(self._name, table), self._clock.now(), name=text)
        await self._history.commit()

    def _fail(self, fault: KronkeepError) -> None:
        if self.state.fault is None or self.state.fault.message != fault.message:
            log.warning("sink %s: %s", self._name, fault)
        self.state.fault = fault
        self.state.set_status("failed", self._clock.now())


def _compare(path: Path, written: WrittenMonth) -> SinkRefused | None:
    """Return what is wrong with a file, None where it is as it was written."""
    next_step = "Put the file back from a copy; kronkeepd writes no month twice."
    try:
        is_same = hash_file(path) == written.sha256
    except OSError as fault:
        return SinkRefused(f"{path} cannot be read: {fault.strerror}.", next_step=next_step)
    return None if is_same else SinkRefused(f"{path} is not as it was written.", next_step=next_step)


def _read_first(database: Path, table: str) -> datetime | None:
    """Return the time of a table's oldest record; None where it has none."""
    with translate_faults(database.parent), closing(connect(database)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return None
        sql = f"SELECT min(created_at) FROM {schema.quote(table)} WHERE created_at > ''"
        (text,) = connection.execute(sql).fetchone()
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def _fault_of(code: int, errors: bytes) -> KronkeepError:
    text = clean(errors[-2000:].decode(errors="replace"), 500)
    if code == DRIVER_MISSING:
        return SinkDriverMissing(
            "A sink of the kind parquet needs the library pyarrow.",
            next_step="Install it beside kronkeepd: pip install 'kronkeep[parquet]'.",
        )
    if code == FOREIGN_FILE:
        return SinkRefused(text, next_step="Give each daemon a name of its own (daemon), or another folder.")
    return SinkRefused(
        f"A month could not be written: {text or f'the process ended with {code}'}.",
        next_step="Check that kronkeepd may write to the folder (ReadWritePaths=) and that it has space.",
    )
