"""The check of how many alerts are open: what the doctor itself does not look at."""

from typing import Literal

from kronkeep_common.api import Check
from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.history import Records

NAME = "open alerts"
ALERTS_PER_PAGE = 200


def check_alerts(alerts: Records[Alert]) -> Check:
    """Count the open alerts; a warning where one is critical and no silence holds it back.

    They are about CronJobs and their backups, not about what kronkeep depends on, so they are no failure.
    """
    count = critical = silenced = 0
    for page in alerts.pages(ALERTS_PER_PAGE, status=AlertStatus.OPEN):
        count += len(page)
        critical += sum(alert.severity == "critical" and alert.silence_id is None for alert in page)
        silenced += sum(alert.silence_id is not None for alert in page)
    if not count:
        return Check(name=NAME, status="ok", message="There is none.")
    words = f"{count - silenced} open, {critical} critical"
    words += f", and {silenced} silenced" if silenced else ""
    status: Literal["ok", "warn"] = "warn" if critical else "ok"
    return Check(name=NAME, status=status, message=f"{words}.", next_step="kronkeep get alerts")
