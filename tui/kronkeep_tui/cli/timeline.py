"""`kronkeep timeline`: what ran, was archived and was missed in a period, and what is planned, in words."""

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.display_zone import format_rfc3339, format_time, in_zone, local_zone
from kronkeep_common.durations import parse_duration
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean, duration, shorten_middle
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models.timeline import Timeline
    from kronkeep_tui.cli.timeline_events import TimelineEvent

SORTS = ("start", "length", "overlap", "name")
DESCRIPTION = """What ran, waited, was archived and was missed in a period of at most 8 days, and which
runs and archives are planned after now: one line each. Runs of one CronJob that ended alike one after the
other are one line; --all, JSON and names have each of them.

MOMENT is a time such as 2026-01-31, 2026-01-31T02:00, 02:00 (the last one; of --to the one after
--from), 6h (ago) or +2h (from now on), in the zone of --zone where it names none."""
TIME_HELP = "begin of the period (default: a day ago)"
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
NAME_SHARE = 3  # a name takes at most this part of a screen's width
SHORTEST_NAME = 12


def add_parser(verbs: Verbs) -> None:
    """Add the verb `timeline`."""
    help_text = "show what ran, was archived and was missed, and what is planned"
    timeline = add_verb(verbs, "timeline", routes=["GET /v1/timeline"], help=help_text)
    timeline.description = DESCRIPTION
    timeline.add_argument("--from", dest="from_at", metavar="MOMENT", help=TIME_HELP)
    timeline.add_argument("--to", dest="to_at", metavar="MOMENT", help="its end (default: 12 hours ahead)")
    timeline.add_argument("-n", "--namespace", help="only of this namespace")
    timeline.add_argument("--filter", help="such as 'status:failed ns:pay'; what is planned: status:planned")
    timeline.add_argument("--cluster", metavar="NAME", help="only of this cluster")
    timeline.add_argument("--sort", choices=SORTS, default="start", help="overlap: what had most beside it")
    timeline.add_argument("--all", action="store_true", help="a line for each run, also of those alike")
    output.add_options(timeline)
    output.add_zone(timeline, "the zone of times")
    timeline.set_defaults(func=with_blocking_client(_show), cluster=None)


