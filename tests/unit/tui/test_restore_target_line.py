"""The line in which a restore's target is written."""

import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import RestoreRequest, RestoreTarget
from kronkeep_tui.restore_target_line import complete, parse, to_line


def test_a_target_is_written_in_one_line() -> None:
    line = "new-claim copy namespace=other class=fast size=2Gi folder=a/b suspend"
    assert parse(line, ["/x"]) == RestoreRequest(
        target=RestoreTarget(
            claim="copy", namespace="other", storage_class="fast", size_bytes=2 * 2**30, path="a/b"
        ),
        include=("/x",),
        suspend=True,
    )
    assert parse("in-place", ()).overwrite
    assert parse("new-claim", ()) == RestoreRequest()


@pytest.mark.parametrize(
    "line", ["", "somewhere", "claim", "in-place folder=x", "claim a b", "claim a size=2Q", "claim 'a"]
)
def test_a_wrong_line_names_the_word(line: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(line, ())


def test_what_may_follow_is_offered() -> None:
    assert complete("in") == ["in-place"]
    assert "claim x overwrite" in complete("claim x o")
    assert complete("in-place n") == []


@pytest.mark.parametrize(
    "line",
    [
        "in-place",
        "in-place suspend",
        "new-claim",
        "claim 'odd name' overwrite suspend namespace=test folder=a/b class=fast size=1536Mi",
    ],
)
def test_a_target_is_written_as_it_was_read(line: str) -> None:
    request = parse(line, ("/x",))
    assert parse(to_line(request), ("/x",)) == request
    assert to_line(request) == line
