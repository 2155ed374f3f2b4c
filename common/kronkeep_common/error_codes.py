"""The error classes by their codes, for answers of the daemon and for the reference."""

from collections.abc import Iterator

from kronkeep_common.errors import (
    Conflict,
    Denied,
    InvalidRequest,
    KronkeepError,
    NotFound,
    Unavailable,
)

# The base class for each status of an answer, for codes that this side does not know.
_BY_STATUS: dict[int, type[KronkeepError]] = {
    400: InvalidRequest,
    403: Denied,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: InvalidRequest,
    422: InvalidRequest,
    502: Unavailable,
    503: Unavailable,
}


def all_errors(base: type[KronkeepError] = KronkeepError) -> Iterator[type[KronkeepError]]:
    """Yield every loaded subclass of `base`, each before its own subclasses."""
    for kind in base.__subclasses__():
        yield kind
        yield from all_errors(kind)


def error_of_code(code: str, status: int = 500, *, retryable: bool = False) -> type[KronkeepError]:
    """Return the class of a code; for an unknown code make one, with a base class for the status."""
    for kind in all_errors():
        if kind.code == code:
            return kind
    base = _BY_STATUS.get(status, KronkeepError)
    return type(code, (base,), {"code": code, "status": status, "retryable": retryable})
