"""Where backups are kept: how full, how checked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.models import BackupStorage
from kronkeep_common.text import age, size
from kronkeep_tui.actions import ANY, TABLE
from kronkeep_tui.pages.words import CAPACITY_WARNING, bar, fill, state
from kronkeep_tui.store import Store
from kronkeep_tui.views.table import Order, TableView
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, Row


class StorageFacts(NamedTuple):
    """What the filter may ask of a storage."""

    id: str
    name: str
    status: str
    storage_id: str
    created_at: datetime


class StoragesView(TableView[BackupStorage]):
    """Storages, one row each."""

    SCOPES = ("storages", TABLE, ANY)
    COLUMNS = (
        Column("ST", 5, letter="s"),
        Column("STORAGE", 14, grow=2, letter="n"),
        Column("KIND", 7, drop=3),
        Column("USED", 26, drop=1),
        Column("SNAPSHOTS", 10, drop=4, right=True),
        Column("CHECKED", 14, drop=2),
        Column("POLICIES", 9, drop=5, right=True),
        Column("REPOSITORY", 20, drop=6, grow=3),
    )
    EMPTY = (
        "No storage yet. A storage is a named place for one restic repository:",
        "",
        "kronkeep create storage NAME --kind local --set path=/srv/backups",
    )
    ORDERS = {
        "s": Order("state", lambda s: (s.status == "active", s.status)),
        "n": Order("name", lambda s: s.id),
        "u": Order("used", lambda s: fill(s) or 0, True),
    }

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return "Storages"

    def records(self, store: Store) -> Sequence[BackupStorage]:
        """Every storage."""
        return sorted(store.storages.newest(), key=lambda s: s.id)

    def version(self, store: Store) -> object:
        """The storages."""
        return store.storages

    def facts(self, record: BackupStorage) -> Any:
        """What the filter looks at."""
        return StorageFacts(record.id, record.id, record.status, record.id, record.created_at)

    def is_fault(self, record: BackupStorage) -> bool:
        """Failed, found faulty, or nearly full."""
        return (
            record.status == "failed" or record.check_ok is False or (fill(record) or 0) >= CAPACITY_WARNING
        )

    def row(self, record: BackupStorage, store: Store, now: datetime) -> Row:
        """One storage."""
        shown, kind = state(record.status)
        used = fill(record)
        held = size(record.usage.used_bytes) if record.usage else "not measured"
        full = "bad" if used is not None and used >= CAPACITY_WARNING else ""
        policies = sum(1 for c in store.cronjobs if c.policy and c.policy.storage_id == record.id)
        cells = (
            shown,
            record.id,
            record.kind,
            ((bar(100 * used, 12) if used is not None else held, full),),
            str(record.usage.snapshots) if record.usage else "-",
            _checked(record, now),
            str(policies),
            record.repository,
        )
        return Row(record.id, cells, kind)

    def detail(self, record: BackupStorage, store: Store, now: datetime, width: int) -> list[Text]:
        """State, figures, who uses it."""
        lines: list[Text] = [
            (state(record.status), (f"  {record.id}", "strong"), (f"  {record.repository}", "quiet"))
        ]
        for words, kind in ((record.message, "bad"), (record.next_step, "")):
            lines += [((part, kind),) for part in wrap(words, width)] if words else []
        if (usage := record.usage) is not None:
            of = f" of {size(usage.capacity_bytes)}" if usage.capacity_bytes else ""
            measured = f"  measured {age(usage.measured_at, now)} ago"
            lines.append(
                ((f"{size(usage.used_bytes)}{of}, {usage.snapshots} snapshots", ""), (measured, "quiet"))
            )
        lines.append((("check ", "quiet"), *_checked(record, now)))
        names = [c.name for c in store.cronjobs if c.policy and c.policy.storage_id == record.id]
        return [*lines, (("policies ", "quiet"), (", ".join(names) or "none", ""))]

    def do_choose(self) -> None:
        """Shows the record."""
        self.do_yaml()

    def do_yaml(self) -> None:
        """Shows the record."""
        if (storage := self.subject()) is not None:
            self.frame.enter("yaml", f"storage {storage.id}")


def _checked(storage: BackupStorage, now: datetime) -> Text:
    if storage.check_ok is None:
        return (("never", "quiet"),)
    words = "ok" if storage.check_ok else "FAILED"
    return ((f"{words} {age(storage.checked_at, now)} ago", "ok" if storage.check_ok else "bad"),)
