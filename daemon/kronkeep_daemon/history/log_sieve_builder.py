"""The task that keeps the sieve true: rows that do not fit their folders go, missing ones are made."""

import asyncio
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_daemon.history import log_usage
from kronkeep_daemon.history.kept_logs import KeptLogStore
from kronkeep_daemon.history.log_sieve import key_of, stamp_of

SLICE = 200  # folders or rows looked at in one call of a thread
REVIEW_SECONDS = 600.0  # between two looks for records without a row
IDLE_SHARE = 4  # seconds that pass for each second of making rows: searches and saves come first


class LogSieveBuilder:
    """The task of one history's kept logs."""

    def __init__(self, *, logs: KeptLogStore, clock: Clock) -> None:
        self._logs = logs
        self._sieve = logs.sieve
        self._clock = clock

    async def run(self) -> None:
        """Compare every row with its folder, then make the rows that are missing, again and again."""
        while True:
            await asyncio.to_thread(self._sieve.open)
            if self._sieve.is_open:
                await self.review()
            await self._clock.sleep(REVIEW_SECONDS)

    async def review(self) -> None:
        """Compare the rows with the folders, where that was not done yet; then make the missing ones."""
        if not self._sieve.is_believed:
            await self._remove_stale()
            self._sieve.is_believed = True
        for namespace in await log_usage.list_folders(self._logs.folder):
            await self._build_missing(namespace)

    async def _remove_stale(self) -> None:
        last = ""
        while keys := await asyncio.to_thread(self._sieve.keys_after, last, SLICE):
            await asyncio.to_thread(self._compare, keys)
            last = keys[-1]

    def _compare(self, keys: list[str]) -> None:
        """Remove the rows whose folder is another now; what is being saved meanwhile may lose its row too."""
        for key, stamp in self._sieve.stamps(keys).items():
            try:
                fits = stamp_of(self._logs.folder / key) == stamp
            except OSError:
                fits = False
            if not fits:
                self._sieve.remove(key)

    async def _build_missing(self, namespace: str) -> None:
        folders = _iterate_folders(self._logs.folder / namespace)
        while records := await asyncio.to_thread(_next_slice, folders):
            keys = [key_of(namespace, record) for record in records]
            stamps = await asyncio.to_thread(self._sieve.stamps, keys)
            for record, key in zip(records, keys, strict=True):
                if key not in stamps and self._sieve.is_open:
                    began = time.monotonic()
                    await self._logs.build_sieve(namespace, record)
                    await self._clock.sleep(IDLE_SHARE * (time.monotonic() - began))


def _next_slice(folders: Iterator[str]) -> list[str]:
    return list(islice(folders, SLICE))


def _iterate_folders(namespace: Path) -> Iterator[str]:
    try:
        with os.scandir(namespace) as entries:
            yield from (entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return
