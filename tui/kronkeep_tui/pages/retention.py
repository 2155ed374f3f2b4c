"""Content of the retention pages: whether removals wait for approval, what is removed, what stays and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob, Retention, RetentionPlan, SnapshotVerdict
from kronkeep_common.reasons import Reason
from kronkeep_common.text import age, count_words, size, stay_words
from kronkeep_tui.pages.moments import local_time
from kronkeep_tui.pages.policies import retention_words
from kronkeep_tui.pages.status_words import cause, state
from kronkeep_tui.widgets.cells import Text, plain, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

WITH_SIZE = 100  # cells from which there is room for what a snapshot stored
COLUMNS = (
    Column(title="CRONJOB", width=18, grow=3, letter="n"),
    Column(title="REMOVE", width=7, right=True),
    Column(title="STORED", width=10, right=True),
    Column(title="KEEP", width=5, right=True),
    Column(title="WHEN", width=19, drop=1),
    Column(title="KEEPS", width=14, drop=2, grow=3),
)


# That each keep some snapshots by themselves; `min_good` holds beside any of them.
RULE_NAMES = ("days", "keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")


class PlanOwner(NamedTuple):
    """Whose plan it is, and whether no CronJob carries its policy any more."""

    name: str
    is_orphan: bool = False


def row(cronjob: CronJob, plan: RetentionPlan | KronkeepError | None) -> TableRow:
    """Return the row of a policy: snapshots to remove, their size, whether they wait for approval."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    rules = retention_words(cronjob.policy.retention) if cronjob.policy else "-"
    if not isinstance(plan, RetentionPlan):
        return TableRow(cronjob.id, (name, "-", "-", "-", "fetching" if plan is None else "not known", rules))
    goes = len(plan.remove)
    when = (
        ("unusual" if plan.held_by else "waits for approval", "warn")
        if plan.blocked_by
        else ("after next backup" if goes else "-", "" if goes else "quiet")
    )
    return TableRow(
        cronjob.id, (name, str(goes), _stored_size(plan.remove), str(len(plan.keep)), (when,), rules)
    )


def _stored_size(removals: tuple[SnapshotVerdict, ...]) -> str:
    """Return the stored bytes of the removals, if restic reported them for each."""
    sizes = [verdict.bytes_stored for verdict in removals if verdict.bytes_stored is not None]
    return size(sum(sizes)) if removals and len(sizes) == len(removals) else "-"


def detail(plan: RetentionPlan | KronkeepError | None, now: datetime, width: int) -> list[Text]:
    """Return the state of the removals and what they are; enter leads to each snapshot's reason."""
    if plan is None:
        return [(("Fetching the plan ...", "quiet"),)]
    if isinstance(plan, KronkeepError):
        return cause(plan.message, plan.next_step, width, "bad")
    goes = [line for verdict in plan.remove for line in _verdict_lines(verdict, now, width)]
    return [
        *_stands(plan, width, "enter shows them; a approves them there."),
        *_unknown(plan, width),
        *goes,
    ]


def plan_lines(plan: RetentionPlan, owner: PlanOwner, now: datetime, width: int) -> list[Text]:
    """Return the rules, whether the removals wait for approval, then each snapshot, removals first."""
    asked = f"  as of {age(plan.computed_at, now)} ago"
    lines: list[Text] = [
        (
            (f"{owner.name}  ", "strong"),
            ("kept " if owner.is_orphan else "keeps ", "quiet"),
            (retention_words(plan.retention), ""),
            (asked, "quiet"),
        ),
        *(_stands_of_orphan if owner.is_orphan else _stands)(
            plan, width, "a approves exactly these removals, no others."
        ),
        *_unknown(plan, width),
        (),
        ((f"TO REMOVE  {len(plan.remove)}", "title"),),
        *(line for verdict in plan.remove for line in _verdict_lines(verdict, now, width)),
        (),
        ((f"TO KEEP  {len(plan.keep)}", "title"),),
    ]
    return [*lines, *(line for verdict in plan.keep for line in _verdict_lines(verdict, now, width))]


