"""Storages in the terminal: what is done to one from the screen, and what retention would remove there."""

import json
from typing import Any

import msgspec
import pytest
from tests.ui.canned import NOW, POLICY, CannedClient, CannedPolicies, cronjob
from tests.ui.driving import ClientWithStorage, app_of, screen, shown_view, until
from tests.ui.scenes import storage
from textual import events
from textual.pilot import Pilot

from kronkeep_common.errors import PolicyNotFound
from kronkeep_common.models import OrphanedPolicy, Retention, RetentionPlan, StorageSnapshots
from kronkeep_common.states import StorageStatus
from kronkeep_tui.pages import storage_form
from kronkeep_tui.views.storage_form import StorageForm
from kronkeep_tui.widgets.cells import Text


def client(**more: object) -> CannedClient:
    return CannedClient(storages=[storage("s3-eu", 14, 20, **more), storage("spare", 1, None)])


async def fill(pilot: Pilot[Any], **texts: str) -> None:
    """Fill the fields of a form; keys are their paths with `__` for a dot."""
    view = shown_view(pilot, StorageForm)
    for name, text in texts.items():
        path = name.replace("__", ".")
        view.refresh_fields(at=path)
        await pilot.press("end", "ctrl+u")
        view.form_widget.post_message(events.Paste(text))
        await until(pilot, lambda: view.texts.get(path) == text)  # noqa: B023


SECRETS_OF_VAULT = "Passwords are in the Secrets kronkeep-storage-vault and kronkeep-storage-vault-folders"


def words(pilot: Pilot[Any]) -> str:
    """Return what the screen says, with a space where a line ends."""
    return " ".join(screen(pilot).split())


def text_of(lines: list[Text]) -> str:
    """Return lines without their colours."""
    return " ".join(part for line in lines for part, _ in line)


def test_both_secrets_are_named_where_a_namespace_has_a_repository_of_its_own() -> None:
    default = storage("vault", 1, None, layout="namespace")
    shared = storage("vault", 1, None, layout="shared")
    assert default.password_secrets == ("kronkeep-storage-vault", "kronkeep-storage-vault-folders")
    assert shared.password_secrets == ("kronkeep-storage-vault",)
    assert "vault-folders" in text_of(storage_form.password_lines("vault", "mine", "namespace", 200))
    assert "Secrets mine and" in text_of(storage_form.password_lines("vault", "mine", "policy", 200))
    assert storage_form.password_lines("vault", "mine", "shared", 200) == []
    assert "-folders" not in text_of(storage_form.password_lines("vault", "", "shared", 200))


async def test_the_pane_of_a_storage_names_both_secrets_at_80_columns() -> None:
    made = client()
    made.storages_given = [msgspec.structs.replace(each, layout="namespace") for each in made.storages_given]
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu-folders" in words(pilot))


