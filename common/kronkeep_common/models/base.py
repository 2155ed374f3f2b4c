"""The base classes and common types of all models."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A timezone-aware instant, kept in UTC."""

MONTH = 30 * 86400
YEARS = 10 * 366 * 86400
"""Bounds of durations in seconds, so that an instant plus a requested duration is a valid instant."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that is stored or sent as an answer; readers ignore fields that they do not know."""


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A model that a person or a script writes; unknown fields are refused."""