def trial_lines(plan: RetentionPlan, now: datetime, width: int) -> list[Text]:
    """Return what rules that are not saved would do: counts, the snapshots that go, then those that stay."""
    count = len(plan.keep) + len(plan.remove)
    if not count:
        return untried_lines(plan.retention, width)
    goes = f"{len(plan.remove)} of {count_words(count, 'snapshot')} would go"
    stay = stay_words(len(plan.keep))
    head: Text = ((f"With these rules {goes}, {stay}.", "warn" if plan.remove else "ok"),)
    approval = f"Once saved: {plan.blocked_by}" if plan.blocked_by is not None else ""
    return [
        head,
        *rules_lines(plan.retention, width),
        *(((part, "warn"),) for part in wrap(approval, width) if part),
        *_unknown(plan, width),
        *_section_lines("GO", plan.remove, now, width),
        *_section_lines("STAY", plan.keep, now, width),
    ]


def untried_lines(rules: Retention, width: int) -> list[Text]:
    """Return what rules keep where there is no snapshot on which they could be tried."""
    nothing = "There is no snapshot yet that these rules could remove."
    return [*rules_lines(rules, width), *(((part, "quiet"),) for part in wrap(nothing, width))]


def rules_lines(rules: Retention, width: int) -> list[Text]:
    """Return what several rules keep together; nothing for one rule, whose own words say it."""
    if sum(1 for name in RULE_NAMES if getattr(rules, name)) < 2:
        return []
    words = f"Kept together: {retention_words(rules)}. What any of them keeps stays."
    return [((part, ""),) for part in wrap(words, width)]


def _section_lines(title: str, verdicts: Sequence[SnapshotVerdict], now: datetime, width: int) -> list[Text]:
    if not verdicts:
        return []
    lines = [line for verdict in verdicts for line in _verdict_lines(verdict, now, width)]
    return [(), ((f"{title}  {len(verdicts)}", "title"),), *lines]


def _unknown(plan: RetentionPlan, width: int) -> list[Text]:
    return cause(plan.sizes_unknown, None, width, "quiet") if plan.sizes_unknown else []


def _stands(plan: RetentionPlan, width: int, step: str) -> list[Text]:
    if plan.held_by is not None:
        return cause(plan.held_by, Reason.UNUSUAL.next_step, width, "warn")
    if plan.blocked_by is not None:
        return cause(plan.blocked_by, step, width, "warn")
    if plan.remove:
        return cause("These are removed after the next backup, without an approval.", None, width, "")
    return cause("Nothing would be removed now.", None, width, "quiet")


def _stands_of_orphan(plan: RetentionPlan, width: int, step: str) -> list[Text]:
    if not plan.remove:
        return cause("Nothing would be removed now.", None, width, "quiet")
    message = "No CronJob carries the policy any more, so nothing is removed automatically."
    return cause(message, step, width, "warn")


def _verdict_lines(verdict: SnapshotVerdict, now: datetime, width: int) -> list[Text]:
    """Return a line such as `2026-11-24 03:14Z   24h  ok    b1946ac9  younger than 30 days`."""
    word, kind = state(verdict.status)
    stored = f"{size(verdict.bytes_stored):>10}  " if width >= WITH_SIZE else ""
    lead: Text = (
        (local_time(verdict.created_at, now, "%Y-%m-%d %H:%M"), ""),
        (f"{age(verdict.created_at, now):>6}  ", "quiet"),
        (f"{word:5}", kind),
        (f" {verdict.snapshot_id[:8]:8}  {stored}", "quiet"),
    )
    indent = len(plain(lead))
    first, *more = wrap(verdict.why, max(16, width - indent))
    return [(*lead, (first, "")), *(((" " * indent + part, ""),) for part in more)]
