"""Alerts: what is wrong now, since when, and what to do about it."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import Moment, Record, Request
from kronkeep_common.states import AlertStatus

Severity = Literal["warning", "critical"]
Kind = Literal["cronjob", "storage", "claim", "watch", "history", "channel", "sink"]


class ChannelTestRequest(Request, frozen=True, kw_only=True):
    """The channels to send a test to, by name; all of the settings without one."""

    channels: Annotated[tuple[str, ...], msgspec.Meta(max_length=20)] = ()


class ChannelTrial(Record, frozen=True, kw_only=True):
    """How the test of a channel ended; `message` says why it was not sent."""

    name: str
    kind: str
    is_sent: bool
    message: str | None = None


class Alert(Record, frozen=True, kw_only=True):
    """One problem of one object, from when it was noticed to its end.

    `code` is an AlertCode; `kind`, `object` and `object_id` name the object, and `record_id` the run, backup
    or restore that the alert is about. The problem began at `since`; kronkeep noticed it at `created_at`.
    `told_at` is when the alert was last sent to channels; `silence_id` is the silence that holds it back now.
    `reason` is that of the run, backup or storage, as lists of these show it.
    `node`, `image` and `last_line` (of the log) are known where a run failed: alerts that share them are
    sent as one message.
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
    reason: str | None = None
    node: str | None = None
    image: str | None = None
    last_line: str | None = None
    silence_id: str | None = None
    told_at: Moment | None = None
    acknowledged_at: Moment | None = None
    acknowledged_by: str | None = None
    resolved_at: Moment | None = None
