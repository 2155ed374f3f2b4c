"""The lines of a log of restic: JSON objects and text in one stream; unknown lines are ignored."""

import re
from typing import Annotated, TypeVar

import msgspec

from kronkeep_common.json_decoding import JsonObject, decode_or_none
from kronkeep_common.models.base import YEARS
from kronkeep_common.text import clean

T = TypeVar("T")
# Numbers in messages. Anybody whose dump runs beside restic can write one, and a record with infinity or a
# negative count could be stored and never be read again.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Duration = Annotated[float, msgspec.Meta(ge=0, le=YEARS)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
AnyDuration = Annotated[float, msgspec.Meta(ge=0)]
LONGEST_MESSAGE = 300  # characters
MOST_PERCENT = 99.0  # of what has not ended
NOTHING_PRINTED = "it printed nothing"
_TIMESTAMP = re.compile(rb"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")


def split_lines(log: bytes) -> list[bytes]:
    """Return the lines of a container's log that are not empty, without the timestamps of the kubelet."""
    return [text for line in log.split(b"\n") if (text := without_time(line))]


def without_time(line: bytes) -> bytes:
    """Return a line without the kubelet's time before it, where it has one."""
    return _TIMESTAMP.sub(b"", line)


def parse_objects(log: bytes) -> list[JsonObject]:
    """Return the JSON objects among the lines."""
    objects = (decode_or_none(line, JsonObject) for line in split_lines(log) if line.startswith(b"{"))
    return [obj for obj in objects if obj is not None]


def convert_message(obj: JsonObject, message_type: str, kind: type[T]) -> T | None:
    """Return a message of restic as `kind`; None for any other object.

    The command of a database dump writes to the same log, so an object that only looks like a message of
    restic is not believed: its fields must have the right types.
    """
    if obj.get("message_type") != message_type:
        return None
    try:
        return msgspec.convert(obj, kind)
    except msgspec.ValidationError:
        return None


def error_text(obj: JsonObject) -> str | None:
    """Return the text of a message's `error`, which older versions of restic write as `Err`."""
    error = obj.get("error")
    if not isinstance(error, dict):
        return None
    return error.get("message") or error.get("Err")


def readable_lines(log: bytes) -> list[str]:
    """Return the lines for people: text and the messages of JSON objects, without progress and summary."""
    lines = []
    for line in split_lines(log):
        objects = parse_objects(line)
        text: object = line.decode(errors="replace")
        if objects and objects[0]:
            text = error_text(objects[0]) or objects[0].get("message")
        if text:
            lines.append(clean(str(text), LONGEST_MESSAGE))
    return lines


def last_line(log: bytes) -> str:
    """Return the last line of any program that is not empty, or a phrase that says that there is none."""
    lines = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    return clean(lines[-1], LONGEST_MESSAGE) if lines else NOTHING_PRINTED


def percent_of(fraction: float) -> float:
    """Return a share as 0 to MOST_PERCENT, however much restic has read.

    What it has read may not be stored yet, and its share exceeds 1 where files grow while they are read.
    """
    return min(MOST_PERCENT, round(100 * fraction, 1))
