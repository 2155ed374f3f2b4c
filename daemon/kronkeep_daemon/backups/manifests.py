"""The Jobs that kronkeep makes, as functions of records; argv lists only, one restic call a container."""

import base64
import hashlib
from typing import Any

from kronkeep_common import keys
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupStorage
from kronkeep_daemon.settings import ArchiveSettings
from kronkeep_daemon.storages import kind_module

Object = dict[str, Any]
HOST = "kronkeep"  # fixed: a pod's own name would make every file look new (restic #4597)
KEPT_SECONDS = 3600  # how long an ended Job stays for people to look at
_KEYS, _CACHE = "/kronkeep/keys", "/kronkeep/cache"
SOURCE = "/source"


def short_hash(*parts: str) -> str:
    """Twelve hexadecimal digits of the parts."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def archive_job_name(backup: BackupExecution) -> str:
    """The name that makes creating the Job twice an AlreadyExists."""
    return f"{backup.cronjob[:36]}-bk-{backup.id}-{backup.attempt}"


def backup_tag(backup: BackupExecution) -> str:
    """The snapshot's tag that no other backup has; a run's tag is shared by every backup of that run."""
    return f"backup={backup.id}"


def secret_name(job: str) -> str:
    """The copy of the repository's password that belongs to a Job."""
    return f"{job}-key"


def secret(name: str, namespace: str, password: str, owner: Object | None) -> Object:
    """A Secret with the repository's password."""
    meta: Object = {"name": name, "namespace": namespace, "labels": _labels("credentials")}
    if owner is not None:
        meta["ownerReferences"] = [owner]
    data = {"password": base64.b64encode(password.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


def owner(cronjob: Object) -> Object:
    """An owner reference without `controller`: the CronJob's history limit must not count our Jobs."""
    meta = cronjob["metadata"]
    return {"apiVersion": "batch/v1", "kind": "CronJob", "name": meta["name"], "uid": meta["uid"]}


def _labels(role: str) -> dict[str, str]:
    return {keys.MANAGED_BY_LABEL: keys.MANAGED_BY, keys.ROLE_LABEL: role}


def archive_job(
    backup: BackupExecution,
    policy: BackupPolicy,
    storage: BackupStorage,
    cronjob: Object,
    claims: tuple[str, ...],
    settings: ArchiveSettings,
) -> Object:
    """The Job of one archive: probe restic, the sources and the repository, then back up."""
    paths = source_paths(policy, claims)
    call = ["backup", "--json", "--host", HOST, "--compression", policy.compression]
    call += ["--tag", f"policy={policy.id}", "--tag", f"run={backup.cronjob_execution_id or backup.id}"]
    call += ["--tag", backup_tag(backup)]
    if backup.backup_type == "full":
        call.append("--force")
    sources = [
        {"name": f"claim-{i}", "mountPath": f"{SOURCE}/{c}", "readOnly": True} for i, c in enumerate(claims)
    ]
    steps = [
        ("version", ["restic", "version"]),
        ("sources", ["ls", "-d", "--", *paths]),
        ("repository", ["restic", "cat", "config"]),
        ("backup", ["restic", *call, "--", *paths]),
    ]
    job = _job(archive_job_name(backup), backup.namespace, "archive", steps, storage, settings, sources)
    job["metadata"]["ownerReferences"] = [owner(cronjob)]
    job["metadata"]["labels"] |= {keys.BACKUP_LABEL: backup.id}
    job["metadata"]["annotations"] = {keys.RUN_ANNOTATION: backup.cronjob_execution_id or ""}
    job["spec"]["activeDeadlineSeconds"] = max(1, int(policy.deadline_seconds))
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] += [
        {"name": f"claim-{i}", "persistentVolumeClaim": {"claimName": c}} for i, c in enumerate(claims)
    ]
    return job


def source_paths(policy: BackupPolicy, claims: tuple[str, ...]) -> list[str]:
    """The paths to archive as the pod sees them; stable, so that restic finds the parent snapshot."""
    chosen = {source.claim: source.paths for source in policy.source.claims}
    found = []
    for claim in claims:
        base = f"{SOURCE}/{claim}"
        found += [f"{base}/{path}" for path in chosen.get(claim, ())] or [base]
    return found


def repository_job(
    name: str,
    namespace: str,
    steps: list[tuple[str, list[str]]],
    storage: BackupStorage,
    settings: ArchiveSettings,
) -> Object:
    """A Job that works on the repository alone."""
    return _job(name, namespace, "maintenance", steps, storage, settings, [])


def _job(
    name: str,
    namespace: str,
    role: str,
    steps: list[tuple[str, list[str]]],
    storage: BackupStorage,
    settings: ArchiveSettings,
    mounts: list[Object],
) -> Object:
    """Steps in order: all but the last are init containers, so that the first failure ends the Job."""
    kind = kind_module(storage.kind)
    volumes, storage_mounts = kind.volumes(storage.settings)
    own = [
        {"name": "keys", "secret": {"secretName": secret_name(name)}},
        {"name": "cache", "emptyDir": {}},
    ]
    all_mounts = [
        *storage_mounts,
        {"name": "keys", "mountPath": _KEYS, "readOnly": True},
        {"name": "cache", "mountPath": _CACHE},
        *mounts,
    ]
    containers = [
        _container(step, argv, kind.repository(storage.settings), all_mounts, settings)
        for step, argv in steps
    ]
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": [*volumes, *own],
    }
    if settings.node_selector:
        pod["nodeSelector"] = settings.node_selector
    if settings.tolerations:
        pod["tolerations"] = list(settings.tolerations)
    if settings.run_as_user is not None:
        pod["securityContext"] = {
            "runAsUser": settings.run_as_user,
            "runAsNonRoot": settings.run_as_user != 0,
        }
    meta: Object = {"name": name, "namespace": namespace, "labels": _labels(role)}
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": KEPT_SECONDS, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _container(
    name: str, argv: list[str], repository: str, mounts: list[Object], settings: ArchiveSettings
) -> Object:
    container: Object = {
        "name": name,
        "image": settings.image,
        "command": argv,
        "env": [
            {"name": "RESTIC_REPOSITORY", "value": repository},
            {"name": "RESTIC_PASSWORD_FILE", "value": f"{_KEYS}/password"},
            {"name": "RESTIC_CACHE_DIR", "value": _CACHE},
            {"name": "RESTIC_PROGRESS_FPS", "value": "1"},
        ],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    resources = {
        key: value for key, value in (("requests", settings.requests), ("limits", settings.limits)) if value
    }
    return container | {"resources": resources} if resources else container
