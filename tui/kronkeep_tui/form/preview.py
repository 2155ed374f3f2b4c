"""What a draft's schedules mean: in words, the next fire times, how they fit, what would settle it; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import msgspec

from kronkeep_common.compatibility import CheckContext, check, offer_resolutions
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import ScheduleCheckRequest, ScheduleVerdict
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import duration
from kronkeep_tui.form.draft import Draft
from kronkeep_tui.form.merge import NAMES, Difference, said, texts_of
from kronkeep_tui.form.value_texts import read_duration
from kronkeep_tui.widgets.cells import Text, wrap

NEXT = 5
_ROLES = {"ok": "ok", "warning": "warn", "conflict": "bad"}
_SOURCES = {
    "history": "95 % of its recent runs",
    "policy": "as the form says",
    "default": "nothing known yet",
}
KEYS = {"shift": "f6", "after-run": "f7", "accept": "f8"}


class Fires(NamedTuple):
    """A schedule in words, its zone, and its next fire times."""

    words: str
    zone: tzinfo
    next: tuple[datetime, ...]


def fires(expr: str, zone: str, now: datetime) -> Fires | None:
    """The next fire times; None for what Kubernetes refuses."""
    try:
        schedule = Schedule.parse(expr, zone or None)
    except KronkeepError:
        return None
    found: list[datetime] = []
    at: datetime | None = now
    while len(found) < NEXT and at is not None and (at := schedule.next(at)) is not None:
        found.append(at)
    return Fires(schedule.describe(), schedule.zone_info, tuple(found))


def request(draft: Draft, existing: tuple[str, str] | None) -> ScheduleCheckRequest | None:
    """What the daemon is asked about the draft's schedules; None where there are not two that can be read."""
    schedule = draft.get("schedule", "").strip()
    backup = draft.get("policy.schedule", "").strip()
    storage = draft.get("policy.storage_id", "").strip()
    zone = draft.get("time_zone", "").strip()
    backup_zone = draft.get("policy.time_zone", "").strip()
    try:
        Schedule.parse(schedule, zone or None)
        Schedule.parse(backup, backup_zone or None)
        stated = draft.get("policy.expected_duration_seconds", "").strip()
        expected = read_duration(stated) if stated else None
    except KronkeepError:
        return None
    if not storage:
        return None
    return ScheduleCheckRequest(
        cronjob_schedule=schedule,
        cronjob_time_zone=zone or None,
        backup_schedule=backup,
        backup_time_zone=backup_zone or None,
        expected_duration_seconds=expected,
        namespace=existing[0] if existing else None,
        cronjob=existing[1] if existing else None,
        storage_id=storage,
    )


def reckon(request: ScheduleCheckRequest, now: datetime) -> ScheduleVerdict:
    """The verdict without the daemon, which would know runs and other policies."""
    backup = Schedule.parse(request.backup_schedule, request.backup_time_zone)
    stated = request.expected_duration_seconds
    question = CheckContext(
        cronjob=Schedule.parse(request.cronjob_schedule, request.cronjob_time_zone), now=now
    )
    if stated is not None:
        question = CheckContext(cronjob=question.cronjob, now=now, run_duration=timedelta(seconds=stated))
    verdict = check(question, backup)
    return msgspec.structs.replace(verdict, resolutions=tuple(offer_resolutions(backup, question, verdict)))


def lines(
    draft: Draft,
    verdict: ScheduleVerdict | None,
    now: datetime,
    local: tzinfo,
    width: int,
    *,
    alone: bool,
) -> list[Text]:
    """The preview; `verdict` None while it is awaited, `alone` when the daemon was not there to ask."""
    found = _of("run", fires(draft.get("schedule", ""), draft.get("time_zone", ""), now), local, width)
    if not draft.get("policy.storage_id", "").strip():
        return [*found, (("backup  ", "quiet"), ("none: no storage is named", "warn"))]
    if not draft.get("policy.schedule", "").strip():
        delay = draft.get("policy.delay_seconds", "").strip()
        later = f", {delay} later" if delay not in ("", "0s", "0") else ""
        return [*found, (("backup  ", "quiet"), (f"when the run has ended{later}", ""))]
    found += _of(
        "backup", fires(draft["policy.schedule"], draft.get("policy.time_zone", ""), now), local, width
    )
    if request(draft, None) is None:
        return found
    if verdict is None:
        return [*found, (("checking how they fit ...", "quiet"),)]
    return [*found, *verdict_lines(verdict, draft.get("policy.on_conflict", ""), width, alone=alone)]


