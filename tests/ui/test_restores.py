"""Restore in the terminal: browse, mark, plan, confirm, follow; and the line in which a target is written."""

import json

import pytest
from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, screen, until
from tests.ui.idleness import settle

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import RestoreRequest, RestoreTarget
from kronkeep_tui.restore_target_line import complete, parse, to_line


async def test_several_files_are_marked_planned_and_restored() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "dump.sql" in screen(pilot))
        assert "\x1b[31m" not in screen(pilot)
        await pilot.press("down", "space", "space", "r")
        await until(pilot, lambda: "Restore 2 entries to:" in screen(pilot))
        await pilot.press(*"copy overwrite".replace(" ", "_"))
        await pilot.press(*["backspace"] * len("copy_overwrite"))
        for letter in "copy overwrite":
            await pilot.press("space" if letter == " " else letter)
        await pilot.press("enter")
        await until(pilot, lambda: "1 overwritten" in screen(pilot))
        assert "/dump.sql" in screen(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "y/n" in screen(pilot))
        assert client.asked[-1][0] == "plan"
        await pilot.press("y")
        await until(pilot, lambda: "[####" in screen(pilot))
        asked = client.asked[-1]
        request = json.loads(asked[2])
        assert (asked[0], request["include"]) == ("restore", ["/dump.sql", "/notes"])
        assert request["target"] == {"claim": "copy"}
        await pilot.press("l")
        await until(pilot, lambda: "Summary: done" in screen(pilot))
        assert "\x1b" not in screen(pilot)
        await pilot.press("escape", "x", "y")
        await until(pilot, lambda: client.asked[-1] == ("cancel_restore", "r1"))


async def test_in_place_needs_the_cronjob_s_name_and_a_refused_plan_cannot_begin() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("r", "ctrl+u", *"claim", "space", *"x", "enter")
        await until(pilot, lambda: "The target holds files" in screen(pilot))
        await pilot.press("enter")
        await settle(pilot.app)
        assert [name for name, *_ in client.asked] == ["plan"]
        await pilot.press("r")
        await until(pilot, lambda: "to: claim x_" in screen(pilot))
        await pilot.press("space", *"overwrite", "enter")
        await until(pilot, lambda: "enter begins the restore" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot))
        await pilot.press("r", "ctrl+u", *"in", "minus", *"place", "enter")
        await until(pilot, lambda: "in place" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Type pg-main-nightly" in screen(pilot))
        await pilot.press(*"no", "enter")
        await until(pilot, lambda: "nothing was done" in screen(pilot))
        assert {name for name, *_ in client.asked} == {"plan"}


async def test_verify_and_drill_are_asked_and_read_only_refuses_them() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("v")
        await until(pilot, lambda: client.asked and client.asked[-1][0] == "verify")
        await pilot.press("d")
        await until(pilot, lambda: client.asked[-1][0] == "drill")
    client = CannedClient()
    async with app_of(client, start="restore", read_only=True).run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("v", "d", "r")
        await settle(pilot.app)
        assert client.asked == []


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