async def _show(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_tui.cli.timeline_events import SORT_ORDERS, fold_events, list_events, sum_up

    zone = options.zone or local_zone()
    begin, end = read_period(options.from_at, options.to_at, datetime.now(zone))
    timeline = await client.timeline(begin, end, options.namespace, filter=_filter_text(options))
    events = list_events(timeline)
    if options.output not in ("table", "wide"):
        events.sort(key=SORT_ORDERS[options.sort])
        if options.output == "name":  # what is planned has the name of its CronJob
            events = list({event.id: event for event in events}.values())
        output.print_records("timeline", events, options.output)
        return 0
    shown = events if options.all else fold_events(events)
    shown.sort(key=SORT_ORDERS[options.sort])
    rows = _wide_rows(shown, timeline, zone) if options.output == "wide" else _rows(shown, timeline, zone)
    output.print_rows(rows, headers=not options.no_headers)
    sys.stdout.flush()
    sys.stderr.write("".join(f"{line}\n" for line in _describe(timeline, sum_up(events), zone)))
    return 0


def _filter_text(options: argparse.Namespace) -> str | None:
    terms = [options.filter] if options.filter else []
    terms += [f"cluster:{options.cluster}"] if options.cluster else []
    return " ".join(terms) or None


class AskedPeriod(NamedTuple):
    """Begin and end of a period in UTC, None where the daemon chooses."""

    begin: datetime | None
    end: datetime | None


def read_period(from_text: str | None, to_text: str | None, now: datetime) -> AskedPeriod:
    """Return begin and end of a period as people write them, None where it is not given.

    now: the present moment, in the zone of times that name none.

    Raise InvalidRequest.
    """
    begin = read_moment(from_text, now, "--from")
    end = read_moment(to_text, now, "--to")
    if begin and end and to_text and _CLOCK.fullmatch(to_text):
        clock = end
        end = begin.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        end += timedelta(days=1) if end <= begin else timedelta()
    period = AskedPeriod(begin and begin.astimezone(UTC), end and end.astimezone(UTC))
    if period.begin and period.end and period.end <= period.begin:
        raise InvalidRequest("The period ends before it begins.", next_step="Let --to be after --from.")
    return period


def read_moment(text: str | None, now: datetime, option: str) -> datetime | None:
    """Return a date, a time, the last such clock time, or what is so long ago (`6h`) or ahead (`+6h`)."""
    if text is None:
        return None
    if clock := _CLOCK.fullmatch(text):
        hour, minute = (int(part) for part in clock.groups())
        moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return moment if moment <= now else moment - timedelta(days=1)
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    except ValueError:
        pass
    try:
        distance = timedelta(seconds=parse_duration(text.removeprefix("+").removeprefix("-")))
        in_utc = now.astimezone(UTC)  # in other zones an hour may be left out between the two
        return in_utc + distance if text.startswith("+") else in_utc - distance
    except (InvalidRequest, OverflowError) as fault:
        raise InvalidRequest(
            f"{clean(repr(text), 80)} of {option} is no moment.",
            next_step="Write 2026-01-31, 2026-01-31T02:00, 02:00, 6h (ago) or +2h (from now on).",
        ) from fault


def _rows(events: "list[TimelineEvent]", timeline: "Timeline", zone: tzinfo) -> list[list[str]]:
    """Return the cells of a table; on a screen they are cut to its width."""
    columns = output.screen_columns()
    rows = [["START", "TOOK", "WHAT", "CRONJOB", "STATUS", "NOTE"]]
    longest = len(max((_name_of(event, timeline) for event in events), key=len, default=""))
    width = longest if columns is None else max(SHORTEST_NAME, columns // NAME_SHARE)
    for event in events:
        rows.append(
            [
                f"{in_zone(event.begins_at, zone):%d %b %H:%M}",
                duration(event.seconds),
                name_kind(event),
                shorten_middle(_name_of(event, timeline), width),
                clean(event.status),
                describe_event(event, zone),
            ]
        )
    return output.clip_last(rows, columns)


def _name_of(event: "TimelineEvent", timeline: "Timeline") -> str:
    cluster = timeline.clusters.get(event.cluster, event.cluster) if timeline.clusters else ""
    return clean(f"{event.name} @{cluster}" if cluster else event.name)


def name_kind(event: "TimelineEvent") -> str:
    """Return whether an event is a run or an archive, and how many it stands for."""
    noun = "archive" if event.kind.endswith("archive") else "run"
    return noun if event.count == 1 else f"{event.count:,} {noun}s"


def describe_event(event: "TimelineEvent", zone: tzinfo) -> str:
    """Return what is known of an event besides its times: why, where to, how long usually."""
    notes = [clean(event.reason, 80)] if event.reason else []
    if event.count > 1 and event.last_at is not None:
        last = in_zone(event.last_at, zone)
        is_same_day = last.date() == in_zone(event.begins_at, zone).date()
        notes.append(f"to {last:%H:%M}" if is_same_day else f"to {last:%d %b %H:%M}")
    if event.slots > 1:
        notes.append(f"{event.slots:,} slots in which kronkeep did not watch")
    if event.storage_id:
        notes.append(f"to {clean(event.storage_id)}")
    if event.waited_seconds is not None and event.waited_seconds >= 1:
        is_waiting = event.seconds is None and event.ends_at is None
        notes.append(f"{'waits for' if is_waiting else 'waited'} {duration(event.waited_seconds)}")
    if event.usual_seconds is not None and event.status != "missed":
        notes.append(f"usually {duration(event.usual_seconds)}")
    return ", ".join(notes)


def _wide_rows(events: "list[TimelineEvent]", timeline: "Timeline", zone: tzinfo) -> list[list[str]]:
    titles = "START END TOOK USUAL WAITED WHAT CRONJOB STATUS STORAGE OVERLAPS REASON ID RUN"
    rows = [titles.split()]
    for event in events:
        end = event.ends_at or event.last_at
        rows.append(
            [
                format_rfc3339(event.begins_at, zone),
                "-" if end is None else format_rfc3339(end, zone),
                duration(event.seconds),
                duration(event.usual_seconds),
                duration(event.waited_seconds),
                name_kind(event),
                _name_of(event, timeline),
                clean(event.status),
                clean(event.storage_id or "-"),
                str(event.overlaps),
                clean(event.reason or "-", 80),
                clean(event.id, 80),
                clean(event.run_id or "-", 80),
            ]
        )
    return rows


def _describe(timeline: "Timeline", counts: str, zone: tzinfo) -> list[str]:
    """Return which period was shown, what of it is not complete, and what was counted."""
    form = "%a %d %b %H:%M"
    begin, end, now = (
        format_time(moment, zone, form) for moment in (timeline.from_at, timeline.until_at, timeline.now)
    )
    lines = [f"{begin} to {end}; it is {now}."]
    lines += [f"{counts}."] if counts else []
    if timeline.complete_since > timeline.from_at:
        since = format_time(timeline.complete_since, zone, form)
        lines.append(
            f"There were more than can be shown: all are there since {since}. Use -n or a later --from."
        )
    if timeline.planned_until < timeline.until_at and timeline.until_at > datetime.now(UTC):
        until = format_time(timeline.planned_until, zone, form)
        lines.append(f"All that is planned is there until {until}; later ones may be missing.")
    return lines
