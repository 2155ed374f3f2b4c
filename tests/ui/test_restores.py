"""Restore in the terminal: browse, mark, plan, confirm, follow."""

import json
from datetime import timedelta

import msgspec
from tests.ui.canned import NOW, CannedBackups, CannedClient
from tests.ui.driving import app_of, running_app, screen, shown_view, until
from tests.ui.idleness import settle

from kronkeep_common.models import RestorePlan, RestoreRequest
from kronkeep_common.models.file_changes import BackupDiff
from kronkeep_tui.views.restore_form import RestoreForm


async def test_several_files_are_marked_planned_and_restored() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "dump.sql" in screen(pilot))
        assert "\x1b[31m" not in screen(pilot)
        await pilot.press("down", "space", "space", "r")
        await until(pilot, lambda: "restore 2 paths of default/" in screen(pilot))
        await pilot.press("up", "right")  # from a new claim to one that exists
        await until(
            pilot, lambda: "[claim]" in screen(pilot) and "The target is not whole yet" in screen(pilot)
        )
        await pilot.press("down", *"copy")
        await until(pilot, lambda: "The target holds files" in screen(pilot))
        await pilot.press("ctrl+s")
        await settle(running_app(pilot))
        assert {name for name, *_ in client.asked} == {"plan"}
        await pilot.press("down", "down", "down", "y")
        await until(pilot, lambda: "1 overwritten" in screen(pilot) and "holds files" not in screen(pilot))
        assert "/dump.sql" in screen(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "y/n" in screen(pilot))
        assert client.asked[-1][0] == "plan"
        await pilot.press("y")
        await until(pilot, lambda: "████" in screen(pilot))
        asked = client.asked[-1]
        request = json.loads(asked[2])
        assert (asked[0], request["include"]) == ("restore", ["/dump.sql", "/notes"])
        assert request["target"] == {"kind": "claim", "claim": "copy"}
        await pilot.press("l")
        await until(pilot, lambda: "Summary: done" in screen(pilot))
        assert "\x1b" not in screen(pilot)
        await pilot.press("escape", "x", "y")
        await until(pilot, lambda: client.asked[-1] == ("cancel_restore", "r1"))


def plan_an_old_snapshot(client: CannedClient) -> None:
    """Let plans be of a snapshot of 26 hours ago, where one of two hours ago is good."""
    plan_restore = client.backups.plan_restore

    async def plan_old(backup_id: str, request: RestoreRequest) -> RestorePlan:
        return msgspec.structs.replace(
            await plan_restore(backup_id, request),
            snapshot_at=NOW - timedelta(hours=26),
            newer_backup_id="89476f5b-0c1e-4c8e-9f55-6d2c1b7a3e90",
            newer_snapshot_at=NOW - timedelta(hours=2),
        )

    client.backups.plan_restore = plan_old  # type: ignore[method-assign]


async def test_in_place_needs_the_cronjob_s_name_and_a_new_claim_no_word_at_all() -> None:
    client = CannedClient()
    plan_an_old_snapshot(client)
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("r")
        await until(
            pilot, lambda: "[new-claim]" in screen(pilot) or "restore to      new-claim" in screen(pilot)
        )
        await until(pilot, lambda: "new claim" in screen(pilot) and "2 files" in screen(pilot))
        assert json.loads(client.asked[-1][2]) == {"target": {}}
        await pilot.press("up", "left")
        await until(pilot, lambda: "[in-place]" in screen(pilot) and "→ in place" in screen(pilot))
        assert json.loads(client.asked[-1][2])["confirm"] == "pg-ledger"
        age = "26 hours ago; not the newest: 89476f5b-0c1 of"
        assert age in " ".join(screen(pilot).split())
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Type pg-main-nightly" in screen(pilot))
        question = " ".join(screen(pilot).split()).partition("The snapshot is")[2]
        assert age in question.partition("Type pg-main-nightly")[0]
        await pilot.press(*"no", "enter")
        await until(pilot, lambda: "nothing was done" in screen(pilot))
        assert {name for name, *_ in client.asked} == {"plan"}


