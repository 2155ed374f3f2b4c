"""The pods of our Jobs: which Pod Security level they pass, and what the settings put on them."""

from typing import Any

import pytest
from tests.records import make_backup, vault

from kronkeep_common.models import BackupPolicy, BackupResult, DrillCheck, Hook
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.embedded.apiserver.pod_security import find_violations
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.repositories.job_manifests import build_repository_job, policy_image_security_context
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restores import restore_manifests
from kronkeep_daemon.settings import ArchiveSettings

BACKUP = make_backup(
    id="0123456789ab",
    storage_id="vault",
    status=BackupStatus.RUNNING,
    result=BackupResult(snapshot_id="0123abcd"),
)
WORK = ArchiveInputs(
    cluster=None,  # type: ignore[arg-type]
    cronjob=CronJobObject(),
    policy=BackupPolicy(id="p", storage_id="vault"),
    repository=Repository(storage=vault(kind="rest", settings={"url": "http://rest.example/vault"})),
    claims=("data",),
)
HOOK = Hook(name="check", image="busybox:1.36", command=("true",))


def all_jobs(settings: ArchiveSettings) -> dict[str, JsonObject]:
    """Return a Job of each kind by its name."""

    def repository_job(name: str) -> JsonObject:
        return build_repository_job(
            name=name,
            namespace="n",
            steps=[("step", ["version"])],
            repository=WORK.repository,
            settings=settings,
            deadline_seconds=60,
        )

    return {
        "archive": archive_manifests.archive_job(BACKUP, WORK, [], settings),
        "hook": archive_manifests.hook_job(BACKUP, WORK, HOOK, "hook", settings),
        "validate": archive_manifests.validate_hook_job(BACKUP, WORK, HOOK, "validate", settings),
        "maintenance": repository_job("maintenance"),
        "drill": restore_manifests.add_comparison(
            repository_job("drill"),
            [],
            [],
            [],
            with_checksums=True,
            check=DrillCheck(image="busybox:1.36", command=("true",)),
            check_context=policy_image_security_context(settings),
        ),
        "download": restore_manifests.add_sending(repository_job("download"), "/target/f", "76"),
    }


def pod_of(job: JsonObject) -> Any:
    return job["spec"]["template"]["spec"]


@pytest.mark.parametrize("kind", all_jobs(ArchiveSettings()))
def test_a_job_passes_the_restricted_level_where_its_user_is_not_root(kind: str) -> None:
    pod = pod_of(all_jobs(ArchiveSettings(run_as_user=65534, fs_group=65534))[kind])
    assert find_violations(pod) == []
    assert find_violations(pod_of(all_jobs(ArchiveSettings())[kind])) != []


@pytest.mark.parametrize("kind", ["hook", "validate", "drill"])
def test_an_image_that_needs_root_gets_it_where_the_settings_say_so(kind: str) -> None:
    pod = pod_of(all_jobs(ArchiveSettings(run_as_user=65534, hooks_as_root=True))[kind])
    assert pod["containers"][-1]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "runAsUser": 0,
        "runAsNonRoot": False,
    }
    assert "runAsUser=0 (pod or a container must not set runAsUser=0)" in find_violations(pod)


@pytest.mark.parametrize("kind", all_jobs(ArchiveSettings()))
def test_injectors_are_switched_off_and_the_settings_reach_each_pod(kind: str) -> None:
    meta = all_jobs(ArchiveSettings())[kind]["spec"]["template"]["metadata"]
    assert meta["labels"]["sidecar.istio.io/inject"] == "false"
    assert meta["annotations"]["linkerd.io/inject"] == "disabled"
    settings = ArchiveSettings(
        labels={"team": "ops", "app.kubernetes.io/managed-by": "another"},
        annotations={"linkerd.io/inject": "enabled"},
        image_pull_secrets=("registry",),
        image_pull_policy="IfNotPresent",
        priority_class="low",
        service_account="archiver",
    )
    job = all_jobs(settings)[kind]
    meta = job["spec"]["template"]["metadata"]
    assert meta["labels"]["team"] == "ops"
    assert meta["labels"]["app.kubernetes.io/managed-by"] == "kronkeep"
    assert meta["annotations"]["linkerd.io/inject"] == "enabled"
    pod = pod_of(job)
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert (pod["priorityClassName"], pod["serviceAccountName"]) == ("low", "archiver")
    assert pod["automountServiceAccountToken"] is False
    if kind != "hook":
        assert pod["initContainers" if pod["initContainers"] else "containers"][0]["imagePullPolicy"] == (
            "IfNotPresent"
        )
