"""`kronkeep schedule`: when a schedule fires, and whether two fit; without a daemon."""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from kronkeep_common.errors import KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean
from kronkeep_tui.cli import output

VERDICT_EXIT = {"ok": 0, "warning": 0, "conflict": 1}


def add_parser(subparsers: Any) -> None:
    """Adds `schedule next` and `schedule check`."""
    top = subparsers.add_parser("schedule", help="when a schedule fires, and whether two fit")
    below = top.add_subparsers(dest="schedule_verb", required=True, metavar="VERB")
    following = below.add_parser("next", help="the next fire times of a schedule")
    following.add_argument("expr", nargs="?")
    following.add_argument("--zone")
    following.add_argument("-n", type=int, default=5)
    following.add_argument(
        "--after", type=datetime.fromisoformat, help="an instant such as 2026-01-15T10:07:23Z"
    )
    following.add_argument(
        "--batch", action="store_true", help="JSON lines in (expr, zone, start, n), one out each"
    )
    following.add_argument("-o", "--output", choices=("table", "json"), default="table")
    following.set_defaults(func=next_command)
    check = below.add_parser("check", help="whether a backup's schedule fits a CronJob's")
    check.add_argument("--cronjob", required=True, metavar="EXPR")
    check.add_argument("--zone", help="the CronJob's time zone")
    check.add_argument("--backup", required=True, metavar="EXPR")
    check.add_argument("--backup-zone")
    check.add_argument("--minutes", type=float, default=10, help="how long a run is expected to take")
    check.add_argument("-o", "--output", choices=("table", "json"), default="table")
    check.set_defaults(func=check_command)


def next_command(options: argparse.Namespace) -> int:
    """Prints the fire times; 2 for a schedule that Kubernetes refuses."""
    if options.batch:
        for line in sys.stdin:
            if line.strip():
                sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        return 0
    if options.expr is None:
        sys.stderr.write("kronkeep: name a schedule, or use --batch.\n")
        return 2
    schedule = Schedule.parse(options.expr, options.zone)
    fires = _fires(schedule, options.after or datetime.now(UTC), options.n)
    if options.output == "json":
        output.document({"words": schedule.describe(), "next": [_stamp(fire) for fire in fires]}, "json")
        return 0
    print(schedule.describe())
    for fire in fires:
        local = fire.astimezone(schedule.zone_info)
        print(f"{_stamp(fire)}  {local:%a %Y-%m-%d %H:%M %z}")
    if not fires:
        print("never")
    return 0


def _fires(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    at: datetime | None = after if after.tzinfo else after.replace(tzinfo=UTC)
    while len(found) < count and at is not None and (at := schedule.next(at)) is not None:
        found.append(at)
    return found


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    try:
        schedule = Schedule.parse(question["expr"], question.get("zone"))
    except KronkeepError as fault:
        return {"valid": False, "error": clean(str(fault)), "never": False, "next": []}
    fires = _fires(schedule, datetime.fromisoformat(question["start"]), question.get("n", 5))
    return {"valid": True, "error": None, "never": not fires, "next": [_stamp(fire) for fire in fires]}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_command(options: argparse.Namespace) -> int:
    """Prints the verdict; 0 for ok and warning, 1 for conflict, 2 for bad input."""
    from kronkeep_common import compatibility

    cronjob = Schedule.parse(options.cronjob, options.zone)
    backup = Schedule.parse(options.backup, options.backup_zone)
    expected = timedelta(minutes=options.minutes)
    verdict = compatibility.check(cronjob, backup, expected, datetime.now(UTC))
    if options.output == "json":
        output.document(verdict, "json")
    else:
        print(verdict.verdict)
        for finding in verdict.findings:
            print(f"{finding.severity}: {finding.code}: {finding.message}")
    return VERDICT_EXIT[verdict.verdict]
