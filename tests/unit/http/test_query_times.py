"""Times in the query of a request."""

from types import SimpleNamespace
from typing import cast

import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.http.query_times import read_moment
from kronkeep_daemon.http.route import ApiCall


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-01-01T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_what_no_period_can_be_counted_from_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a time"):
        read_moment(cast(ApiCall[None], SimpleNamespace(query={"to": text})), "to")
