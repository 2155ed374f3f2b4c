"""What a policy's retention would do: whether it waits, what goes, what stays and why."""

from datetime import datetime

from kronkeep_common.models import CronJob, RetentionPlan, SnapshotVerdict
from kronkeep_common.text import age, size
from kronkeep_tui.pages.policies import keeps
from kronkeep_tui.pages.words import cause, state
from kronkeep_tui.widgets.cells import Text, fit_text


def plan_lines(plan: RetentionPlan, cronjob: CronJob, now: datetime, width: int) -> list[Text]:
    """The rules, whether the removals wait for a person, then each snapshot, those that go first."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    asked = f"  as of {age(plan.computed_at, now)} ago"
    lines: list[Text] = [
        ((f"{name}  ", "strong"), ("keeps ", "quiet"), (keeps(plan.retention), ""), (asked, "quiet")),
        *_stands(plan, width),
        (),
        ((f"GOES  {len(plan.remove)}", "title"),),
        *(_verdict(verdict, now, width) for verdict in plan.remove),
        (),
        ((f"STAYS  {len(plan.keep)}", "title"),),
    ]
    return [*lines, *(_verdict(verdict, now, width) for verdict in plan.keep)]


def _stands(plan: RetentionPlan, width: int) -> list[Text]:
    if plan.blocked_by is not None:
        return cause(plan.blocked_by, "a approves exactly these removals, no others.", width, "warn")
    if plan.remove:
        return cause("These go after the next backup; nobody need approve them.", None, width, "")
    return cause("Nothing would go now.", None, width, "quiet")


def _verdict(verdict: SnapshotVerdict, now: datetime, width: int) -> Text:
    """`2026-11-24 03:14Z   24h  ok    b1946ac9   1.2 MiB  younger than 30 days`."""
    word, kind = state(verdict.status)
    line = (
        (f"{verdict.created_at:%Y-%m-%d %H:%M}Z", ""),
        (f"{age(verdict.created_at, now):>6}  ", "quiet"),
        (f"{word:5}", kind),
        (f" {verdict.snapshot_id[:8]:8} {size(verdict.bytes_stored):>10}  ", "quiet"),
        (verdict.why, ""),
    )
    return fit_text(line, width)
