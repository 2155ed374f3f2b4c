"""Backup policies with the CronJobs that carry them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kronkeep_common.models import CronJob
from kronkeep_tui.actions import ANY, TABLE
from kronkeep_tui.pages.jobs import detail, facts
from kronkeep_tui.pages.words import backup_words, good_age
from kronkeep_tui.store import Store
from kronkeep_tui.views.table import Order, TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import Column, Row


class PoliciesView(TableView[CronJob]):
    """CronJobs that have a policy, or a broken one."""

    SCOPES = ("policies", TABLE, ANY)
    COLUMNS = (
        Column("BACKUP", 10, letter="b"),
        Column("NAMESPACE", 11, drop=4, grow=1, letter="n"),
        Column("CRONJOB", 18, grow=3, letter="a"),
        Column("STORAGE", 12, drop=1, grow=1),
        Column("WHEN", 15, drop=3, grow=1),
        Column("KEEPS", 14, drop=5, grow=1),
        Column("LAST GOOD", 10, letter="g", right=True),
    )
    EMPTY = (
        "No CronJob has a backup policy yet.",
        "",
        "n in Jobs makes one with a policy, E there adds one.",
    )
    ORDERS = {
        "a": Order("name", lambda c: c.name),
        "n": Order("namespace", lambda c: (c.namespace, c.name)),
        "g": Order("last good", lambda c: c.last_good_backup_at.timestamp() if c.last_good_backup_at else 0),
    }

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return "Policies"

    def records(self, store: Store) -> Sequence[CronJob]:
        """CronJobs with a policy."""
        return [c for c in store.cronjobs if c.policy is not None or c.policy_fault is not None]

    def facts(self, record: CronJob) -> Any:
        """What the filter looks at."""
        return facts(record)

    def is_fault(self, record: CronJob) -> bool:
        """A policy that cannot be acted on, or warns."""
        return record.policy_fault is not None or bool(record.policy_findings)

    def row(self, record: CronJob, store: Store, now: datetime) -> Row:
        """One policy."""
        policy = record.policy
        retention = policy.retention if policy else None
        cells = (
            (backup_words(store, record),),
            record.namespace,
            record.name,
            policy.storage_id if policy else "-",
            (policy.schedule or "after each run") if policy else "-",
            f"{retention.days} days" if retention and retention.days else "by count" if retention else "-",
            (good_age(record, now),),
        )
        return Row(record.id, cells)

    def detail(self, record: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
        """What is said of its CronJob."""
        return detail(record, store, now, width)

    def do_choose(self) -> None:
        """Shows the CronJob's runs."""
        if (cronjob := self.subject()) is not None:
            self.frame.enter("runs", cronjob.id)

    def do_form(self) -> None:
        """Opens the CronJob with its policy in the form."""
        if (cronjob := self.subject()) is not None:
            self.frame.enter("form", f"edit {cronjob.namespace}/{cronjob.name}")

    def do_yaml(self) -> None:
        """Shows the CronJob with its policy as it would be written."""
        if (cronjob := self.subject()) is not None:
            self.frame.enter("yaml", f"cronjob {cronjob.namespace}/{cronjob.name}")
