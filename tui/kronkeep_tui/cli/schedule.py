"""`kronkeep schedule`: when a schedule fires, and whether two schedules fit. It needs no daemon."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec

from kronkeep_common.errors import CronJobNotFound, DaemonUnreachable, InvalidRequest, KronkeepError
from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean, duration
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import split_name
from kronkeep_tui.cli.verb import Verbs

if TYPE_CHECKING:
    from kronkeep_common.models import ScheduleVerdict

VERDICT_EXIT = {"ok": 0, "warning": 0, "conflict": 1}
_NAME = re.compile(r"(?!@)[^ /]+(/[^ ]+)?")  # a CronJob's, with its namespace or without
MOST = 10_000  # fire times in one answer


class FireTimesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One input line of `--batch`; other fields are ignored."""

    expr: str
    zone: str | None = None
    start: datetime | None = None
    n: Annotated[int, msgspec.Meta(ge=0, le=MOST)] = 5


class FireTimesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One output line of `--batch`; `next` are instants in UTC like 2026-01-15T10:08:00Z."""

    valid: bool
    error: str | None
    never: bool
    next: list[str]


def add_parser(verbs: Verbs) -> None:
    """Add the verb `schedule` with `next` and `check`."""
    schedule = verbs.add_parser("schedule", help="when a schedule fires, and whether two schedules fit")
    schedule_verbs = schedule.add_subparsers(dest="schedule_verb", required=True, metavar="VERB")
    _add_next(schedule_verbs)
    _add_check(schedule_verbs)


def _add_next(schedule_verbs: Verbs) -> None:
    following = schedule_verbs.add_parser("next", help="the next fire times of a schedule")
    following.add_argument(
        "expr",
        nargs="?",
        help="five fields such as '0 2 * * *', @daily, or a CronJob's NAMESPACE/NAME or NAME",
    )
    following.add_argument("--zone", help="an IANA time zone (default: UTC)")
    following.add_argument("--namespace", default="default", help="the namespace of a NAME without one")
    following.add_argument("-n", type=_read_count, default=5, help="how many (default: 5)")
    following.add_argument(
        "--after", type=_read_instant, help="an instant such as 2026-01-15T10:07:23Z (default: now)"
    )
    following.add_argument(
        "--batch",
        action="store_true",
        help="read JSON lines (expr, zone or null, start, n); print one for each (valid, error, never, next)",
    )
    following.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    following.set_defaults(func=_print_next)


def _add_check(schedule_verbs: Verbs) -> None:
    check = schedule_verbs.add_parser(
        "check",
        help="whether a backup's schedule fits a CronJob's",
        description="The exit code is 0 for ok and warning, 1 for a conflict, 2 for bad input.",
    )
    check.add_argument("--cronjob", required=True, metavar="EXPR", help="the CronJob's schedule")
    check.add_argument("--zone", help="the CronJob's time zone (default: UTC)")
    check.add_argument("--backup", required=True, metavar="EXPR", help="the backup's schedule")
    check.add_argument("--backup-zone", help="the backup's time zone (default: UTC)")
    check.add_argument("--minutes", type=_read_minutes, default=10, help="how long a run takes (default: 10)")
    check.add_argument(
        "--after", type=_read_instant, help="check the 400 days after this instant (default: now)"
    )
    check.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    check.set_defaults(func=_print_check)


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"a number from 0 to {MOST} is expected")
    return int(text)


def _read_instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read_minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= 1_000_000:
        raise argparse.ArgumentTypeError("minutes from 0 to 1000000 are expected")
    return minutes


def _print_next(options: argparse.Namespace) -> int:
    """Print the fire times of a schedule; raise InvalidSchedule, InvalidTimeZone."""
    if options.batch:
        return _answer_batch()
    if options.expr is None:
        raise InvalidRequest("Give a schedule, or use --batch.")
    schedule = _schedule_of(options)
    fires = list(_fires(schedule, options.after or datetime.now(UTC), options.n))
    if options.output == "json":
        answer = {"words": schedule.describe(), "never": _is_never(fires, options.n)}
        output.print_document(answer | {"next": [_write_instant(fire) for fire in fires]}, "json")
        return 0
    print(clean(schedule.describe()))
    for fire in fires:
        print(f"{_write_instant(fire)}  {fire.astimezone(schedule.zone_info):%a %Y-%m-%d %H:%M %z}")
    if _is_never(fires, options.n):
        print("never")
    return 0


def _schedule_of(options: argparse.Namespace) -> Schedule:
    """Return the schedule that is given, or that of the CronJob whose name is given.

    A single word is a CronJob's name, in the namespace default where it has no other.
    """
    text = options.expr
    if _NAME.fullmatch(text) is None:
        return Schedule.parse(text, options.zone)
    from kronkeep_common.client.blocking_transport import run_without_loop
    from kronkeep_common.client.sync_client import blocking_client

    client = blocking_client(options.socket)
    try:
        cronjob = run_without_loop(client.cronjobs.get(*split_name(text, options.namespace)))
    except (CronJobNotFound, DaemonUnreachable):
        if "/" in text:
            raise
        return Schedule.parse(text, options.zone)  # no schedule has one word, so it says what one has
    return Schedule.parse(cronjob.schedule, options.zone or cronjob.time_zone)


def _fires(schedule: Schedule, after: datetime, count: int) -> Iterator[datetime]:
    at: datetime | None = after
    while count > 0 and at is not None and (at := schedule.next(at)) is not None:
        yield at
        count -= 1


def _is_never(fires: list[datetime], count: int) -> bool:
    return not fires and count > 0


def _answer_batch() -> int:
    """Answer each line that is not blank, at once; a bad line gets an answer, too."""
    for line in sys.stdin.buffer:
        if line.strip():
            sys.stdout.write(
                json.dumps(msgspec.structs.asdict(_answer_line(line))) + "\n"
            )  # ASCII in any locale
            sys.stdout.flush()
    return 0


def _answer_line(line: bytes) -> FireTimesAnswer:
    try:
        request = msgspec.json.decode(line, type=FireTimesRequest)
        schedule = Schedule.parse(request.expr, request.zone)
    except DECODING_ERRORS as fault:
        return FireTimesAnswer(
            valid=False, error=clean(f"The line cannot be read: {fault}", 500), never=False, next=[]
        )
    except KronkeepError as fault:
        return FireTimesAnswer(valid=False, error=clean(fault.message, 500), never=False, next=[])
    start = request.start or datetime.now(UTC)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    fires = list(_fires(schedule, start, request.n))
    stamps = [_write_instant(fire) for fire in fires]
    return FireTimesAnswer(valid=True, error=None, never=_is_never(fires, request.n), next=stamps)


def _write_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _print_check(options: argparse.Namespace) -> int:
    """Print how a backup's schedule fits; return 1 for a conflict."""
    from kronkeep_common.compatibility import CheckContext, check, offer_resolutions

    backup = Schedule.parse(options.backup, options.backup_zone)
    context = CheckContext(
        cronjob=Schedule.parse(options.cronjob, options.zone),
        now=options.after or datetime.now(UTC),
        run_duration=timedelta(minutes=options.minutes),
    )
    verdict = check(context, backup)
    verdict = msgspec.structs.replace(
        verdict, expected_from="policy", resolutions=tuple(offer_resolutions(backup, context, verdict))
    )
    if options.output == "json":
        output.print_document(verdict, "json")
    else:
        _print_verdict(verdict, context.cronjob, backup)
    return VERDICT_EXIT[verdict.verdict]


def _print_verdict(verdict: "ScheduleVerdict", cronjob: Schedule, backup: Schedule) -> None:
    print(verdict.verdict)
    print(f"CronJob: {clean(verdict.cronjob_text)}: {_join_moments(verdict.cronjob_next, cronjob)}")
    print(f"backup:  {clean(verdict.backup_text)}: {_join_moments(verdict.backup_next, backup)}")
    if verdict.minimum_slack_seconds is not None:
        print(f"least time from a run to the next backup: {duration(verdict.minimum_slack_seconds)}")
    for finding in verdict.findings:
        print(f"{finding.severity}: {finding.code}: {clean(finding.message)}")
        if finding.first:
            print("    first: " + ", ".join(finding.first_local))
    for offer in verdict.resolutions:
        print(f"{offer.strategy}: {clean(offer.message)}")


def _join_moments(moments: Iterable[datetime], schedule: Schedule) -> str:
    local = [f"{moment.astimezone(schedule.zone_info):%a %Y-%m-%d %H:%M}" for moment in moments]
    return ", ".join(local) or "never"