async def test_the_form_asks_the_kind_first_then_its_fields_and_offers_what_exists() -> None:
    made = client()
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "[local]" in screen(pilot) and "A folder of the nodes" in screen(pilot))
        assert "The daemon would accept it" in screen(pilot) or "asking the daemon" in screen(pilot)
        await pilot.press(*["right"] * 11)
        await until(pilot, lambda: "[rclone]" in screen(pilot) and "Any remote of rclone" in screen(pilot))
        await pilot.press("s")
        await until(pilot, lambda: "[s3]" in screen(pilot) and "lacks" not in screen(pilot))
        await until(pilot, lambda: "Secrets that have them: bucket-keys" in screen(pilot))
        assert "[Storage]" in screen(pilot)
        await fill(pilot, id="vault", s3__bucket="b!")
        await until(pilot, lambda: "It is not of the right form" in screen(pilot))
        assert "Address!" in screen(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Keys!" in screen(pilot))
        assert made.asked == []
        await fill(pilot, s3__bucket="vault", namespaces="a, b", capacity_bytes="2T")
        shown_view(pilot, StorageForm).refresh_fields(at="credentials")
        await pilot.press("right")
        await until(pilot, lambda: "has   AWS_ACCESS_KEY_ID" in screen(pilot))
        await until(pilot, lambda: "The daemon would accept it" in screen(pilot))
        await until(pilot, lambda: "kronkeep-storage-vault-folders: keep" in words(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: f"Creating vault. {SECRETS_OF_VAULT}" in words(pilot))
    sent = json.loads(made.asked[0][1])
    assert (sent["capacity_bytes"], sent["namespaces"]) == (2 * 2**40, ["a", "b"])
    assert (sent["credentials"], sent["settings"]["bucket"]) == ("bucket-keys", "vault")


async def test_a_taken_name_is_refused_before_and_what_was_typed_is_there_again() -> None:
    made = client()
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "[local]" in screen(pilot))
        await fill(pilot, id="spare", local__path="/v")
        await until(pilot, lambda: "There is a storage spare already." in screen(pilot))
        assert "Storage!" in screen(pilot)
        await pilot.press("escape", "n")
        await until(pilot, lambda: "/v" in screen(pilot) and "earlier draft" in screen(pilot))
        assert made.asked == []


async def test_what_may_change_of_a_storage_is_offered_as_it_is_and_the_change_is_said() -> None:
    settings = {"bucket": "vault"}
    made = client(capacity_bytes=20 * 2**30, settings=settings, credentials="bucket-keys")
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "20Gi" in screen(pilot) and "Nothing differs yet." in screen(pilot))
        await fill(pilot, capacity_bytes="")
        await until(pilot, lambda: "It can be changed, but not taken away." in screen(pilot))
        await fill(pilot, capacity_bytes="30Gi", namespaces="shop")
        await until(pilot, lambda: "would change: serves * → shop, capacity 20Gi → 30Gi" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Changed s3-eu: serves * → shop, capacity 20Gi → 30Gi." in screen(pilot))
        assert json.loads(made.asked[0][2]) == {"namespaces": ["shop"], "capacity_bytes": 30 * 2**30}
        await pilot.press("e")
        await until(pilot, lambda: "[Use]" in screen(pilot))
        await fill(pilot, s3__bucket="elsewhere")
        await until(pilot, lambda: "each repository of the storage is found there" in screen(pilot))
        await until(pilot, lambda: "The daemon would accept it. The place: /there" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: made.asked[-1][0] == "change_address")
    assert json.loads(made.asked[-1][2])["settings"]["bucket"] == "elsewhere"


@pytest.mark.parametrize(("keys", "what"), [("v", "check"), ("T", "test"), ("Py", "prune"), ("L", "rescan")])
async def test_work_on_a_storage_runs_to_its_end_and_one_that_failed_is_only_tried_again(
    keys: str, what: str
) -> None:
    made = client()
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press(*keys)
        await until(pilot, lambda: made.asked == [(what, "s3-eu")])
    broken = client(status=StorageStatus.FAILED)
    async with app_of(broken, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "t try again" in screen(pilot))
        await pilot.press(keys[0])
        await until(pilot, lambda: "s3-eu is failed, not active." in screen(pilot))
    assert broken.asked == []


class SomePolicies(CannedPolicies):
    """One of them is not there."""

    async def retention(self, policy_id: str, namespace: str | None = None) -> RetentionPlan:
        if policy_id == "gone":
            raise PolicyNotFound("There is no policy gone.")
        return await super().retention(policy_id, namespace)


async def test_what_differs_from_the_records_is_shown_and_what_is_missing_acknowledged() -> None:
    counts = StorageSnapshots(listed_at=NOW, snapshots=9, missing=2, unrecorded=3, foreign=4)
    made = client(snapshots=counts, prune_waits="Snapshots are missing.")
    async with app_of(made, start="storages").run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "2 missing  3 without a record  4 of others" in screen(pilot))
        assert "Snapshots are missing." in screen(pilot)
        await pilot.press("a", "y")
        await until(pilot, lambda: made.asked == [("acknowledge_missing", "s3-eu")])
    whole = client()
    async with app_of(whole, start="storages").run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "No snapshot of s3-eu is missing." in screen(pilot))
        assert whole.asked == []


async def test_retention_of_a_storage_is_each_policy_s_and_leads_to_the_approval() -> None:
    lost = msgspec.structs.replace(POLICY, id="gone")
    elsewhere = msgspec.structs.replace(POLICY, storage_id="spare")
    jobs = [cronjob("a", policy=POLICY), cronjob("b", policy=lost), cronjob("c", policy=elsewhere)]
    made = CannedClient(cronjobs=jobs, storages=[storage("s3-eu", 14, 20), storage("spare", 1, None)])
    made.policies = SomePolicies(made)
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: "waits for approval" in screen(pilot) and "not known" in screen(pilot))
        lines = [" ".join(line.split()) for line in screen(pilot).splitlines()]
        assert ">default/a 4 167.8 MiB 7 waits for approval 30 days" in lines
        assert "default/c" not in screen(pilot)
        await pilot.press("j")
        await until(pilot, lambda: "There is no policy gone." in screen(pilot))
        await pilot.press("k", "enter")
        await until(pilot, lambda: "retention of a" in screen(pilot) and "TO REMOVE  4" in screen(pilot))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "FULL IN" in screen(pilot))


