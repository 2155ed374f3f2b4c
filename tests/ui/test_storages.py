"""Storages in the terminal: what is done to one from the screen, and what retention would remove there."""

import json

import msgspec
import pytest
from tests.ui.canned import NOW, POLICY, CannedClient, CannedPolicies, cronjob
from tests.ui.driving import app_of, screen, type_line, until
from tests.ui.scenes import storage

from kronkeep_common.errors import PolicyNotFound
from kronkeep_common.models import OrphanedPolicy, Retention, RetentionPlan, StorageSnapshots
from kronkeep_common.states import StorageStatus


def client(**more: object) -> CannedClient:
    return CannedClient(storages=[storage("s3-eu", 14, 20, **more), storage("spare", 1, None)])


async def test_a_storage_is_made_with_its_limits_and_one_is_told_to_keep_its_password() -> None:
    made = client()
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("n", "ctrl+u")
        await type_line(pilot, "vault local path=/v capacity=2T namespaces=a,b")
        await until(pilot, lambda: "copy of the Secret kronkeep-storage-vault elsewhere" in screen(pilot))
    sent = json.loads(made.asked[0][1])
    assert (sent["capacity_bytes"], sent["namespaces"]) == (2 * 2**40, ["a", "b"])


async def test_a_line_that_made_no_storage_is_there_again() -> None:
    made = client()
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("n", "ctrl+u")
        await type_line(pilot, "vault local")
        await until(pilot, lambda: "local needs path=" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "New storage: vault local_" in screen(pilot))
        assert made.asked == []


async def test_what_may_change_of_a_storage_is_offered_as_it_is() -> None:
    made = client(capacity_bytes=20 * 2**30)
    async with app_of(made, start="storages").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "Change s3-eu: capacity=20Gi namespaces=*_" in screen(pilot))
        await pilot.press("backspace")
        await type_line(pilot, "shop kind=nfs")
        await until(pilot, lambda: "kind stays as it was made" in screen(pilot))
        assert made.asked == []
        await pilot.press("e", "backspace")
        await type_line(pilot, "shop")
        await until(pilot, lambda: "Changed s3-eu" in screen(pilot))
    assert json.loads(made.asked[0][2]) == {"namespaces": ["shop"], "capacity_bytes": 20 * 2**30}


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
        # Its own rules still say what would go; nothing goes by itself.
        await pilot.press("enter")
        await until(pilot, lambda: "TO REMOVE  4" in screen(pilot))
        assert "nothing goes by itself" in screen(pilot)
        await pilot.press("a", *"old", "minus", *"dump", "enter")
        await until(pilot, lambda: made.asked == [("approve", "0123456789abcdef", "t0ken")])
        await pilot.press("escape")
        await until(pilot, lambda: "orphans in s3-eu" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "are adopted by: shop/new-dump" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "shop/new-dump has adopted 3 backups." in screen(pilot))
        assert made.asked[1] == ("adopt", "shop/new-dump", "0123456789abcdef")
        await until(pilot, lambda: "Every backup here is of a policy that a CronJob carries" in screen(pilot))


async def test_what_cannot_be_done_with_them_is_said() -> None:
    made = client()
    made.orphans_given = [orphan(retention=None, adopters=())]
    async with app_of(made, start="storages").run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "s3-eu" in screen(pilot))
        await pilot.press("o")
        await until(pilot, lambda: "Its rules are not known" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "No CronJob of the namespace shop has a policy" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "nothing says what would go" in screen(pilot))
        assert made.asked == []
