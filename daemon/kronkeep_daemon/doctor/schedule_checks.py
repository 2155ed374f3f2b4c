"""The check of CronJobs whose schedules and backups conflict."""

from collections.abc import Iterator

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import Check
from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_common.text import clean
from kronkeep_daemon.history import Records

ALERTS_PER_PAGE = 200


def check_schedules(alerts: Records[Alert]) -> Iterator[Check]:
    """Yield a warning for each CronJob whose schedule and backup conflict, by its alert."""
    for status in (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED):
        for page in alerts.pages(ALERTS_PER_PAGE, status=status):
            for alert in page:
                if alert.code == AlertCode.SCHEDULE_CONFLICT:
                    name = f"schedule of {clean(alert.object, 120)}"
                    yield Check(name=name, status="warn", message=alert.message, next_step=alert.next_step)
