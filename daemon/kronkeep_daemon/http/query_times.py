"""Times in the query of a request."""

from datetime import datetime

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean
from kronkeep_daemon.http.route import ApiCall
from kronkeep_daemon.kube.timestamps import parse_timestamp


def read_moment(call: ApiCall[None], name: str) -> datetime | None:
    """Return a time of the query; None where it has none; raise InvalidRequest."""
    text = call.query.get(name)
    if text is None:
        return None
    moment = parse_timestamp(text)  # of years that periods can be counted from
    if moment is None:
        raise InvalidRequest(
            f"{clean(repr(text), 80)} is not a time.",
            next_step="Write it as 2026-01-01T00:00:00Z.",
            field=name,
        )
    return moment
