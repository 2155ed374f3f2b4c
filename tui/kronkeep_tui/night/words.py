"""The night in words: rows in plain mode, and what is said of the bar that is selected."""

from datetime import datetime, tzinfo

from kronkeep_common.text import count_words, duration
from kronkeep_tui.night.bars import Bar, NightRow, archive_of
from kronkeep_tui.night.time_window import TimeWindow
from kronkeep_tui.pages.status_words import state, word
from kronkeep_tui.widgets.cells import Span, Text

MOST_SAID = 3  # runs of a row


def clock(moment: float, zone: tzinfo | None) -> str:
    """Return a moment as a clock time of a zone."""
    return f"{datetime.fromtimestamp(moment, zone):%H:%M}"


def row_words(row: NightRow, window: TimeWindow, now: float, zone: tzinfo | None) -> str:
    """Return the newest runs of the window, the newest first, and what is planned next."""
    shown = [bar for bar in row.runs if bar.begin < window.end and (bar.end or now) >= window.begin]
    words = [_run_words(bar, row, zone) for bar in reversed(shown[-MOST_SAID:])]
    if len(shown) > MOST_SAID:
        words.append(f"{count_words(len(shown), 'run')} in all")
    ahead = next((moment for moment in row.planned if moment >= now), None)
    if ahead is not None and ahead < window.end:
        words.append(f"next {clock(ahead, zone)}")
    backup = next((bar.begin for bar in row.planned_archives if bar.begin >= now), None)
    if backup is not None and backup < window.end:
        words.append(f"next archive {clock(backup, zone)}")
    return "; ".join(words) or "nothing"


def _run_words(bar: Bar, row: NightRow, zone: tzinfo | None) -> str:
    words = f"{word(bar.status)} {clock(bar.begin, zone)}"
    if bar.seconds and bar.status != "missed":
        words += f" for {duration(bar.seconds)}"
    archive = archive_of(row, bar)
    if archive is None:
        return words
    return f"{words}, archive {word(archive.status)} {clock(archive.begin, zone)}"


def describe_bar(row: NightRow, bar: Bar, now: float, zone: tzinfo | None) -> list[Text]:
    """Return what is known of the selected bar: when, how long, how long usually; then its archive."""
    usual = row.usual_seconds
    name: Span = (f"  {row.namespace}/{row.cronjob}", "strong")
    if bar.status == "planned":
        usual = bar.seconds if bar.storage else usual
        lasting = f", usually {duration(usual)}" if usual else ""
        words, where = ("next archive", f"  → {bar.storage}") if bar.storage else ("next", "")
        return [((words, "quiet"), name, (f"  {clock(bar.begin, zone)}{lasting}{where}", ""))]
    if bar.storage:
        return [_archive_line(bar, now, zone, name)]
    took = bar.seconds if bar.end is not None else max(0.0, now - bar.begin)
    lines: list[Text] = [
        (
            state(bar.status),
            name,
            (f"  {clock(bar.begin, zone)}", ""),
            (f"  took {duration(took)}" if bar.status != "missed" else "", ""),
            (f", usually {duration(usual)}" if usual else "", "quiet"),
            (f"  {bar.reason}" if bar.reason else "", "warn"),
        )
    ]
    archive = archive_of(row, bar)
    return lines if archive is None else [*lines, _archive_line(archive, now, zone, ("", ""))]


def _archive_line(bar: Bar, now: float, zone: tzinfo | None, name: Span) -> Text:
    """Return when an archive was made, where it is, and how long it had waited."""
    waited = bar.begin - bar.queued if bar.queued is not None else 0.0
    took = bar.seconds if bar.end is not None else max(0.0, now - bar.begin)
    return (
        ("archive ", "quiet"),
        state(bar.status),
        name,
        (f"  {clock(bar.begin, zone)}  took {duration(took)}", ""),
        (f"  → {bar.storage}", ""),
        (f"  after {duration(waited)} in the queue" if waited >= 1 else "", "quiet"),
        (f"  {bar.reason}" if bar.reason else "", "warn"),
    )
