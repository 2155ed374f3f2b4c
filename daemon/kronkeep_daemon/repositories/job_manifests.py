"""The Jobs that kronkeep makes, as functions of records; argv lists only, one restic call a container."""

import base64
from collections.abc import Sequence

from kronkeep_common import object_keys
from kronkeep_common.models import BackupStorage
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.repositories.job_names import secret_name
from kronkeep_daemon.repositories.repository import Repository, repository_of
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.settings import ArchiveSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess

Steps = list[tuple[str, list[str]]]
Mounts = Sequence[JsonObject]
KEPT_SECONDS = 3600  # how long an ended Job stays for people to look at
_CACHE = "/kronkeep/cache"


def build_secret(name: str, namespace: str, data: dict[str, bytes], owner: JsonObject | None) -> JsonObject:
    """A Secret of ours; `data` by key."""
    meta: JsonObject = {"name": name, "namespace": namespace, "labels": labels_of("credentials")}
    if owner is not None:
        meta["ownerReferences"] = [owner]
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def owner_reference(cronjob: CronJobObject) -> JsonObject:
    """An owner reference without `controller`: the CronJob's history limit must not count our Jobs."""
    return {"apiVersion": "batch/v1", "kind": "CronJob", "name": cronjob.name, "uid": cronjob.uid}


def labels_of(role: str) -> dict[str, str]:
    """What every object of ours carries."""
    return {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY, object_keys.ROLE_LABEL: role}


def build_repository_job(
    name: str,
    namespace: str,
    steps: Steps,
    where: BackupStorage | Repository,
    settings: ArchiveSettings,
    deadline_seconds: float,
) -> JsonObject:
    """A Job that works on the repository alone."""
    made = build_job(
        name,
        namespace,
        "maintenance",
        build_containers(name, steps, repository_of(where), settings),
        settings,
    )
    add_repository_access(made, repository_of(where), settings)
    made["spec"]["activeDeadlineSeconds"] = max(1, int(deadline_seconds))
    return made


def build_job(
    name: str, namespace: str, role: str, ordered: list[JsonObject], settings: ArchiveSettings
) -> JsonObject:
    """Containers in order: all but the last are init containers, so that the first failure ends the Job.

    No pod of ours has a service account's token, and its owner is the cluster's only where settings say so.
    """
    pod: JsonObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": ordered[:-1],
        "containers": ordered[-1:],
        "volumes": [],
    }
    if settings.node_selector:
        pod["nodeSelector"] = dict(settings.node_selector)
    if settings.tolerations:
        pod["tolerations"] = list(settings.tolerations)
    meta: JsonObject = {"name": name, "namespace": namespace, "labels": labels_of(role)}
    template = {"metadata": {"labels": labels_of(role)}, "spec": pod}
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": KEPT_SECONDS, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def add_repository_access(made: JsonObject, repository: Repository, settings: ArchiveSettings) -> None:
    """Gives the Job's pod what its restic containers need: the repository, its key, a cache, a user."""
    place = repository.access
    pod = made["spec"]["template"]["spec"]
    secret = {"secretName": secret_name(made["metadata"]["name"]), "defaultMode": _key_mode(settings)}
    own = [{"name": "keys", "secret": secret}, {"name": "cache", "emptyDir": {}}]
    pod["volumes"] += [*place.volumes[0], *own]
    if place.node:
        pod["nodeSelector"] = pod.get("nodeSelector", {}) | {"kubernetes.io/hostname": place.node}
    user = {"runAsUser": settings.run_as_user, "runAsGroup": settings.run_as_group}
    context: JsonObject = {key: value for key, value in user.items() if value is not None}
    if settings.run_as_user:
        context["runAsNonRoot"] = True
    if settings.fs_group is not None:
        context["fsGroup"] = settings.fs_group
    if context:
        pod["securityContext"] = context


def build_containers(
    name: str, steps: Steps, repository: Repository, settings: ArchiveSettings, mounts: Mounts = ()
) -> list[JsonObject]:
    """One container a step, each with the repository, its key and a cache, and `mounts`."""
    place = repository.access
    own = [
        *place.volumes[1],
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
        {"name": "cache", "mountPath": _CACHE},
    ]
    environment = _environment(place, secret_name(name), repository.encrypted)
    return [
        build_container(
            name=step,
            argv=complete(argv, program=settings.program, options=place.options),
            environment=environment,
            mounts=[*own, *mounts],
            settings=settings,
        )
        for step, argv in steps
    ]


def _key_mode(settings: ArchiveSettings) -> int:
    """ssh refuses a private key of its own user that others may read; other users must be let read root's."""
    return 0o444 if settings.run_as_user else 0o400


def _environment(place: RepositoryAccess, secret: str, encrypted: bool) -> list[JsonObject]:
    """Variables in order: the address may refer to what comes before it."""
    secrets = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for key in place.secret_environment
    ]
    own = {
        "RESTIC_REPOSITORY": place.address,
        "RESTIC_PASSWORD_FILE": f"{KEYS}/password",
        "RESTIC_CACHE_DIR": _CACHE,
        "RESTIC_PROGRESS_FPS": "1",
        "TMPDIR": _CACHE,
    }
    if not encrypted:
        del own["RESTIC_PASSWORD_FILE"]
    return [*secrets, *({"name": name, "value": value} for name, value in (place.environment | own).items())]


def build_container(
    name: str, argv: list[str], environment: list[JsonObject], mounts: Mounts, settings: ArchiveSettings
) -> JsonObject:
    """A container of the archives' image."""
    found: JsonObject = {
        "name": name,
        "image": settings.image,
        "command": argv,
        "env": environment,
        "volumeMounts": list(mounts),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security_context(settings),
    }
    resources = {
        key: value for key, value in (("requests", settings.requests), ("limits", settings.limits)) if value
    }
    return found | {"resources": resources} if resources else found


def _security_context(settings: ArchiveSettings) -> JsonObject:
    """As little as restic needs: another user than root has no capability, root keeps those to read files."""
    context: JsonObject = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": settings.read_only_root,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return context | {"capabilities": {"drop": ["ALL"]}} if settings.run_as_user else context
