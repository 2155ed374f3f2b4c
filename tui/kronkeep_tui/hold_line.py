"""A silence or a maintenance in one line: `FILTER for 4h because WHY`; a maintenance may leave out `for`."""

import re

from kronkeep_common.durations import parse_duration
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.maintenance import MaintenanceRequest
from kronkeep_common.models.silence import SilenceRequest
from kronkeep_common.record_filter import parse_filter

EVERYTHING = "all"
_LINE = re.compile(r"(?P<filter>.*?)(?:\s+for\s+(?P<duration>\S+))?\s+because\s+(?P<because>\S.*)")


def parse_silence(line: str) -> SilenceRequest:
    """Return the silence that a line describes; raise InvalidRequest."""
    match = _match(line)
    if match["duration"] is None:
        raise InvalidRequest("How long it lasts is missing.", next_step="Write: FILTER for 4h because WHY.")
    parse_filter(match["filter"])
    return SilenceRequest(
        filter=match["filter"],
        for_seconds=parse_duration(match["duration"]),
        because=match["because"],
    )


def parse_maintenance(line: str) -> MaintenanceRequest:
    """Return the maintenance that a line describes; `all` as its filter means every CronJob."""
    match = _match(line)
    text = "" if match["filter"] == EVERYTHING else match["filter"]
    parse_filter(text)
    duration = match["duration"]
    return MaintenanceRequest(
        filter=text,
        for_seconds=None if duration is None else parse_duration(duration),
        because=match["because"],
    )


def _match(line: str) -> "re.Match[str]":
    match = _LINE.fullmatch(line.strip())
    if match is None or not match["filter"].strip():
        raise InvalidRequest(
            "It needs a filter and a reason.",
            next_step="Write: ns:pay for 4h because database upgrade.",
        )
    return match
