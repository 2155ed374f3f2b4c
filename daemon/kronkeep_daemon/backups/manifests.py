"""The Jobs that kronkeep makes, as functions of records; argv lists only, one restic call a container."""

import base64
import hashlib
from typing import Any

from kronkeep_common import keys
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupStorage
from kronkeep_daemon import storages
from kronkeep_daemon.settings import ArchiveSettings
from kronkeep_daemon.storages.place import KEYS, Place

Object = dict[str, Any]
HOST = "kronkeep"  # fixed: a pod's own name would make every file look new (restic #4597)
KEPT_SECONDS = 3600  # how long an ended Job stays for people to look at
_CACHE = "/kronkeep/cache"
PROBE_SECONDS = 60  # restic repeats a request that is not answered for up to 15 minutes
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
    """The copy of the repository's password and credentials that belongs to a Job."""
    return f"{job}-key"


def secret(name: str, namespace: str, data: dict[str, bytes], owner: Object | None) -> Object:
    """A Secret of ours; `data` by key."""
    meta: Object = {"name": name, "namespace": namespace, "labels": _labels("credentials")}
    if owner is not None:
        meta["ownerReferences"] = [owner]
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


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
        ("repository", probe()),
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


def probe() -> list[str]:
    """Opens the repository, or tells within a minute why it cannot be opened."""
    return ["timeout", str(PROBE_SECONDS), "restic", "cat", "config"]


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
    deadline_seconds: float,
) -> Object:
    """A Job that works on the repository alone."""
    job = _job(name, namespace, "maintenance", steps, storage, settings, [])
    job["spec"]["activeDeadlineSeconds"] = max(1, int(deadline_seconds))
    return job


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
    place = storages.place(storage)
    volumes, storage_mounts = place.volumes
    own = [
        {"name": "keys", "secret": {"secretName": secret_name(name), "defaultMode": _key_mode(settings)}},
        {"name": "cache", "emptyDir": {}},
    ]
    all_mounts = [
        *storage_mounts,
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
        {"name": "cache", "mountPath": _CACHE},
        *mounts,
    ]
    containers = [
        _container(step, place.call(argv), _environment(place, secret_name(name)), all_mounts, settings)
        for step, argv in steps
    ]
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": [*volumes, *own],
    }
    selector = settings.node_selector | ({"kubernetes.io/hostname": place.node} if place.node else {})
    if selector:
        pod["nodeSelector"] = selector
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


def _key_mode(settings: ArchiveSettings) -> int:
    """ssh refuses a private key of its own user that others may read; other users must be let read root's."""
    return 0o444 if settings.run_as_user else 0o400


def _environment(place: Place, secret: str) -> list[Object]:
    """Variables in order: the address may refer to what comes before it."""
    secrets = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for key in place.secret_environment
    ]
    own = {
        "RESTIC_REPOSITORY": place.repository,
        "RESTIC_PASSWORD_FILE": f"{KEYS}/password",
        "RESTIC_CACHE_DIR": _CACHE,
        "RESTIC_PROGRESS_FPS": "1",
    }
    return [*secrets, *({"name": name, "value": value} for name, value in (place.environment | own).items())]


def _container(
    name: str, argv: list[str], environment: list[Object], mounts: list[Object], settings: ArchiveSettings
) -> Object:
    container: Object = {
        "name": name,
        "image": settings.image,
        "command": argv,
        "env": environment,
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    resources = {
        key: value for key, value in (("requests", settings.requests), ("limits", settings.limits)) if value
    }
    return container | {"resources": resources} if resources else container
