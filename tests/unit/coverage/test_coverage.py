"""Who backs up a claim: the shapes that a cluster has, judged from frozen facts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kronkeep_common.archive_contents import CLAIM_KIND, MountedVolume
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupResult,
    ClaimSource,
    DatabaseDump,
    Include,
    Source,
)
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.coverage import rules
from kronkeep_daemon.coverage.backup_times import collect_backup_times
from kronkeep_daemon.coverage.rules import BackupTimes, ClaimFacts, ClaimUser, explain_stop
from kronkeep_daemon.coverage.service import facts_of
from kronkeep_daemon.kube.claims import ClaimObject

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
REFUSAL = "The storage offsite serves pay, not shop."
DUMP = Include(volumes=False, database=DatabaseDump(image="postgres", command=("pg_dump",)))


def claim(**fields: Any) -> ClaimFacts:
    base: dict[str, Any] = {
        "cluster": "c",
        "namespace": "shop",
        "name": "data",
        "uid": "u",
        "created_at": NOW,
    }
    return ClaimFacts(**base | fields)


def policy(*claims: str, paths: tuple[str, ...] = (), **fields: Any) -> BackupPolicy:
    source = Source(claims=tuple(ClaimSource(claim=name, paths=paths) for name in claims))
    base: dict[str, Any] = {"id": "p", "storage_id": "offsite", "source": source}
    return BackupPolicy(**base | fields)


def user(
    spec: BackupPolicy | None = None,
    *,
    mounts: tuple[str, ...] = ("data",),
    suspended: bool = False,
    refusal: str | None = None,
    is_device: bool = False,
    **fields: Any,
) -> ClaimUser:
    volumes = tuple(
        MountedVolume(name=name, kind=CLAIM_KIND, mount_path="/d", claim=name, is_device=is_device)
        for name in mounts
    )
    stopped = (
        explain_stop(spec, is_suspended=suspended, storage_refusal=refusal) if spec is not None else None
    )
    base: dict[str, Any] = {
        "cluster": "c",
        "namespace": "shop",
        "cronjob": "dump",
        "volumes": volumes,
        "policy": spec,
    }
    return ClaimUser(**base | {"stopped": stopped} | fields)


def judge(facts: ClaimFacts, *users: ClaimUser, storage_id: str | None = None) -> ClaimCoverage:
    index = rules.index_users(users)
    return rules.judge_claim(facts, index.get((facts.cluster, facts.namespace, facts.name), ()), storage_id)


EXEMPT = claim(exemption="a cache")
SHAPES = {
    "mounted, policy without claims": (claim(), (user(policy()),), "covered"),
    "claim of a StatefulSet's template, named by a policy": (
        claim(name="data-db-0"),
        (user(policy("data-db-0"), mounts=()),),
        "covered",
    ),
    "next replica of that StatefulSet, which no policy names": (
        claim(name="data-db-1"),
        (user(policy("data-db-0"), mounts=()),),
        "nobody",
    ),
    "paths only": (claim(), (user(policy("data", paths=("sub",))),), "partly"),
    "the root as a path": (claim(), (user(policy("data", paths=("./",))),), "covered"),
    "paths of one policy, all of it by another": (
        claim(),
        (user(policy("data", paths=("sub",))), user(policy(), cronjob="all")),
        "covered",
    ),
    "suspended, after runs": (claim(), (user(policy(), suspended=True),), "stopped"),
    "suspended, with a schedule of its own": (
        claim(),
        (user(policy(schedule="0 2 * * *"), suspended=True),),
        "covered",
    ),
    "disabled": (claim(), (user(policy(enabled=False)),), "stopped"),
    "other storage": (claim(), (user(policy(), refusal=REFUSAL),), "stopped"),
    "policy that cannot be read": (claim(), (user(policy_fault="No JSON."),), "stopped"),
    "policy of the CronJob names another claim": (claim(), (user(policy("other")),), "unprotected"),
    "dump only": (claim(), (user(policy(include=DUMP)),), "unprotected"),
    "mounted, no policy": (claim(), (user(),), "unprotected"),
    "mounted in another namespace": (claim(), (user(policy(), namespace="pay"),), "nobody"),
    "mounted on another cluster": (claim(), (user(policy(), cluster="d"),), "nobody"),
    "nobody": (claim(), (), "nobody"),
    "exempt": (EXEMPT, (user(),), "exempt"),
    "exempt, and covered all the same": (EXEMPT, (user(policy()),), "covered"),
    "exempt, but for some paths": (EXEMPT, (user(policy("data", paths=("sub",))),), "exempt"),
    "block volume that a policy names": (claim(is_block=True), (user(policy("data")),), "stopped"),
    "block volume that is mounted": (
        claim(is_block=True),
        (user(policy(), is_device=True),),
        "unprotected",
    ),
    "policy of its own": (claim(), (user(policy(schedule="0 3 * * *"), cronjob="pvc/data"),), "covered"),
    "policy of its own, of some paths": (
        claim(),
        (user(policy("data", paths=("sub",), schedule="0 3 * * *"), cronjob="pvc/data"),),
        "partly",
    ),
    "policy of its own, disabled": (claim(), (user(policy(enabled=False), cronjob="pvc/data"),), "stopped"),
    "policy of its own that cannot be read": (
        claim(),
        (user(policy_fault="It needs a schedule.", cronjob="pvc/data"),),
        "stopped",
    ),
    "unbound": (claim(is_bound=False), (), "unbound"),
    "unbound, with a policy": (claim(is_bound=False), (user(policy()),), "covered"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_has_its_status(shape: str) -> None:
    facts, users, status = SHAPES[shape]
    coverage = judge(facts, *users)
    assert coverage.status == status
    assert coverage.is_uncovered == (status in ("partly", "stopped", "unprotected", "nobody"))
    assert (coverage.next_step is not None) == coverage.is_uncovered
    assert "pvc/data" not in coverage.mounted_by


def test_a_claim_with_repositories_is_told_from_data() -> None:
    assert judge(claim(), storage_id="offsite").status == "storage"
    assert judge(claim(), user(policy()), storage_id="offsite").status == "covered"


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (judge(claim(), user(policy("data", paths=("sub",)))), "only sub"),
        (judge(claim(), user(policy(), refusal=REFUSAL)), "serves pay, not shop"),
        (judge(claim(), user(policy(), suspended=True)), "suspended"),
        (judge(claim(is_block=True), user(policy("data"))), "block volume"),
        (judge(claim(is_block=True)), "block volume"),
        (judge(claim(), user()), "dump mounts it"),
        (judge(claim(), user(policy(source=Source(exclude=("*.tmp",))))), "excludes"),
    ],
)
def test_the_message_says_why(coverage: ClaimCoverage, words: str) -> None:
    assert words in coverage.message


def backup(days_ago: int, claims: tuple[str, ...], spec: BackupPolicy, **fields: Any) -> BackupExecution:
    base: dict[str, Any] = {
        "id": f"b{days_ago}",
        "cluster": "c",
        "namespace": "shop",
        "cronjob": "dump",
        "cronjob_id": "j",
        "policy_id": "p",
        "policy": spec,
        "storage_id": "offsite",
        "status": BackupStatus.SUCCEEDED,
        "created_at": NOW - timedelta(days=days_ago),
        "ended_at": NOW - timedelta(days=days_ago),
        "result": BackupResult(snapshot_id="s"),
        "claims": claims,
    }
    return BackupExecution(**base | fields)


def test_the_newest_good_backup_is_one_that_holds_all_of_the_claim() -> None:
    part = policy("data", paths=("sub",))
    times = collect_backup_times(
        [
            backup(0, ("data",), policy(), status=BackupStatus.PARTIAL),
            backup(1, ("data",), policy(), snapshot_missing_at=NOW),
            backup(2, ("data",), part),
            backup(3, ("other",), policy()),
            backup(4, ("data",), policy()),
            backup(5, ("data",), policy(), verified_at=NOW - timedelta(hours=1)),
        ]
    )
    days = timedelta(days=1)
    assert times["data"] == BackupTimes(
        whole_at=NOW - 4 * days,
        whole_verified_at=NOW - timedelta(hours=1),
        some_at=NOW - 2 * days,
        some_verified_at=NOW - timedelta(hours=1),
    )
    covered = judge(claim(), user(policy(), backed_up=times))
    assert (covered.last_good_at, covered.last_verified_at) == (NOW - 4 * days, NOW - timedelta(hours=1))
    assert judge(claim(), user(part, backed_up=times)).last_good_at == NOW - 2 * days


def test_a_claim_added_to_a_policy_has_no_backup_until_one_holds_it() -> None:
    times = collect_backup_times([backup(1, ("data",), policy("data"))])
    added = judge(claim(name="more"), user(policy("data", "more"), mounts=("data", "more"), backed_up=times))
    assert (added.status, added.last_good_at) == ("covered", None)


def test_a_claim_is_read_as_the_server_sends_it() -> None:
    sent = ClaimObject()
    sent.metadata.name = "data"
    assert facts_of(sent, "c", NOW).size_bytes is None
    sent.status.phase = "Pending"
    sent.spec.volume_mode = "Block"
    facts = facts_of(sent, "c", NOW)
    assert (facts.is_bound, facts.is_block, facts.created_at) == (False, True, NOW)


@pytest.mark.parametrize(
    ("text", "size"), [("10Gi", 10 * 2**30), ("1e3", 1000), ("many", None), ("9e20", None)]
)
def test_sizes_are_quantities(text: str, size: int | None) -> None:
    sent = msgspec.convert({"status": {"capacity": {"storage": text}}}, ClaimObject)
    assert facts_of(sent, "c", NOW).size_bytes == size


def test_an_exemption_needs_a_reason() -> None:
    def exemption(reason: str) -> str:
        meta = {"annotations": {"kronkeep.dev/backup-exempt": reason}}
        return facts_of(msgspec.convert({"metadata": meta}, ClaimObject), "c", NOW).exemption

    assert exemption("  ") == ""
    assert exemption(" a cache\x1b[2J ").startswith("a cache")
    assert "\x1b" not in exemption("a\x1b[2J")
