"""The manifests of a backup's Jobs: the order of the containers, and what a hook's Job can reach."""

from typing import Any, Literal

import msgspec
import pytest
from tests.job_steps import containers_of, step_names, steps_of
from tests.records import make_backup, vault

from kronkeep_common.models import BackupPolicy, BackupResult, DatabaseDump, Hook, Include
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.settings import ArchiveSettings

BACKUP = make_backup(
    id="0123456789ab",
    storage_id="vault",
    status=BackupStatus.RUNNING,
    result=BackupResult(snapshot_id="0123abcd", database_snapshot_id="deadbeef"),
)
DUMP = DatabaseDump(image="postgres:17", command=("pg_dump",))
CHECK = Hook(name="check", image="busybox:1.36", command=("true",), timeout_seconds=60)


def archive_inputs(**include: Any) -> ArchiveInputs:
    """Return what a backup of the claim `data` archives."""
    return ArchiveInputs(
        cluster=None,  # type: ignore[arg-type]
        cronjob=CronJobObject(),
        policy=BackupPolicy(id="p", storage_id="vault", include=Include(**include)),
        repository=Repository(storage=vault(settings={"path": "/srv/vault"})),
        claims=("data",) if include.get("volumes", True) else (),
    )


@pytest.mark.parametrize(
    ("include", "steps"),
    [
        ({}, [["version", "sources", "repository", "backup", "snapshots"]]),
        (
            {"database": DUMP},
            [["version", "sources", "repository", "tools"], ["database"], ["backup", "snapshots"]],
        ),
        (
            {"database": DUMP, "volumes": False},
            [["version", "repository", "tools"], ["database"], ["snapshots"]],
        ),
    ],
)
def test_the_dump_comes_before_the_files_in_as_few_containers_as_may_be(
    include: dict[str, Any], steps: list[list[str]]
) -> None:
    job = archive_manifests.archive_job(BACKUP, archive_inputs(**include), [], ArchiveSettings())
    assert step_names(job) == steps


@pytest.mark.parametrize(
    ("include", "backup_type", "steps"),
    [
        ({}, "incremental", [["version", "sources", "backup", "snapshots"]]),
        ({}, "full", [["version", "sources", "repository", "backup", "snapshots"]]),
        (
            {"database": DUMP},
            "incremental",
            [["version", "sources", "repository", "tools"], ["database"], ["backup", "snapshots"]],
        ),
    ],
)
def test_the_parent_takes_the_place_of_the_repositorys_probe(
    include: dict[str, Any], backup_type: Literal["incremental", "full"], steps: list[list[str]]
) -> None:
    backup = msgspec.structs.replace(BACKUP, backup_type=backup_type)
    inputs = archive_inputs(**include)
    job = archive_manifests.archive_job(backup, inputs, [], ArchiveSettings(), parent="0123abcd" * 8)
    assert step_names(job) == steps
    assert ("--parent" in steps_of(containers_of(job)[-1])["backup"]) == (backup_type == "incremental")


def test_a_validate_hook_reads_the_restored_content_and_no_claim() -> None:
    job = archive_manifests.validate_hook_job(BACKUP, archive_inputs(), CHECK, "job", ArchiveSettings())
    assert step_names(job) == [["content-0"], ["content-1"], ["hook"]]
    (hook,) = job["spec"]["template"]["spec"]["containers"]
    assert hook["volumeMounts"] == [{"name": "content", "mountPath": "/content", "readOnly": True}]
    assert "persistentVolumeClaim" not in str(job)


def test_other_hooks_may_write_to_the_claims_and_know_no_password() -> None:
    job = archive_manifests.hook_job(BACKUP, archive_inputs(), CHECK, "job", ArchiveSettings())
    (hook,) = job["spec"]["template"]["spec"]["containers"]
    assert hook["volumeMounts"] == [{"name": "claim-0", "mountPath": "/source/data"}]
    assert "secret" not in str(job)


def test_claims_of_one_name_in_two_namespaces_are_not_each_others_parent() -> None:
    repository = archive_inputs().repository
    backups = [
        msgspec.structs.replace(BACKUP, namespace=namespace, cronjob=cronjob, cluster=cluster)
        for namespace in ("n", "n2")
        for cronjob in ("j", "j2")
        for cluster in (repository.storage.cluster, "0123456789abcdef")
    ]
    assert len({repository.snapshot_host(backup) for backup in backups}) == len(backups)


def test_the_archives_of_a_cronjob_have_one_host() -> None:
    repository = archive_inputs().repository
    later = msgspec.structs.replace(BACKUP, id="other", cronjob_id="made-again", policy_id="p2")
    assert repository.snapshot_host(later) == repository.snapshot_host(BACKUP)
    job = archive_manifests.archive_job(later, archive_inputs(), [], ArchiveSettings())
    (container,) = containers_of(job)
    command = steps_of(container)["backup"]
    assert command[command.index("--host") + 1] == repository.snapshot_host(BACKUP)


def test_the_image_of_a_dump_sees_no_claim() -> None:
    job = archive_manifests.archive_job(BACKUP, archive_inputs(database=DUMP), [], ArchiveSettings())
    (dump,) = [container for container in containers_of(job) if container["name"] == "database"]
    assert "claim-0" not in str(dump)


@pytest.mark.parametrize(("is_first", "parent"), [(True, None), (False, "ab" * 32)])
def test_only_a_first_archive_looks_for_no_parent(is_first: bool, parent: str | None) -> None:
    job = archive_manifests.archive_job(
        BACKUP, archive_inputs(), [], ArchiveSettings(), is_first=is_first, parent=parent
    )
    (container,) = containers_of(job)
    assert ("--force" in steps_of(container)["backup"]) is is_first
