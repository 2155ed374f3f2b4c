"""What a channel is given, and how it says that it could not be sent."""

import msgspec

from kronkeep_common.models import Alert
from kronkeep_daemon.alerts.flips import Event


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is told; `id` is the same when it is sent again, so that a receiver can tell."""

    id: str
    event: Event
    alert: Alert

    @property
    def title(self) -> str:
        """One line."""
        word = "resolved" if self.event == "resolved" else self.alert.severity
        return f"kronkeep: {word}: {self.alert.code} {self.alert.object}"

    @property
    def text(self) -> str:
        """The whole in plain lines."""
        lines = [self.alert.message, self.alert.next_step, f"Since {self.alert.since:%Y-%m-%d %H:%M} UTC."]
        if self.event == "resolved":
            lines = [f"It has ended: {self.alert.message}", lines[2]]
        elif self.event == "repeated":
            lines.append(f"Nobody has acknowledged it: kronkeep acknowledge {self.alert.id}")
        return "\n".join(lines)


class NotSent(Exception):
    """A channel did not take a message; `final` when sending it again would not help."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final
