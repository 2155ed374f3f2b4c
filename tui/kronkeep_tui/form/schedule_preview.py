"""The preview of a draft's schedules: in words, with their next fire times and how they fit; pure."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import ScheduleVerdict
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean, duration
from kronkeep_tui.form.draft import Draft
from kronkeep_tui.form.schedule_fit import check_request
from kronkeep_tui.widgets.cells import Text, wrap

NEXT = 5
_ROLES = {"ok": "ok", "warning": "warn", "conflict": "bad"}
_SOURCES = {
    "history": "95 % of its recent runs",
    "policy": "as the form says",
    "default": "nothing known yet",
}
KEYS = {"shift": "f6", "after-run": "f7", "accept": "f8"}


class NextFires(NamedTuple):
    """A schedule in words, its time zone, and its next fire times."""

    description: str
    zone: tzinfo
    next: tuple[datetime, ...]


def next_fires(expr: str, zone: str, now: datetime) -> NextFires | None:
    """Return the next fire times; None for a schedule that Kubernetes refuses."""
    try:
        schedule = Schedule.parse(expr, zone or None)
    except KronkeepError:
        return None
    fires: list[datetime] = []
    at: datetime | None = now
    while len(fires) < NEXT and at is not None and (at := schedule.next(at)) is not None:
        fires.append(at)
    return NextFires(schedule.describe(), schedule.zone_info, tuple(fires))


def preview_lines(
    draft: Draft,
    verdict: ScheduleVerdict | None,
    now: datetime,
    local: tzinfo,
    width: int,
    *,
    alone: bool,
    has_runs: bool = True,
) -> list[Text]:
    """Write the preview; one of a claim, which has no runs, only of its backups.

    `verdict` is None until it has come; `alone` says that it was made without the daemon; `local` is the time
    zone of this terminal.
    """
    zone = draft.get("time_zone", "")
    fires = next_fires(draft.get("schedule", ""), zone, now) if has_runs else None
    lines = _schedule_lines("run", fires, zone, local, width) if has_runs else []
    if not draft.get("policy.storage_id", "").strip():
        return [*lines, (("backup  ", "quiet"), ("none: no storage is named", "warn"))]
    if not draft.get("policy.schedule", "").strip() and not has_runs:
        return [*lines, (("backup  ", "quiet"), ("never: a claim needs a schedule of its own", "bad"))]
    if not draft.get("policy.schedule", "").strip():
        delay = draft.get("policy.delay_seconds", "").strip()
        later = f", {delay} later" if delay not in ("", "0s", "0") else ""
        return [*lines, (("backup  ", "quiet"), (f"when the run has ended{later}", ""))]
    zone = draft.get("policy.time_zone", "")
    fires = next_fires(draft["policy.schedule"], zone, now)
    lines += _schedule_lines("backup", fires, zone, local, width)
    if not has_runs or check_request(draft, None) is None:
        return lines
    if verdict is None:
        return [*lines, (("checking how they fit ...", "quiet"),)]
    return [*lines, *verdict_lines(verdict, draft.get("policy.on_conflict", ""), width, alone=alone)]


def _explain_unreadable(zone: str) -> str:
    """Return which of a schedule and its time zone cannot be read."""
    try:
        Schedule.parse("@daily", zone or None)
    except KronkeepError:
        return f"there is no time zone {clean(zone, 60)}"
    return "the schedule cannot be read"


def _schedule_lines(name: str, fires: NextFires | None, zone: str, local: tzinfo, width: int) -> list[Text]:
    lead = f"{name:8}"
    if fires is None:
        return [((lead, "quiet"), (_explain_unreadable(zone), "bad"))]
    lines: list[Text] = [((lead, "quiet"), (fires.description, "strong"))]
    if not fires.next:
        return [*lines, ((" " * 8, ""), ("never", "bad"))]
    lines += moment_lines("", fires.next, fires.zone, width)
    if any(_local_time(at, local) != _local_time(at, fires.zone) for at in fires.next):
        lines += moment_lines("local", fires.next, local, width)
    return lines


def _local_time(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def moment_lines(lead: str, moments: Sequence[datetime], zone: tzinfo, width: int) -> list[Text]:
    """Write moments in a time zone, on as many lines as they need."""
    times = [_local_time(at, zone) for at in moments]
    days = [_day_text(at, before) for at, before in zip(times, [None, *times], strict=False)]
    is_same_time = len({at.time() for at in times}) == 1 and len(times) > 1
    if is_same_time:
        text = f"{times[0]:%H:%M}: {', '.join(days)}"
    else:
        text = ", ".join(f"{day} {at:%H:%M}".strip() for day, at in zip(days, times, strict=True))
    first, *rest = wrap(text, width - 8)
    return [
        ((f"  {lead:6}", "quiet"), (first, "")),
        *(((" " * 8, ""), (more, "")) for more in rest),
    ]


def _day_text(at: datetime, before: datetime | None) -> str:
    """Write `Thu 26 Nov`, and after it only what has changed: `Fri 27`, nothing for the same day."""
    if before is None or (before.year == at.year and before.month != at.month):
        return f"{at:%a %d %b}"
    if before.year != at.year:
        return f"{at:%a %d %b %Y}"
    return f"{at:%a %d}" if before.day != at.day else ""


def verdict_lines(verdict: ScheduleVerdict, on_conflict: str, width: int, *, alone: bool) -> list[Text]:
    """Write the verdict with its codes, the keys that end a conflict, then each finding in a sentence."""
    accepted = verdict.verdict == "conflict" and on_conflict == "accept"
    codes = ", ".join(finding.code for finding in verdict.findings)
    role = "warn" if accepted else _ROLES[verdict.verdict]
    lines: list[Text] = [((verdict.verdict + (" accepted" if accepted else ""), role), (f"  {codes}", ""))]
    lines += [] if accepted else [_key_line(verdict)] if verdict.resolutions else []
    for finding in verdict.findings:
        first = f" First: {finding.first_local[0]}." if finding.first_local else ""
        parts = wrap(f"{finding.code}: {finding.message}{first}", width - 2)
        lines += [
            ((f"  {part}", "" if number else _ROLES[finding.severity]),) for number, part in enumerate(parts)
        ]
    known = "reckoned without the daemon" if alone else _SOURCES[verdict.expected_from]
    slack = verdict.minimum_slack_seconds
    least = f", the backup follows no sooner than {duration(slack)} later" if slack is not None else ""
    ends = f"a run takes {duration(verdict.expected_duration_seconds)} ({known}){least}"
    lines += [((part, "quiet"),) for part in wrap(ends, width)]
    for offer in verdict.resolutions if not accepted else ():
        lines += [((part, "quiet"),) for part in wrap(f"{KEYS[offer.strategy]}: {offer.message}", width)]
    return lines


def _key_line(verdict: ScheduleVerdict) -> Text:
    """Write in one line what each key would do to the backup's schedule."""
    spans: list[tuple[str, str]] = []
    for offer in verdict.resolutions:
        to = f" to {offer.schedule}" if offer.strategy == "shift" and offer.schedule else ""
        role = "" if offer.possible else "quiet"
        spans += [(f"{KEYS[offer.strategy]} ", "accent"), (f"{offer.strategy}{to}   ", role)]
    return tuple(spans)
