"""The settings of alerts: when something is an alert, and who gets which message when."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from kronkeep_common.errors import InvalidRequest, InvalidSettings
from kronkeep_common.filter_words import FilterWords
from kronkeep_common.models.base import Request
from kronkeep_common.models.policy import SecretKeyRef
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone

TimeOfDay = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietHours(Request, frozen=True, kw_only=True):
    """Hours in which nothing is sent to a channel; what is still wrong at their end is sent then.

    start, end: times of day, such as 22:00 and 07:00; an end before the start is of the next day.
    time_zone: an IANA name.
    severity: the highest severity that waits; with `warning` critical alerts are sent all the same.
    """

    start: TimeOfDay
    end: TimeOfDay
    time_zone: str = "UTC"
    severity: Literal["warning", "critical"] = "warning"


class ChannelSettings(Request, frozen=True, kw_only=True):
    """One channel by which alerts are sent.

    name: of the channel, in messages and logs.
    kind: `apprise` sends to any of apprise's services, `webhook` posts JSON, `alertmanager` sends to an
        Alertmanager's v2 API, `command` starts a program.
    command: of the kind `command`, the program and its arguments; no shell reads them.
    url_file, url_secret: where the channel's URL is, which is a secret: the first line of a file (a name that
        is no absolute path is a credential of systemd) or a key of a Secret in kronkeep's namespace. It is
        read again for each message.
    filter: which alerts are sent, as in `kronkeep get alerts --filter`; all without one.
    severity: the lowest severity that is sent.
    quiet: hours in which nothing is sent.
    repeat_seconds: as in [alerts], for this channel.
    recoveries: whether the end of an alert is sent too.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    kind: Literal["apprise", "webhook", "alertmanager", "command"]
    command: Annotated[tuple[str, ...], msgspec.Meta(max_length=50)] = ()
    url_file: str | None = None
    url_secret: SecretKeyRef | None = None
    filter: Annotated[str, msgspec.Meta(max_length=500)] = ""
    severity: Literal["warning", "critical"] = "warning"
    quiet: QuietHours | None = None
    repeat_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    recoveries: bool = True


