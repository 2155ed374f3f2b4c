"""What a policy's retention would do: whether it waits, what goes, what stays and why."""

from datetime import datetime

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob, RetentionPlan, SnapshotVerdict
from kronkeep_common.text import age, size
from kronkeep_tui.pages.policies import keeps
from kronkeep_tui.pages.status_words import cause, state
from kronkeep_tui.widgets.cells import Text, plain, wrap
from kronkeep_tui.widgets.row_table import Column, Row

WITH_SIZE = 100  # cells from which there is room for what a snapshot stored
COLUMNS = (
    Column(title="CRONJOB", width=18, grow=3, letter="n"),
    Column(title="GOES", width=5, right=True),
    Column(title="STORED", width=10, right=True),
    Column(title="STAYS", width=6, right=True),
    Column(title="WHEN", width=19, drop=1),
    Column(title="KEEPS", width=14, drop=2, grow=3),
)


def row(cronjob: CronJob, plan: RetentionPlan | KronkeepError | None) -> Row:
    """One policy: how many snapshots would go, what these stored, and whether that waits for a person."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    rules = keeps(cronjob.policy.retention) if cronjob.policy else "-"
    if not isinstance(plan, RetentionPlan):
        return Row(cronjob.id, (name, "-", "-", "-", "asking" if plan is None else "not known", rules))
    goes = len(plan.remove)
    when = (
        ("waits for approval", "warn")
        if plan.blocked_by
        else ("after next backup" if goes else "-", "" if goes else "quiet")
    )
    return Row(cronjob.id, (name, str(goes), _stored(plan.remove), str(len(plan.keep)), (when,), rules))


def _stored(removals: tuple[SnapshotVerdict, ...]) -> str:
    """What the removals stored, where restic told it of each of them."""
    told = [verdict.bytes_stored for verdict in removals if verdict.bytes_stored is not None]
    return size(sum(told)) if removals and len(told) == len(removals) else "-"


def detail(plan: RetentionPlan | KronkeepError | None, now: datetime, width: int) -> list[Text]:
    """How the removals stand and what goes; enter leads to each snapshot's reason."""
    if plan is None:
        return [(("Asking what would go ...", "quiet"),)]
    if isinstance(plan, KronkeepError):
        return cause(plan.message, plan.next_step, width, "bad")
    goes = [line for verdict in plan.remove for line in _verdict(verdict, now, width)]
    return [
        *_stands(plan, width, "enter shows them, and a there approves them."),
        *_unknown(plan, width),
        *goes,
    ]


def plan_lines(plan: RetentionPlan, cronjob: CronJob, now: datetime, width: int) -> list[Text]:
    """The rules, whether the removals wait for a person, then each snapshot, those that go first."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    asked = f"  as of {age(plan.computed_at, now)} ago"
    lines: list[Text] = [
        ((f"{name}  ", "strong"), ("keeps ", "quiet"), (keeps(plan.retention), ""), (asked, "quiet")),
        *_stands(plan, width, "a approves exactly these removals, no others."),
        *_unknown(plan, width),
        (),
        ((f"GOES  {len(plan.remove)}", "title"),),
        *(line for verdict in plan.remove for line in _verdict(verdict, now, width)),
        (),
        ((f"STAYS  {len(plan.keep)}", "title"),),
    ]
    return [*lines, *(line for verdict in plan.keep for line in _verdict(verdict, now, width))]


def _unknown(plan: RetentionPlan, width: int) -> list[Text]:
    return cause(plan.sizes_unknown, None, width, "quiet") if plan.sizes_unknown else []


def _stands(plan: RetentionPlan, width: int, step: str) -> list[Text]:
    if plan.blocked_by is not None:
        return cause(plan.blocked_by, step, width, "warn")
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
