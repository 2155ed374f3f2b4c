"""Repair of records that a clock which was ahead dated in the future; it runs once the clock is right again.

Times of backups, copies, restores, alerts and storages that lie in the future become now, and a backup's
warnings keep what was recorded. A run without a Job of a slot that has not come yet is removed: it says of
the future that it was missed.
"""

import logging
from datetime import datetime, timedelta

import msgspec

from kronkeep_common.models import BackupExecution
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.records import Records, T

log = logging.getLogger(__name__)
TOLERANCE = timedelta(seconds=60)  # a time that is less ahead is not in the future
PAGE = 500
_FUTURE_FIELDS = frozenset({"deadline_at"})  # of all times in these records the only one that may lie ahead


def correct_times(record: T, now: datetime) -> T:
    """Return the record with its times at most `now`; the same object where none lies in the future.

    The records in its fields are corrected too.
    """
    assert isinstance(record, msgspec.Struct)
    values = {name: getattr(record, name) for name in record.__struct_fields__ if name not in _FUTURE_FIELDS}
    ahead = {
        name: value
        for name, value in values.items()
        if isinstance(value, datetime) and value > now + TOLERANCE
    }
    inner = {name: correct_times(value, now) for name, value in values.items() if _is_record(value)}
    changes: dict[str, object] = {name: value for name, value in inner.items() if value is not values[name]}
    if not ahead and not changes:
        return record
    changes |= dict.fromkeys(ahead, now)
    if isinstance(record, BackupExecution) and ahead:
        latest = max(ahead.values())
        mark = f"It was dated {latest:%Y-%m-%d %H:%M} UTC by a clock that was ahead; the date was corrected."
        changes["warnings"] = (*record.warnings, mark)
    return msgspec.structs.replace(record, **changes)


def _is_record(value: object) -> bool:
    return isinstance(value, msgspec.Struct)


async def repair(history: History, now: datetime) -> int:
    """Correct or remove what is dated in the future and return how many records that were.

    Raise ReadOnlyHistory, DamagedHistory.
    """
    count = sum(
        (
            _correct_table(history.backups, now),
            _correct_table(history.restores, now),
            _correct_table(history.alerts, now),
            correct_all(history.storages, now),
            _correct_table(history.copies, now),
            _remove_runs_of_the_future(history, now),
        )
    )
    if count:
        await history.commit()
        log.warning("%d records were dated in the future by a clock that was ahead; corrected", count)
    return count


def correct_all(records: Records[T], now: datetime) -> int:
    """Correct a table of few records, whatever their order; return how many."""
    corrected = [new for old in records.all() if (new := correct_times(old, now)) is not old]
    for record in corrected:
        records.put(record)
    return len(corrected)


def _correct_table(records: Records[T], now: datetime) -> int:
    """Correct the newest records, page by page, until a page has nothing to correct; return how many."""
    corrected: list[T] = []
    for page in records.pages(PAGE):
        pairs = [(record, correct_times(record, now)) for record in page]
        changed = [new for old, new in pairs if new is not old]
        corrected += changed
        if not changed:
            break
    for record in corrected:
        records.put(record)
    return len(corrected)


def _remove_runs_of_the_future(history: History, now: datetime) -> int:
    runs = history.executions.newest(limit=1_000_000, since=now + TOLERANCE).items
    ids = [run.id for run in runs if run.job is None and run.created_at > now + TOLERANCE]
    for run_id in ids:
        history.executions.retract(run_id)
    return len(ids)
