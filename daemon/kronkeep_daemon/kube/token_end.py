"""When a bearer token ends: the claim `exp` of a JSON Web Token (RFC 7519, 4.1.4); pure."""

import base64
import binascii
from datetime import UTC, datetime

import msgspec

LONGEST_TOKEN = 100_000  # characters


class _Claims(msgspec.Struct):
    exp: float | None = None


def read_token_end(token: str) -> datetime | None:
    """Return when a token ends; None for one that does not say so, or is no JSON Web Token."""
    parts = token.strip().split(".")
    if len(parts) != 3 or len(token) > LONGEST_TOKEN:
        return None
    padding = "=" * (-len(parts[1]) % 4)
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + padding), type=_Claims)
        return datetime.fromtimestamp(claims.exp, UTC) if claims.exp is not None else None
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError, OSError):
        return None
