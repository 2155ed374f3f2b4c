"""What a policy's retention would do: whether it waits, what goes, what stays and why."""

from datetime import datetime

from kronkeep_common.models import CronJob, RetentionPlan, SnapshotVerdict
from kronkeep_common.text import age, size
from kronkeep_tui.pages.policies import keeps
from kronkeep_tui.pages.words import cause, state
from kronkeep_tui.widgets.cells import Text, plain, wrap

WITH_SIZE = 100  # cells from which there is room for what a snapshot stored


def plan_lines(plan: RetentionPlan, cronjob: CronJob, now: datetime, width: int) -> list[Text]:
    """The rules, whether the removals wait for a person, then each snapshot, those that go first."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    asked = f"  as of {age(plan.computed_at, now)} ago"
    lines: list[Text] = [
        ((f"{name}  ", "strong"), ("keeps ", "quiet"), (keeps(plan.retention), ""), (asked, "quiet")),
        *_stands(plan, width),
        (),
        ((f"GOES  {len(plan.remove)}", "title"),),
        *(line for verdict in plan.remove for line in _verdict(verdict, now, width)),
        (),
        ((f"STAYS  {len(plan.keep)}", "title"),),
    ]
    return [*lines, *(line for verdict in plan.keep for line in _verdict(verdict, now, width))]


def _stands(plan: RetentionPlan, width: int) -> list[Text]:
    if plan.blocked_by is not None:
        return cause(plan.blocked_by, "a approves exactly these removals, no others.", width, "warn")
    if plan.remove:
        return cause("These go after the next backup; nobody need approve them.", None, width, "")
    return cause("Nothing would go now.", None, width, "quiet")


def _verdict(verdict: SnapshotVerdict, now: datetime, width: int) -> list[Text]:
    """`2026-11-24 03:14Z   24h  ok    b1946ac9  younger than 30 days`; why wrapped."""
    word, kind = state(verdict.status)
    stored = f"{size(verdict.bytes_stored):>10}  " if width >= WITH_SIZE else ""
    lead: Text = (
        (f"{verdict.created_at:%Y-%m-%d %H:%M}Z", ""),
        (f"{age(verdict.created_at, now):>6}  ", "quiet"),
        (f"{word:5}", kind),
        (f" {verdict.snapshot_id[:8]:8}  {stored}", "quiet"),
    )
    indent = len(plain(lead))
    first, *more = wrap(verdict.why, max(16, width - indent))
    return [(*lead, (first, "")), *(((" " * indent + part, ""),) for part in more)]
