"""The Policies view: backup policies with the CronJobs that carry them."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models import CronJob
from kronkeep_common.natural_order import NaturalKey, natural_key
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters, previews
from kronkeep_tui.pages import policies as page
from kronkeep_tui.store import Store, backups_of
from kronkeep_tui.views.cronjob_table import CronJobTableView
from kronkeep_tui.views.log_preview import LogPreview
from kronkeep_tui.views.name_columns import cronjob_name, namespace_of
from kronkeep_tui.views.retention_outlook import RetentionOutlook
from kronkeep_tui.views.row_reader import FROM_COLUMNS
from kronkeep_tui.views.sort_orders import SortOrder, moment_key, name_key
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

RUNS_IN_PREVIEW = 5  # lines, which leave space for backups and log


def _recovery_point_key(cronjob: CronJob) -> tuple[bool, float]:
    """Sort overdue backups first, then the oldest good backup."""
    good_at = cronjob.last_good_backup_at
    return not cronjob.backup_overdue, good_at.timestamp() if good_at else 0.0


class PoliciesView(CronJobTableView):
    """CronJobs that have a policy, or one that cannot be read."""

    SCOPES = (Scope.POLICIES, Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    DEFAULT_CSS = "PoliciesView > .detail { height: 7; }"
    NAME_COLUMNS = {"NAMESPACE": namespace_of, "CRONJOB": cronjob_name}
    CLUSTER_COLUMN_INDEX = 1
    EMPTY_LINES = (
        "No CronJob has a backup policy yet.",
        "",
        "n  creates a CronJob with its policy; e in Jobs adds one to an existing CronJob",
    )
    SORT_ORDERS = {
        "a": SortOrder("name", name_key("name", "namespace")),
        "n": SortOrder("namespace", name_key("namespace", "name")),
        "g": SortOrder("last good", moment_key("last_good_backup_at")),
        "v": SortOrder("last verified", moment_key("last_verified_at")),
        "o": SortOrder("recovery point", _recovery_point_key),
        "x": SortOrder("next backup", moment_key("next_backup_at", missing=float("inf"))),
    }
    SORT_FIELDS = {
        "a": "cronjob",
        "n": "namespace",
        "g": "last_good_backup_at",
        "v": "last_verified_at",
        "x": "next_backup_at",
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._retention = RetentionOutlook(context, self.show_detail)
        self._log = LogPreview(context, self.show_detail)

    def form_target(self, cronjob: CronJob) -> str:
        """Return the section of the backup, or the RPO where the details say that there is none."""
        has_none = cronjob.policy is not None and cronjob.policy.rpo_seconds is None
        return "rpo" if has_none else "policy"

    def crumb(self, store: Store) -> str:
        return "Policies"

    def records(self, store: Store) -> Sequence[CronJob]:
        carriers = [c for c in store.cronjobs if c.policy is not None or c.policy_fault is not None]
        return sorted(carriers, key=self._natural_order_key)

    def _natural_order_key(self, cronjob: CronJob) -> tuple[bool, NaturalKey, NaturalKey]:
        """Sort policies with a fault first, then by namespace and name."""
        return not self.is_faulty(cronjob), natural_key(cronjob.namespace), natural_key(cronjob.name)

    def is_faulty(self, record: CronJob) -> bool:
        """Return whether the policy cannot be read or archives nothing, is overdue, or has findings."""
        is_useless = any((record.policy_fault, record.nothing_to_archive, record.storage_refusal))
        return is_useless or record.backup_overdue or bool(record.policy_findings)

    def row_of(self, record: CronJob, store: Store, now: datetime) -> TableRow:
        return page.row(record, store, now)

    def detail_lines(self, record: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
        if self.context.view_size.width < FROM_COLUMNS:
            return page.detail(record, store, now, width)
        return [
            *page.detail(record, store, now, width, RUNS_IN_PREVIEW),
            *self._preview(record, store, now, width),
        ]

    def _preview(self, record: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
        """Return what retention does, the last backups, and the end of the newest run's log."""
        lines: list[Text] = []
        if record.policy is not None:
            plan = self._retention.plan(record, store)
            lines += previews.retention_lines(plan, waiting_lines(self.context, width), now, width)
        lines += previews.backup_lines(backups_of(store, record.id), now)
        return lines + self._log.lines(store.executions.get(record.last_execution_id), width)

    def refusal(self, action: Action) -> str:
        cronjob = self.subject()
        if action == actions.RETENTION and cronjob is not None and cronjob.policy is None:
            name = clusters.label(cronjob, self.store)
            return f"The policy of {name} cannot be read, so its retention removes nothing."
        return ""

    @handles(actions.RETENTION)
    def show_retention(self) -> None:
        """Show what the policy's retention would remove now."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("retention", cronjob.id)