async def test_restore_opens_with_the_cursor_on_the_newest() -> None:
    client = CannedClient()
    newest = next(backup for backup in client.backups_given if backup.snapshot_state == "present")
    earlier = newest.created_at - timedelta(days=1)
    client.backups_given = [
        *client.backups_given,
        msgspec.structs.replace(newest, id="e", created_at=earlier),
    ]
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and screen(pilot).count("pg-ledger") > 1)
        await pilot.press("end", "enter")
        await until(pilot, lambda: "dump.sql" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "dump.sql" not in screen(pilot))
        # Back from its files, the cursor is where one left it.
        assert running_app(pilot).frame.view.subject() != newest
        await pilot.press("2", "5")
        await until(pilot, lambda: running_app(pilot).frame.view.subject() == newest)
        await pilot.press("S", "a", "S", "a", "2", "5")  # the oldest first
        await until(pilot, lambda: running_app(pilot).frame.view.subject() == newest)


async def test_another_kind_of_target_does_not_take_over_the_name_of_the_claim() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("r")
        await until(pilot, lambda: "2 files" in screen(pilot))
        texts = shown_view(pilot, RestoreForm).texts
        await pilot.press("right")  # takes the name that is offered
        offered = texts["claim"]
        assert offered
        await pilot.press("up", "right")
        assert (texts["kind"], texts["claim"]) == ("claim", "")
        await pilot.press("z")
        await until(pilot, lambda: "left and right choose" in screen(pilot))
        await pilot.press("left")
        assert (texts["kind"], texts["claim"]) == ("new-claim", offered)


async def test_verify_and_drill_are_asked_and_read_only_refuses_them() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("v")
        await until(pilot, lambda: client.asked and client.asked[-1][0] == "verify")
        await pilot.press("d")
        await until(pilot, lambda: "That restores its newest good snapshot" in screen(pilot))
        assert client.asked[-1][0] == "verify"
        await pilot.press("y")
        await until(pilot, lambda: client.asked[-1][0] == "drill")
    client = CannedClient()
    async with app_of(client, start="restore", read_only=True).run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("v", "d", "r")
        await settle(running_app(pilot))
        assert client.asked == []


class BackupsWithDiff(CannedBackups):
    """Backups of which the newer of any two has three files more."""

    async def diff(
        self, older_id: str, newer_id: str, *, path: str = "/", limit: int | None = None
    ) -> BackupDiff:
        return BackupDiff(older_id=older_id, newer_id=newer_id, items=[], added=3)


async def test_two_snapshots_are_compared() -> None:
    client = CannedClient()
    client.backups = BackupsWithDiff(client)
    newest = next(backup for backup in client.backups_given if backup.snapshot_state == "present")
    earlier = newest.created_at - timedelta(days=1)
    client.backups_given = [
        *client.backups_given,
        msgspec.structs.replace(newest, id="e", created_at=earlier),
    ]
    async with app_of(client, start="restore").run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and screen(pilot).count("pg-ledger") > 1)
        await pilot.press("D")
        await until(pilot, lambda: "3 added, 0 removed" in screen(pilot))


async def test_a_file_is_looked_into_as_text_and_as_bytes_and_single_folders_are_folded() -> None:
    client = CannedClient()
    async with app_of(client, start="restore").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "dump.sql" in screen(pilot))
        assert "dir/only/" in screen(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "Only into a regular file can be looked" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "None of" not in screen(pilot) and "› only" in screen(pilot))
        await pilot.press("escape", "down", "p")
        await until(pilot, lambda: "the first 64.0 KiB of" in screen(pilot))
        assert "-- dump" in screen(pilot)
        assert "CREATE TABLE a;" in screen(pilot)
        await pilot.press("x")
        await until(pilot, lambda: "00000000  2d 2d 20 64 75 6d 70 20 1b 5b" in screen(pilot))
        await pilot.press("slash", *"00fff0", "enter")
        await until(pilot, lambda: "0000fff0" in screen(pilot))
