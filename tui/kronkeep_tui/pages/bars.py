"""Content of the fixed lines: status, tabs, crumbs and keys."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kronkeep_common.api import CONNECTION, WatchView
from kronkeep_common.display_zone import zone_suffix
from kronkeep_common.text import age, clean, count_words, duration
from kronkeep_tui.pages.alerts import open_alerts
from kronkeep_tui.pages.status_words import cause, counts
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Span, Text

if TYPE_CHECKING:
    from kronkeep_tui.reader import Reader

WRONG_CLOCK = timedelta(minutes=1)
SLOW = timedelta(seconds=3)  # an answer takes milliseconds


def status_line(reader: "Reader", namespace: str, now: datetime, width: int) -> Text:
    """Return cluster, namespace, counts and freshness, with the clock at the right."""
    store = reader.store
    found: list[Span] = [(" ", "")]
    clusters = [c.name for c in store.clusters] or sorted({c.cluster for c in store.cronjobs}) or ["kronkeep"]
    found += [(clusters[0][:16] if len(clusters) == 1 else f"{len(clusters)} clusters", "strong"), ("  ", "")]
    found.append((f"ns:{namespace or 'all'}  ", "warn" if namespace else "quiet"))
    found += count_spans(store, namespace) if reader.has_read else []
    found += _fresh(reader, now)
    found += _maintenance(store, namespace) if reader.has_read else []
    used = sum(len(words) for words, _ in found)
    clock = _clock(now, width - used)
    return (
        (*found, (clock.rjust(max(0, width - used)), "quiet")) if used + len(clock) < width else tuple(found)
    )


def _clock(now: datetime, width: int) -> str:
    """Return the time with its zone, and in UTC too where that differs and there is space for both."""
    local = f"{now:%H:%M}{zone_suffix(now)} "
    both = f"{now:%H:%M}{zone_suffix(now)} ({now.astimezone(UTC):%H:%M}Z) "
    return both if now.utcoffset() and len(both) < width else local


def count_spans(store: "Store", namespace: str) -> list[Span]:
    """Return how many CronJobs and alerts there are in the namespace that is shown, and in which states."""
    shown = [cronjob for cronjob in store.cronjobs if namespace in ("", cronjob.namespace)]
    alerts = [alert for alert in open_alerts(store) if not namespace or alert.namespace in ("", namespace)]
    acknowledged = sum(1 for alert in alerts if alert.status == "acknowledged")
    silenced = sum(1 for alert in alerts if alert.status != "acknowledged" and alert.silence_id is not None)
    count = count_words(len(shown), "job")
    if namespace:
        count = f"{len(shown)} of {count_words(len(store.cronjobs), 'job')}"
    spans: list[Span] = [(f"{count}  ", "")]
    spans += [(f"{number} {word}  ", role) for word, number, role in counts(shown) if number]
    if unseen := len(alerts) - acknowledged - silenced:
        spans.append((f"{count_words(unseen, 'alert')}  ", "bad"))
    if acknowledged:
        spans.append((f"+{acknowledged} ack  ", "quiet"))
    if silenced:
        spans.append((f"+{silenced} silenced  ", "quiet"))
    return spans


def _maintenance(store: Store, namespace: str) -> list[Span]:
    """Return how many of the CronJobs that are shown do not run because of a maintenance, if any.

    It stands last: where a terminal is too narrow for all of the line, its count is seen all the same.
    """
    held = [each for each in store.cronjobs if each.maintenance is not None]
    number = sum(namespace in ("", each.namespace) for each in held)
    return [(f"  {number} in maintenance", "warn")] if number else []


def _fresh(reader: "Reader", now: datetime) -> list[Span]:
    store = reader.store
    asked = reader.asked_at
    if asked is not None and now - asked >= SLOW:
        return [(f"no answer for {age(asked, now)}", "warn")]
    if not reader.live:
        return (
            [(f"NO DAEMON, data {age(reader.current_until or store.at, now)} old", "bad")]
            if store.at
            else [("connecting", "warn")]
        )
    if store.watches and all(watch.name == CONNECTION for watch in store.watches):
        return [("never connected", "bad")]
    if words := _clock_words(reader):
        return [(f"clock {words}", "warn")]
    if store.stale_watches:
        return [(f"stale {age(min(watch.since for watch in store.stale_watches), now)}", "warn")]
    return [("live", "ok")]


def _clock_words(reader: "Reader") -> str:
    """Return how far this machine's clock is from the daemon's; nothing where ages are right all the same."""
    ahead = reader.clock_ahead
    if abs(ahead) < WRONG_CLOCK:
        return ""
    return f"{duration(abs(ahead).total_seconds())} {'ahead' if ahead > timedelta() else 'behind'}"


STAYS = "What was read stays on the screen."
RETRY = "kronkeep keeps trying; ctrl+r tries at once."


def trouble(reader: "Reader", width: int) -> list[Text]:
    """Return why the data may be out of date and what to do; empty if it is current."""
    stays = f" {STAYS}" if reader.store.at is not None else ""  # else nothing was read yet
    if (end := reader.end) is not None:
        return cause(end.message, f"{end.next_step}{stays}", width, "bad")
    if reader.lost is not None:
        return cause(reader.lost.message, f"{reader.lost.next_step} {RETRY}{stays}", width, "bad")
    if reader.live and (words := _clock_words(reader)):
        sentence = f"The clock of this machine is {words} of the daemon's."
        step = "Ages that are shown are wrong by that much. Set this machine's clock, then press ctrl+r."
        return cause(sentence, step, width, "warn")
    if not reader.live or not (stale := reader.store.stale_watches):
        return []
    unconnected = [watch for watch in stale if watch.name == CONNECTION]
    if unconnected:
        return _never_connected(reader.store, unconnected, width)
    watch = stale[0]
    more = f" {len(stale) - 1} more of the watches are not live." if len(stale) > 1 else ""
    why = f"The watch of {watch.name} is {watch.status}: {(watch.why or 'no reason is known').rstrip('.')}."
    step = "What is shown may be old; kronkeepd tries again by itself. kronkeep doctor checks the connection."
    return cause(why + more, step, width, "warn")


def _never_connected(store: Store, watches: Sequence[WatchView], width: int) -> list[Text]:
    """Return the message about clusters that have never answered, and what to do."""
    names = ", ".join(clean(store.cluster_name(watch.cluster), 80) for watch in watches)
    what = f"The cluster {names} has" if len(watches) == 1 else f"The clusters {names} have"
    why = (watches[0].why or "no reason is known").rstrip(".")
    step = "kronkeepd tries again by itself. kronkeep doctor checks the connection."
    sentence = f"{what} never been connected, so nothing of it is known here: {why}."
    return cause(sentence, step, width, "bad" if len(watches) == len(store.watches) else "warn")


def tabs_line(tabs: Sequence[str], chosen: str, width: int) -> Text:
    """Return the tabs with their digits; if space is short closer to each other, then with cut names."""
    letters = sum(map(len, tabs))
    margin = " " if letters + 4 * len(tabs) < width else ""
    is_whole = letters + 3 * len(tabs) < width
    room = None if is_whole else max(3, (width - 2) // len(tabs) - 1)
    spans: list[Span] = [(" ", "")]
    for number, tab in enumerate(tabs, 1):
        words = f"{number} {tab.title()}"[:room]
        spans.append((f"{margin}{words} ", "chosen" if tab == chosen else "quiet"))
    return tuple(spans)


def crumbs_line(way: Sequence[str], headline: Text) -> Text:
    """Return the way from the tab to the open view, then what the view adds."""
    found: list[Span] = [(" ", "")]
    for number, crumb in enumerate(way):
        last = number == len(way) - 1
        found.append((crumb, "strong" if last else "quiet"))
        found.append(("  " if last else " › ", "quiet"))
    return (*found, *headline)


def keys_line(hints: Sequence[tuple[str, str]], width: int, marked: int = 0) -> Text:
    """Return as many key hints as fit, always with the last one; marked: rows that keys are about."""
    lead = f" {marked} marked: " if marked else " "
    found: list[Span] = [(lead, "mark" if marked else "")]
    used = len(lead)
    last = hints[-1:] if hints else []
    room = width - sum(len(key) + len(words) + 3 for key, words in last)
    for key, words in hints[:-1]:
        wide = len(key) + len(words) + 3
        if used + wide <= room:
            found += [(key, "accent"), (f" {words}  ", "quiet")]
            used += wide
    for key, words in last:
        found += [(key, "accent"), (f" {words}", "quiet")]
    return tuple(found)