class HeartbeatSettings(Request, frozen=True, kw_only=True):
    """A ping to a monitor outside, which raises the alarm when none comes.

    name: of the heartbeat, in logs and alerts.
    kind: `healthchecks` posts to the URL, and to URL/fail with the reason; `alertmanager` keeps the alert
        WatchdogSignal firing on the Alertmanager at the URL.
    url_file: the file with the URL, as of a channel; it is read again for each ping.
    every: seconds between two pings.
    requires: a ping is sent only while all of these hold: a change of the history was made durable, every
        needed watch is live, this daemon acts on every cluster. One that stands by for another sends nothing.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    kind: Literal["healthchecks", "alertmanager"] = "healthchecks"
    url_file: str
    every: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 60
    requires: tuple[Literal["history", "watch", "leader"], ...] = ("history", "watch", "leader")


class ReportSettings(Request, frozen=True, kw_only=True):
    """The morning report: one message, also when all is well, whatever the quiet hours of its channels are.

    schedule: when it is sent, a cron line by the clocks of `time_zone`. Its period begins where the last one
        ended.
    time_zone: an IANA name.
    channels: the names of the channels that it is sent to; none is sent without. An Alertmanager takes none.
    filter: what it is about, by `ns`, `cluster`, `storage`, `policy`, `name` or a word; all without one.
    """

    schedule: str = "0 7 * * *"
    time_zone: str = "UTC"
    channels: Annotated[tuple[str, ...], msgspec.Meta(max_length=20)] = ()
    filter: Annotated[str, msgspec.Meta(max_length=500)] = ""


class AlertSettings(Request, frozen=True, kw_only=True):
    """When something is an alert, and where alerts are sent.

    failing_runs: so many failed runs in a row are critical.
    repeat_seconds: an open alert that nobody acknowledges is sent again after this time (0: never).
    watch_seconds: a watch that is not live for this time is an alert.
    bare_job_hours: how long a failed Job without a CronJob is an alert, unless a later one of its name
        succeeds; 0: it is no alert.
    uncovered: which claims that no policy archives are an alert: those made since kronkeepd first listed the
        claims of their cluster and those that have a good backup (`new`), all, or none (`never`).
    uncovered_seconds: how long after its creation such a claim becomes an alert.
    channels: where alerts are sent; none means nowhere.
    heartbeats: pings to monitors outside.
    report: the morning report.
    """

    failing_runs: Annotated[int, msgspec.Meta(ge=2, le=20)] = 3
    repeat_seconds: Annotated[float, msgspec.Meta(ge=0)] = 4 * 3600
    watch_seconds: Annotated[float, msgspec.Meta(ge=1)] = 60
    bare_job_hours: Annotated[float, msgspec.Meta(ge=0, le=720)] = 24
    uncovered: Literal["new", "all", "never"] = "new"
    uncovered_seconds: Annotated[float, msgspec.Meta(ge=0)] = 86400
    channels: Annotated[tuple[ChannelSettings, ...], msgspec.Meta(max_length=20)] = ()
    heartbeats: Annotated[tuple[HeartbeatSettings, ...], msgspec.Meta(max_length=10)] = ()
    report: ReportSettings = ReportSettings()


def check_alerts(alerts: AlertSettings, where: str) -> None:
    """Raise InvalidSettings for settings that no single field shows to be wrong; `where` is their file."""
    _check_channels(alerts.channels, where)
    _check_heartbeats(alerts.heartbeats, where)
    _check_report(alerts.report, alerts.channels, where)


def _check_channels(channels: tuple[ChannelSettings, ...], where: str) -> None:
    names = [channel.name for channel in channels]
    for channel in channels:
        if names.count(channel.name) > 1:
            raise InvalidSettings(f"{where}: two channels are named {channel.name}.", file=where)
        try:
            _check_channel(channel)
        except InvalidRequest as fault:
            raise InvalidSettings(f"{where}: channel {channel.name}: {fault}", file=where) from fault


def _check_channel(channel: ChannelSettings) -> None:
    if channel.kind == "command":
        if not channel.command or channel.url_file is not None or channel.url_secret is not None:
            raise InvalidSettings("it needs a command, and no URL.")
        if not Path(channel.command[0]).is_absolute():
            raise InvalidSettings("the program of its command needs an absolute path.")
    elif channel.command:
        raise InvalidSettings("only a channel of the kind command has a command.")
    elif (channel.url_file is None) == (channel.url_secret is None):
        raise InvalidSettings("it needs either url_file or url_secret.")
    parse_filter(channel.filter)
    if channel.quiet is not None:
        load_zone(channel.quiet.time_zone)
        if channel.quiet.start == channel.quiet.end:
            raise InvalidSettings("its quiet hours end when they start.")


def _check_heartbeats(heartbeats: tuple[HeartbeatSettings, ...], where: str) -> None:
    names = [heartbeat.name for heartbeat in heartbeats]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSettings(f"{where}: two heartbeats are named {name}.", file=where)


def _check_report(report: ReportSettings, channels: tuple[ChannelSettings, ...], where: str) -> None:
    kinds = {channel.name: channel.kind for channel in channels}
    for name in report.channels:
        if name not in kinds:
            advice = suggest_name(name, kinds)
            raise InvalidSettings(f"{where}: alerts.report: there is no channel {name}. {advice}", file=where)
        if kinds[name] == "alertmanager":
            message = f"{where}: alerts.report: {name} is an Alertmanager, which takes alerts only."
            raise InvalidSettings(message, file=where)
    try:
        load_zone(report.time_zone)
        if Schedule.parse(report.schedule, "UTC").every is not None:
            raise InvalidSettings("@every names no time of day.")
        parse_filter(report.filter, words=FilterWords(("reports",)))
    except InvalidRequest as fault:
        raise InvalidSettings(f"{where}: alerts.report: {fault}", file=where) from fault
