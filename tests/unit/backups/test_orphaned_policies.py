"""Which policies are orphans, and what may be done with their backups."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import AmbiguousId, ConfirmationMissing, Conflict, NotAllowedNow, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, Retention
from kronkeep_common.models.policy import ClaimSource, Source
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords, backup_id_for
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.history.expiry import ExpiryRules, plan
from kronkeep_daemon.history.record_ids import expand_prefix
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject, CronJobRef

NEW = BackupPolicy(id="new", storage_id="s")
OLD = BackupPolicy(id="old", storage_id="s", retention=Retention(keep_last=1))


class Cluster:
    """A cluster that is known."""

    id = "c"


class Clusters:
    """One cluster."""

    def __iter__(self) -> Any:
        return iter([Cluster()])

    def same(self, first: str, second: str) -> bool:
        return first == second

    def by_name(self, _name: str) -> Cluster:
        return Cluster()


class CronJobs:
    """The CronJobs of that cluster."""

    def __init__(self) -> None:
        self.clusters = Clusters()
        self.pending: set[str] = set()
        self.given: dict[CronJobRef, CronJobObject] = {}
        self.subjects = self
        self.claims_are_known = True

    def add(self, name: str, annotations: dict[str, str], namespace: str = "n") -> None:
        meta = CronJobMeta(name=name, namespace=namespace, uid=f"uid-{name}", annotations=annotations)
        cronjob = msgspec.structs.replace(CronJobObject(), metadata=meta, cluster="c")
        self.given[CronJobRef("c", namespace, name)] = cronjob

    def carry(self, name: str, policy: BackupPolicy, namespace: str = "n") -> None:
        self.add(name, policy_annotations.annotations_of(policy), namespace)

    def objects(self, namespace: str | None = None) -> list[CronJobObject]:
        return [each for each in self.given.values() if namespace in (None, each.namespace)]

    def pending_clusters(self) -> set[str]:
        return self.pending

    def knows_claims(self, _cluster: str) -> bool:
        return self.claims_are_known

    def find_subject(self, ref: CronJobRef) -> CronJobObject:
        if ref not in self.given:
            raise PolicyNotFound("There is none.")
        return self.given[ref]


class Scene:
    """The orphans of a history and of a cluster."""

    def __init__(self, history: History) -> None:
        self.cronjobs = CronJobs()
        cronjobs: Any = self.cronjobs
        clusters: Any = self.cronjobs.clusters
        self.history = history
        self.records = BackupRecords(history, Bus(), clusters)
        self.orphans = OrphanedPolicies(
            cronjobs=cronjobs, policies=PolicyLookup(cronjobs), records=self.records, clock=SystemClock()
        )
        self.count = 0

    async def back_up(self, **fields: Any) -> BackupExecution:
        """Record a good backup of the old policy."""
        self.count += 1
        whole = {
            "id": f"b{self.count}",
            "policy_id": "old",
            "policy": OLD,
            "policy_revision": "r",
            "result": BackupResult(snapshot_id=f"{self.count:08x}"),
            **fields,
        }
        await self.records.put(None, make_backup(**whole))
        return self.records.get(whole["id"])

    async def ids(self) -> list[str]:
        return [orphan.policy_id for orphan in await self.orphans.views()]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    history = await History.open(tmp_path, clock=SystemClock())
    yield Scene(history)
    await history.close()


async def test_a_policy_that_no_cronjob_carries_is_an_orphan_with_its_last_rules(scene: Scene) -> None:
    await scene.back_up()
    await scene.back_up()
    scene.cronjobs.carry("j", NEW)
    (view,) = await scene.orphans.views()
    assert (view.policy_id, view.snapshots, view.good, view.removable) == ("old", 2, 2, 1)
    assert (view.retention, view.adopters) == (OLD.retention, ("n/j",))
    carrier = await scene.orphans.carrier_by_id("old")
    assert (carrier.namespace, carrier.cronjob, carrier.policy) == ("n", "j", OLD)
    assert await scene.orphans.views("another") == []


async def test_a_policy_that_is_carried_or_may_be_is_none(scene: Scene) -> None:
    await scene.back_up()
    scene.cronjobs.carry("j", OLD)
    assert await scene.ids() == []
    scene.cronjobs.add("j", {object_keys.POLICY: "{broken"})
    assert await scene.ids() == []
    scene.cronjobs.given.clear()
    assert await scene.ids() == ["old"]
    scene.cronjobs.pending.add("c")
    assert await scene.ids() == []


async def test_backups_of_a_claim_are_no_orphans_while_the_claims_are_not_known(scene: Scene) -> None:
    await scene.back_up(cronjob="pvc/data")
    scene.cronjobs.claims_are_known = False
    assert await scene.ids() == []
    scene.cronjobs.claims_are_known = True
    assert await scene.ids() == ["old"]


async def test_one_that_another_cronjob_carries_has_orphans_all_the_same(scene: Scene) -> None:
    await scene.back_up()
    scene.cronjobs.carry("renamed", OLD)
    assert await scene.ids() == ["old"]


async def test_the_policy_of_a_deleted_cronjob_is_known_by_its_name(scene: Scene) -> None:
    """Where another CronJob carries its id now, only the name says whose backups are meant."""
    await scene.back_up()
    scene.cronjobs.carry("renamed", OLD)
    carrier = await scene.orphans.carrier_named("n", "j")
    assert carrier is not None
    assert (carrier.cronjob, carrier.policy) == ("j", OLD)
    assert await scene.orphans.carrier_named("n", "renamed") is None
    assert await scene.orphans.carrier_by_id("old", namespace="n", cronjob="j") == carrier
    cronjobs: Any = scene.cronjobs
    with pytest.raises(PolicyNotFound):
        PolicyLookup(cronjobs).carrier_by_id("old", namespace="n", cronjob="j")
    await scene.back_up(policy_id="older", policy=msgspec.structs.replace(OLD, id="older"))
    with pytest.raises(Conflict, match="n/j carried more than one policy: old, older"):
        await scene.orphans.carrier_named("n", "j")


async def test_backups_without_a_snapshot_or_of_another_cluster_are_no_orphans(scene: Scene) -> None:
    await scene.back_up(result=None)
    await scene.back_up(snapshot_removed_at=SystemClock().now())
    await scene.back_up(cluster="another")
    assert await scene.ids() == []


async def test_rules_that_nobody_chose_are_not_applied(scene: Scene) -> None:
    await scene.back_up(policy=BackupPolicy(id="old", storage_id="s"), policy_revision="")
    (view,) = await scene.orphans.views()
    assert (view.retention, view.removable) == (None, 0)
    with pytest.raises(NotAllowedNow, match="only its snapshots were found"):
        await scene.orphans.carrier_by_id("old")
    assert await scene.orphans.carriers() == []


async def test_an_id_that_two_cronjobs_had_needs_a_namespace(scene: Scene) -> None:
    await scene.back_up()
    await scene.back_up(namespace="other")
    with pytest.raises(Conflict, match="n/j, other/j"):
        await scene.orphans.carrier_by_id("old")
    assert (await scene.orphans.carrier_by_id("old", namespace="other")).namespace == "other"
    with pytest.raises(PolicyNotFound):
        await scene.orphans.carrier_by_id("never")


async def test_backups_are_adopted_within_their_namespace_only(scene: Scene) -> None:
    own = await scene.back_up()
    others = await scene.back_up(namespace="other")
    scene.cronjobs.carry("j", NEW)
    assert (await scene.orphans.adopt(CronJobRef("c", "n", "j"), "old", confirm="j")).backups == 1
    adopted = scene.records.get(own.id)
    assert (adopted.policy_id, adopted.tagged_policy_id, adopted.cronjob_id) == ("new", "old", "uid-j")
    assert (adopted.snapshot_policy_id, adopted.policy, adopted.sequence) == ("old", OLD, own.sequence)
    assert scene.records.get(others.id) == others
    with pytest.raises(PolicyNotFound, match="has backups in n"):
        await scene.orphans.adopt(CronJobRef("c", "n", "j"), "old")
    # Adopted twice, the tag of the snapshot stays that of its first policy.
    scene.cronjobs.given.clear()
    scene.cronjobs.carry("j", msgspec.structs.replace(NEW, id="newest"))
    assert (await scene.orphans.adopt(CronJobRef("c", "n", "j"), "new", confirm="j")).backups == 1
    assert scene.records.get(own.id).tagged_policy_id == "old"


async def test_the_runs_of_the_old_cronjob_stay_linked_to_backups_that_were_adopted(scene: Scene) -> None:
    run = make_run(cluster="c", cronjob_id="old-uid")
    backup_id = backup_id_for(cluster="c", cronjob_id="old-uid", policy_id="old", key=run.id)
    await scene.back_up(id=backup_id, cronjob_id="old-uid", cronjob_execution_id=run.id)
    assert scene.records.id_after_run(run) == backup_id
    scene.cronjobs.carry("j", NEW)
    await scene.orphans.adopt(CronJobRef("c", "n", "j"), "old", confirm="j")
    linked = scene.records.link_to_backup(run)
    assert (linked.backup_id, linked.policy_id) == (backup_id, "new")
    # Adopted a second time, by a CronJob that was made again, too.
    scene.cronjobs.given.clear()
    scene.cronjobs.carry("k", msgspec.structs.replace(NEW, id="newest"))
    await scene.orphans.adopt(CronJobRef("c", "n", "k"), "new", confirm="k", other_claims=True)
    assert scene.records.link_to_backup(run).policy_id == "newest"


async def test_an_orphan_is_found_by_the_beginning_of_its_id(scene: Scene) -> None:
    await scene.back_up(policy_id="0123456789ab")
    assert expand_prefix(scene.orphans, "0123", "policy") == "0123456789ab"
    assert "0123456789ab" in scene.orphans
    await scene.back_up(policy_id="01234567cdef")
    with pytest.raises(AmbiguousId):
        expand_prefix(scene.orphans, "0123", "policy")


def with_claims(*claims: str) -> BackupPolicy:
    source = Source(claims=tuple(ClaimSource(claim=claim) for claim in claims))
    return msgspec.structs.replace(NEW, source=source)


async def test_only_a_cronjob_of_the_same_name_or_with_the_claims_is_proposed(scene: Scene) -> None:
    await scene.back_up(cronjob="gone", claims=("data",))
    scene.cronjobs.carry("always-fails", with_claims("other"))
    assert (await scene.orphans.views())[0].adopters == ()
    scene.cronjobs.carry("renamed", with_claims("data", "more"))
    assert (await scene.orphans.views())[0].adopters == ("n/renamed",)
    await scene.back_up(cronjob="other", policy_id="older")
    assert [view.adopters for view in await scene.orphans.views()] == [("n/renamed",), ()]


async def test_backups_of_claims_that_are_not_the_adopter_s_need_the_word_for_it(scene: Scene) -> None:
    backup = await scene.back_up(cronjob="gone", claims=("data",))
    unknown = await scene.back_up(cronjob="lost", policy_id="lost")
    scene.cronjobs.carry("j", with_claims("other"))
    ref = CronJobRef("c", "n", "j")
    plan = await scene.orphans.adopt(ref, "old", dry_run=True)
    assert (plan.backups, plan.claims, plan.other_claims) == (1, ("data",), ("data",))
    with pytest.raises(Conflict, match="claims that n/j does not have: data"):
        await scene.orphans.adopt(ref, "old", confirm="j")
    with pytest.raises(Conflict, match="is not known, and n/j has another name"):
        await scene.orphans.adopt(ref, "lost", confirm="j")
    with pytest.raises(ConfirmationMissing, match="as confirmation: j"):
        await scene.orphans.adopt(ref, "old", confirm="gone", other_claims=True)
    assert (scene.records.get(backup.id), scene.records.get(unknown.id)) == (backup, unknown)
    await scene.orphans.adopt(ref, "old", confirm="j", other_claims=True)
    assert scene.records.get(backup.id).policy_id == "new"


async def test_an_adoption_is_undone_whole_even_after_a_second_one(scene: Scene) -> None:
    backup = await scene.back_up(cronjob="gone", cronjob_id="gone-uid", claims=("data",))
    own = await scene.back_up(cronjob="j", policy_id="new", claims=("data",))
    scene.cronjobs.carry("j", with_claims("data"))
    ref = CronJobRef("c", "n", "j")
    await scene.orphans.adopt(ref, "old", confirm="j")
    scene.cronjobs.given.clear()
    scene.cronjobs.carry("k", msgspec.structs.replace(with_claims("data"), id="newest"))
    ref = CronJobRef("c", "n", "k")
    await scene.orphans.adopt(ref, "new", confirm="k")
    with pytest.raises(Conflict, match="has adopted those of new, old"):
        await scene.orphans.undo_adoption(ref, "", confirm="k")
    with pytest.raises(PolicyNotFound, match="n/k has adopted no backup"):
        await scene.orphans.undo_adoption(ref, "never", confirm="k")
    with pytest.raises(ConfirmationMissing):
        await scene.orphans.undo_adoption(ref, "ol")
    assert (await scene.orphans.undo_adoption(ref, "ol", confirm="k")).adopted_policy_id == "old"
    assert scene.records.get(backup.id) == backup
    assert scene.records.get(own.id).policy_id == "newest"
    assert await scene.ids() == ["old"]


async def test_the_copies_of_adopted_backups_go_with_them_and_come_back(scene: Scene) -> None:
    """Else the new policy would copy them again and again, and records with an only copy would expire."""
    backup = await scene.back_up(cronjob="gone", cronjob_id="uid-gone")
    copies = CopyRecords(scene.history, Bus(), SystemClock())
    copy = new_copy(backup, "second", "after-backup", backup.created_at)
    copy = msgspec.structs.replace(copy, status=CopyStatus.SUCCEEDED, snapshot_id="c" * 64)
    await copies.put(None, copy)
    gone_at = backup.created_at
    await scene.records.change(
        backup.id, snapshot_missing_at=gone_at, snapshot_missing_acknowledged_at=gone_at
    )
    scene.cronjobs.carry("j", NEW)
    ref = CronJobRef("c", "n", "j")
    await scene.orphans.adopt(ref, "old", confirm="j", other_claims=True)
    (moved,) = copies.of_policy(NEW, "second")
    assert (moved.backup_id, moved.cronjob, moved.cronjob_id) == (backup.id, "j", "uid-j")
    later = gone_at + timedelta(days=400)
    assert (await plan(scene.history, ExpiryRules(days=30), later)).backups == ()
    await scene.orphans.undo_adoption(ref, "old", confirm="j")
    assert copies.get(copy.id) == copy