def orphan(**fields: object) -> OrphanedPolicy:
    given = OrphanedPolicy(
        policy_id="0123456789abcdef",
        cluster="c",
        namespace="shop",
        cronjob="old-dump",
        storage_ids=("s3-eu",),
        snapshots=3,
        good=2,
        oldest_at=NOW,
        newest_at=NOW,
        retention=Retention(keep_last=2),
        removable=1,
        adopters=("shop/new-dump",),
    )
    return msgspec.structs.replace(given, **fields)


async def test_backups_without_a_policy_are_shown_removed_by_its_rules_or_adopted() -> None:
    made = client()
    made.orphans_given = [orphan()]
    async with app_of(made, start="storages").run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("o")
        await until(pilot, lambda: "shop/old-dump" in screen(pilot))
        assert "By these rules 1 would go now" in screen(pilot)
        # Its own rules still say what would go; nothing is removed automatically.
        await pilot.press("enter")
        await until(pilot, lambda: "TO REMOVE  4" in screen(pilot))
        assert "nothing is removed automatically" in screen(pilot)
        await pilot.press("a", *"old", "minus", *"dump", "enter")
        await until(pilot, lambda: made.asked == [("approve", "0123456789abcdef", "t0ken")])
        await pilot.press("escape")
        await until(pilot, lambda: "orphans in s3-eu" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "are adopted by: shop/new-dump" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Type new-dump and enter" in words(pilot))
        assert "3 backups of shop/old-dump, of the claims data, become those of shop/new-dump" in words(pilot)
        assert len(made.asked) == 1
        await pilot.press(*"new", "minus", *"dump", "enter")
        await until(pilot, lambda: "shop/new-dump has adopted 3 backups." in screen(pilot))
        assert made.asked[1] == ("adopt", "shop/new-dump", "0123456789abcdef")
        await until(pilot, lambda: "Every backup here is of a policy that a CronJob carries" in screen(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "shop/new-dump has given 3 backups back." in screen(pilot))
        assert made.asked[2] == ("undo", "shop/new-dump", "0123456789abcdef")


async def test_what_cannot_be_done_with_them_is_said() -> None:
    made = client()
    made.orphans_given = [orphan(retention=None, adopters=(), claims=("data",))]
    async with app_of(made, start="storages").run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("o")
        await until(pilot, lambda: "Its rules are not known" in screen(pilot))
        assert "No CronJob of shop with a policy has that name or its claims (data)" in words(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "nothing says what would go" in screen(pilot))
        # Nothing is proposed: an enter alone adopts nothing, and a CronJob with other claims is refused.
        await pilot.press("a", "enter")
        await until(pilot, lambda: "Which CronJob adopts them was not said" in screen(pilot))
        await pilot.press(*"shop", "slash", *"stranger", "enter")
        await until(pilot, lambda: "shop/stranger does not have the claims data" in screen(pilot))
        assert made.asked == []


async def test_an_active_storage_that_cannot_be_used_is_a_fault() -> None:
    made = client(reason="RepositoryMissing", message="There is no repository at the storage.")
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "FAIL" in screen(pilot) and "spare" in screen(pilot))
        await pilot.press("z")
        await until(pilot, lambda: "spare" not in screen(pilot))
        assert "FAIL s3-eu" in words(pilot)


async def test_a_form_of_a_storage_that_goes_or_is_gone_says_so_and_stays() -> None:
    client = ClientWithStorage()
    app = app_of(client, start="storages")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "vault" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "change vault" in screen(pilot))
        client.storages_given = []
        app.reader.resync()
        await until(pilot, lambda: "There is no storage vault any more." in screen(pilot))
        await pilot.press("escape", "minus")  # and once it is opened again
        await until(pilot, lambda: "change vault" in screen(pilot) and "no storage vault" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "There is no storage vault any more." in screen(pilot))
        assert client.asked == []


async def test_one_with_the_only_snapshots_is_forgotten_once_their_number_is_typed() -> None:
    given = client()
    given.only_here_given = {"spare": 12}
    async with app_of(given, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "spare" in screen(pilot))
        await pilot.press("colon", *"delete spare", "enter")
        await until(pilot, lambda: "Type spare and enter:" in words(pilot))
        await pilot.press(*"spare", "enter")
        await until(pilot, lambda: "All the same? Type 12 and enter:" in words(pilot))
        assert "12 snapshots and 0 copies are only in the storage spare." in words(pilot)
        await pilot.press(*"spare", "enter")
        await until(pilot, lambda: "That does not match; nothing was done." in words(pilot))
        assert given.asked == []
        await pilot.press("ctrl+u", *"12", "enter")
        await until(pilot, lambda: "Forgot spare." in screen(pilot))
        assert given.asked == [("delete_storage", "spare", "spare")]
        await pilot.press("C", "down", "down")
        await until(pilot, lambda: "--only-here 12" in words(pilot))
