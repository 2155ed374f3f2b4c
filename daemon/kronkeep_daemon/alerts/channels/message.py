"""The messages to channels, about alerts and reports, and the error of a channel that did not accept one."""

from typing import Literal, Protocol

import msgspec

from kronkeep_common.models import Alert
from kronkeep_common.models.alert import Severity
from kronkeep_common.models.morning_report import MorningReport
from kronkeep_daemon.alerts.alert_changes import EventName
from kronkeep_daemon.alerts.chat_text import neutralise, quote

NAMED = 30  # further alerts that a message's text names


MessageKind = Literal["good", "warning", "critical"]


class ChannelMessage(Protocol):
    """What a channel sends; `id` is the same when it is sent again."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> MessageKind: ...

    @property
    def title(self) -> str: ...

    @property
    def text(self) -> str: ...

    def encode(self) -> bytes: ...


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message; its `id` is the same when it is sent again, so that a receiver can recognise it.

    In a storm one message covers many alerts: `others` are the further ones with the same event, and `cause`
    is what they share.
    """

    id: str
    event: EventName
    alert: Alert
    others: tuple[Alert, ...] = ()
    cause: str | None = None

    def encode(self) -> bytes:
        """Return the message as JSON: id, event, title, text, and each alert with all its fields."""
        return msgspec.json.encode(
            {
                "id": self.id,
                "event": self.event,
                "title": self.title,
                "text": self.text,
                "alert": self.alert,
                "others": self.others,
                "cause": self.cause,
            }
        )

    @property
    def kind(self) -> MessageKind:
        """How services that have colours or signs show it."""
        return "good" if self.event == "resolved" else self.severity

    @property
    def severity(self) -> Severity:
        """The highest severity among its alerts."""
        critical = any(alert.severity == "critical" for alert in (self.alert, *self.others))
        return "critical" if critical else "warning"

    @property
    def title(self) -> str:
        """Severity, code and object in one line."""
        word = "resolved" if self.event == "resolved" else self.severity
        if self.others:
            return f"kronkeep: {word}: {self._summary}"
        return f"kronkeep: {word}: {self.alert.code} {neutralise(self.alert.object)}"

    @property
    def _summary(self) -> str:
        """How many alerts there are since when, where the first was, and what they are about."""
        alerts = (self.alert, *self.others)
        codes = sorted({alert.code for alert in alerts})
        objects = {alert.object_id for alert in alerts}
        is_cronjobs = all(alert.kind == "cronjob" for alert in alerts)
        number = f"{len(objects)} CronJobs" if is_cronjobs else f"{len(alerts)} alerts"
        what = codes[0] if len(codes) == 1 else f"{codes[0]} and {len(codes) - 1} more codes"
        node = f" on {neutralise(self.alert.node)}" if self.alert.node else ""
        first = f"first {neutralise(self.alert.object)}{node}"
        return f"{number} since {self.alert.since:%H:%M} UTC, {first}: {what}"

    @property
    def text(self) -> str:
        """The whole message in plain lines; the first, which may have words of a tenant, is a quotation."""
        since = f"Since {self.alert.since:%Y-%m-%d %H:%M} UTC."
        lines = [quote(self.alert.message), neutralise(self.alert.next_step), since]
        if self.cause:
            lines.insert(1, neutralise(self.cause))
        if self.event == "resolved":
            lines = [lines[0], "It has ended." if not self.others else "They have ended.", since]
        elif self.event == "repeated":
            lines.append(f"Nobody has acknowledged it: kronkeep acknowledge {self.alert.id}")
        lines += [
            f"{other.severity}: {other.code} {neutralise(other.object)}" for other in self.others[:NAMED]
        ]
        if len(self.others) > NAMED:
            lines.append(f"and {len(self.others) - NAMED} more: kronkeep get alerts")
        return "\n".join(lines)


class ReportMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A morning report with its title and its text."""

    id: str
    title: str
    text: str
    report: MorningReport

    @property
    def kind(self) -> MessageKind:
        """How services that have colours or signs show it."""
        return "good" if self.report.is_well else "warning"

    def encode(self) -> bytes:
        """Return the message as JSON: id, event (`report`), title, text, and the report with its figures."""
        return msgspec.json.encode(
            {
                "id": self.id,
                "event": "report",
                "title": self.title,
                "text": self.text,
                "report": self.report,
            }
        )


class TrialMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message by which a person sees that a channel works; it is about no alert."""

    id: str
    user: str

    @property
    def kind(self) -> MessageKind:
        """How services that have colours or signs show it."""
        return "good"

    @property
    def title(self) -> str:
        """What it is, in one line."""
        return "kronkeep: test of this channel"

    @property
    def text(self) -> str:
        """Who asked for it."""
        return f"Nothing is wrong: {neutralise(self.user)} asked kronkeep for a test of this channel."

    def encode(self) -> bytes:
        """Return the message as JSON: id, event (`test`), title and text."""
        return msgspec.json.encode({"id": self.id, "event": "test", "title": self.title, "text": self.text})


class NotSent(Exception):
    """A channel did not accept a message; `final` where sending it again would not help."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final
