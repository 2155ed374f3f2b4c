"""Alerts: what is wrong now, since when, and what to do about it."""

from typing import Literal

from kronkeep_common.models.base import Moment, Record
from kronkeep_common.states import AlertStatus

Severity = Literal["warning", "critical"]
Kind = Literal["cronjob", "storage", "watch"]


class Alert(Record, frozen=True, kw_only=True):
    """One thing that is wrong with one object, from its first sight to its end.

    `code` is stable (RunFailed, BackupOverdue, ...); `kind`, `object` and `object_id` say with what;
    `record_id` is the run, backup or restore that it is about. It is wrong since `since`, and known since
    `created_at`. `told_at` is when channels were last given it.
    """

    id: str
    code: str
    severity: Severity
    status: AlertStatus
    kind: Kind
    object: str
    object_id: str
    cluster: str = ""
    namespace: str = ""
    cronjob: str | None = None
    cronjob_id: str | None = None
    policy_id: str | None = None
    storage_id: str | None = None
    record_id: str | None = None
    since: Moment
    created_at: Moment
    message: str
    next_step: str
    told_at: Moment | None = None
    acknowledged_at: Moment | None = None
    acknowledged_by: str | None = None
    resolved_at: Moment | None = None