def met_hint(one: Difference, draft: Draft) -> str:
    """The line below a field that somebody else changed."""
    taken = texts_of(draft, one.path) == one.theirs
    before = one.was if one.mine == one.theirs else one.mine
    if taken:
        return f"somebody else wrote this; ctrl+t puts back {said(before)}"
    return f"ctrl+t takes what somebody else wrote: {said(one.theirs)}"


def met_lines(met: Iterable[Difference], draft: Draft, width: int) -> list[Text]:
    """What somebody else changed, what stands here of it now."""
    found: list[Text] = []
    for one in met:
        here = texts_of(draft, one.path)
        taken = here == one.theirs
        words = f"{NAMES[one.path]}: {said(one.was)} → {said(one.theirs)}"
        words += ", as here" if taken else f"; here {said(here)}"
        found += [((part, "" if taken else "warn"),) for part in wrap(words, width)]
    return [(("SOMEBODY ELSE CHANGED", "title"),), *found, ()] if found else []


def _of(name: str, found: Fires | None, local: tzinfo, width: int) -> list[Text]:
    lead = f"{name:8}"
    if found is None:
        return [((lead, "quiet"), ("the schedule cannot be read", "bad"))]
    words: list[Text] = [((lead, "quiet"), (found.words, "strong"))]
    if not found.next:
        return [*words, ((" " * 8, ""), ("never", "bad"))]
    words += _moments("", found.next, found.zone, width)
    if any(_here(at, local) != _here(at, found.zone) for at in found.next):
        words += _moments("local", found.next, local, width)
    return words


def _here(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _moments(lead: str, moments: Sequence[datetime], zone: tzinfo, width: int) -> list[Text]:
    """The moments in a zone, on as many lines as they need."""
    here = [_here(at, zone) for at in moments]
    once = len({at.time() for at in here}) == 1 and len(here) > 1
    said = [_day(at, before) for at, before in zip(here, [None, *here], strict=False)]
    if once:
        words = f"{here[0]:%H:%M}: {', '.join(said)}"
    else:
        words = ", ".join(f"{day} {at:%H:%M}".strip() for day, at in zip(said, here, strict=True))
    first, *rest = wrap(words, width - 8)
    return [
        ((f"  {lead:6}", "quiet"), (first, "")),
        *(((" " * 8, ""), (more, "")) for more in rest),
    ]


def _day(at: datetime, before: datetime | None) -> str:
    """`Thu 26 Nov`, and after it only what changed: `Fri 27`, nothing on the same day."""
    if before is None or (before.year == at.year and before.month != at.month):
        return f"{at:%a %d %b}"
    if before.year != at.year:
        return f"{at:%a %d %b %Y}"
    return f"{at:%a %d}" if before.day != at.day else ""


def verdict_lines(verdict: ScheduleVerdict, on_conflict: str, width: int, *, alone: bool) -> list[Text]:
    """The verdict with its codes, the keys that settle a conflict, then each finding in a sentence."""
    accepted = verdict.verdict == "conflict" and on_conflict == "accept"
    codes = ", ".join(finding.code for finding in verdict.findings)
    role = "warn" if accepted else _ROLES[verdict.verdict]
    found: list[Text] = [((verdict.verdict + (" accepted" if accepted else ""), role), (f"  {codes}", ""))]
    found += [] if accepted else [_keys(verdict)] if verdict.resolutions else []
    for finding in verdict.findings:
        first = f" First: {finding.first_local[0]}." if finding.first_local else ""
        words = wrap(f"{finding.code}: {finding.message}{first}", width - 2)
        found += [
            ((f"  {part}", "" if number else _ROLES[finding.severity]),) for number, part in enumerate(words)
        ]
    known = "reckoned without the daemon" if alone else _SOURCES[verdict.expected_from]
    slack = verdict.minimum_slack_seconds
    least = f", the backup follows no sooner than {duration(slack)} later" if slack is not None else ""
    ends = f"a run takes {duration(verdict.expected_duration_seconds)} ({known}){least}"
    found += [((part, "quiet"),) for part in wrap(ends, width)]
    for offer in verdict.resolutions if not accepted else ():
        found += [((part, "quiet"),) for part in wrap(f"{KEYS[offer.strategy]}: {offer.message}", width)]
    return found


def _keys(verdict: ScheduleVerdict) -> Text:
    """One line: what each key would make of the backup's schedule."""
    spans: list[tuple[str, str]] = []
    for offer in verdict.resolutions:
        to = f" to {offer.schedule}" if offer.strategy == "shift" and offer.schedule else ""
        role = "" if offer.possible else "quiet"
        spans += [(f"{KEYS[offer.strategy]} ", "accent"), (f"{offer.strategy}{to}   ", role)]
    return tuple(spans)
