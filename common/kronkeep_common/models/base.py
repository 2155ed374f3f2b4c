"""What all structs share."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A timezone-aware instant, kept in UTC."""

MONTH = 30 * 86400
YEARS = 10 * 366 * 86400
"""Bounds in seconds: an instant and what somebody asked for are an instant again."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something kept or answered; a reader ignores fields it does not know."""


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something a person or a script writes; unknown fields are refused."""
