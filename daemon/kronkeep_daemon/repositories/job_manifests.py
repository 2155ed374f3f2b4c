"""Manifests of the Jobs that kronkeep creates, and of their Secrets; pure.

A Job's steps are containers that run one command each, one after the other. Only containers with access to
the repository get its password.
"""

import base64
from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

from kronkeep_common import object_keys
from kronkeep_daemon.jobs import step_chain
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.shared_uids import uid_of
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.settings import ArchiveSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess

Steps = list[tuple[str, list[str]]]
Mounts = Sequence[JsonObject]
KEPT_SECONDS = 3600  # how long an ended Job stays for people to look at
_CACHE = "/kronkeep/cache"
# Containers that a mesh injects never end, so they would keep each Job from ending. These are the switches of
# Istio, Kuma, Linkerd, Consul, Open Service Mesh, Dapr and Vault; archive.labels and annotations override.
_NO_INJECTION_LABELS = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
_NO_INJECTION_ANNOTATIONS = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    "openservicemesh.io/sidecar-injection": "disabled",
    "dapr.io/enabled": "false",
    "vault.hashicorp.com/agent-inject": "false",
}
_OWN_FIELDS = ("name", "command")  # of a container, in which those that are joined differ
# Stands for the name of the Secret, which is random, until `with_secret` puts that in.
SECRET_PLACEHOLDER = "COPY"  # noqa: S105 - no Secret can have this name


LIMIT_PLACEHOLDER = "KIB-A-SECOND"  # until `with_limit` puts the limit of the moment in
_LIMIT_OPTIONS = ("--limit-upload", LIMIT_PLACEHOLDER, "--limit-download", LIMIT_PLACEHOLDER)


def build_secret(name: str, namespace: str, data: dict[str, bytes], owner: JsonObject | None) -> JsonObject:
    """Return a Secret; `data` by key, `owner` an owner reference."""
    meta: JsonObject = {"name": name, "namespace": namespace, "labels": labels_of("credentials")}
    if owner is not None:
        meta["ownerReferences"] = [owner]
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def with_secret(job: JsonObject, secret: str) -> JsonObject:
    """Return a Job whose containers get the repository's password and credentials from that Secret."""
    body: JsonObject = _replace_secret(job, secret)
    return body


def with_limit(job: JsonObject, kib: int | None) -> JsonObject:
    """Return a Job whose restic takes at most so many KiB a second; a lower limit of a policy stays.

    kib: None for no limit, which restic knows as 0.
    """
    pod = job["spec"]["template"]["spec"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        container["command"] = _limit_words(container["command"], kib)
    return job


def _limit_words(words: list[str], kib: int | None) -> list[str]:
    """Return a command line with the limit; later options of the same name win in restic."""
    limited = list(words)
    for at, word in enumerate(words):
        option = words[at - 1] if at else ""
        if word == LIMIT_PLACEHOLDER:
            limited[at] = str(kib or 0)
        elif option in ("--limit-upload", "--limit-download") and kib is not None and word.isdigit():
            limited[at] = str(min(kib, int(word)))
    return limited


def _replace_secret(value: Any, secret: str) -> Any:
    if isinstance(value, list):
        return [_replace_secret(entry, secret) for entry in value]
    if not isinstance(value, dict):
        return value
    body = {key: _replace_secret(entry, secret) for key, entry in value.items()}
    if body.get("secretName") == SECRET_PLACEHOLDER:
        body["secretName"] = secret
    reference = body.get("secretKeyRef")
    if isinstance(reference, dict) and reference.get("name") == SECRET_PLACEHOLDER:
        body["secretKeyRef"] = {**reference, "name": secret}
    return body


def owner_reference(cronjob: PolicySubject) -> JsonObject:
    """Return a reference without `controller`, so that the CronJob's history limits do not count our Jobs."""
    if isinstance(cronjob, PolicyClaim):
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": cronjob.claim}
        return kind | {"uid": uid_of(cronjob.uid)}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "name": cronjob.name, "uid": uid_of(cronjob.uid)}


def labels_of(role: str) -> dict[str, str]:
    """Return the labels of an object that kronkeep creates."""
    return {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY, object_keys.ROLE_LABEL: role}


def build_repository_job(
    *,
    name: str,
    namespace: str,
    steps: Steps,
    repository: Repository,
    settings: ArchiveSettings,
    deadline_seconds: float,
    apart: Collection[str] = (),
    join: bool = True,
) -> JsonObject:
    """Return a Job whose steps all have access to the repository and to nothing else.

    apart: the names of steps that begin a container of their own.
    join: False where each has one, for a caller that adds more and joins them then.
    """
    containers = build_containers(steps, repository, settings)
    if join:
        containers = join_containers(containers, apart)
    job = build_job(name, namespace, "maintenance", containers, settings)
    add_repository_access(job, repository, settings)
    job["spec"]["activeDeadlineSeconds"] = max(1, int(deadline_seconds))
    return job


def build_job(
    name: str, namespace: str, role: str, containers: list[JsonObject], settings: ArchiveSettings
) -> JsonObject:
    """Return a Job that runs the containers in order and ends with the first that fails.

    All but the last are init containers. The pod gets no service account's token.
    """
    pod: JsonObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": [],
    }
    if settings.node_selector:
        pod["nodeSelector"] = dict(settings.node_selector)
    if settings.tolerations:
        pod["tolerations"] = list(settings.tolerations)
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in settings.image_pull_secrets]
    if settings.priority_class:
        pod["priorityClassName"] = settings.priority_class
    if settings.service_account:
        pod["serviceAccountName"] = settings.service_account
    context = _pod_security_context(settings)
    if context:
        pod["securityContext"] = context
    labels = {**settings.labels, **labels_of(role)}
    meta: JsonObject = {"name": name, "namespace": namespace, "labels": labels}
    pod_meta = {
        "labels": {**_NO_INJECTION_LABELS, **labels},
        "annotations": {**_NO_INJECTION_ANNOTATIONS, **settings.annotations},
    }
    template = {"metadata": pod_meta, "spec": pod}
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": KEPT_SECONDS, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def join_containers(containers: Sequence[JsonObject], apart: Collection[str] = ()) -> list[JsonObject]:
    """Join neighbours that differ in name and command only into one container that runs both.

    apart: the names of those that are not joined with the one before them.
    """
    groups: list[list[JsonObject]] = []
    for container in containers:
        if groups and container["name"] not in apart and _is_alike(groups[-1][0], container):
            groups[-1].append(container)
        else:
            groups.append([container])
    numbers = count(1)
    return [group[0] if len(group) == 1 else _join(group, next(numbers)) for group in groups]


def _is_alike(one: JsonObject, other: JsonObject) -> bool:
    ours = {key: value for key, value in one.items() if key not in _OWN_FIELDS}
    return ours == {key: value for key, value in other.items() if key not in _OWN_FIELDS}


def _join(containers: Sequence[JsonObject], number: int) -> JsonObject:
    name = step_chain.CONTAINER if number == 1 else f"{step_chain.CONTAINER}-{number}"
    steps = [(container["name"], container["command"]) for container in containers]
    return containers[0] | {"name": name, "command": step_chain.chain_argv(steps)}


def add_repository_access(job: JsonObject, repository: Repository, settings: ArchiveSettings) -> None:
    """Add what `build_containers` expects of the Job's pod: volumes and node."""
    access = repository.access
    pod = job["spec"]["template"]["spec"]
    secret = {"secretName": SECRET_PLACEHOLDER, "defaultMode": _key_mode(settings)}
    pod["volumes"] += [
        *access.pod_volumes,
        {"name": "keys", "secret": secret},
        {"name": "cache", "emptyDir": {}},
    ]
    if access.node:
        pod["nodeSelector"] = pod.get("nodeSelector", {}) | {"kubernetes.io/hostname": access.node}


def _pod_security_context(settings: ArchiveSettings) -> JsonObject:
    """Return the user and groups of the pod; empty where the settings leave them to the image."""
    ids = {
        "runAsUser": settings.run_as_user,
        "runAsGroup": settings.run_as_group,
        "fsGroup": settings.fs_group,
    }
    context: JsonObject = {key: value for key, value in ids.items() if value is not None}
    if settings.run_as_user:
        context["runAsNonRoot"] = True
    return context


def build_containers(
    steps: Steps, repository: Repository, settings: ArchiveSettings, mounts: Mounts = ()
) -> list[JsonObject]:
    """Return a container for each step, with access to the repository and with `mounts`."""
    access = repository.access
    repository_mounts = [
        *access.mounts,
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
        {"name": "cache", "mountPath": _CACHE},
    ]
    environment = _environment(access, SECRET_PLACEHOLDER, repository.encrypted, settings)
    options = [*access.options, *(_LIMIT_OPTIONS if repository.has_bandwidth else ())]
    return [
        build_container(
            name=step,
            argv=complete(argv, program=settings.program, options=options),
            environment=environment,
            mounts=[*repository_mounts, *mounts],
            settings=settings,
        )
        for step, argv in steps
    ]


def _key_mode(settings: ArchiveSettings) -> int:
    """Return the mode of the Secret's files, which belong to root.

    ssh refuses a private key of its own user that others may read; another user than root must be able to
    read root's.
    """
    return 0o444 if settings.run_as_user else 0o400


def _environment(
    access: RepositoryAccess, secret: str, encrypted: bool, settings: ArchiveSettings
) -> list[JsonObject]:
    """Return the variables; those from the Secret come first, since the address may refer to them.

    Those of the settings take the place of no other.
    """
    from_secret = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for key in access.secret_environment
    ]
    restic = {
        "RESTIC_REPOSITORY": access.address,
        "RESTIC_PASSWORD_FILE": f"{KEYS}/password",
        "RESTIC_CACHE_DIR": _CACHE,
        "RESTIC_PROGRESS_FPS": "1",
        "TMPDIR": _CACHE,
    }
    if not encrypted:
        del restic["RESTIC_PASSWORD_FILE"]
    taken = {*access.secret_environment, *access.environment, *restic}
    added = {name: value for name, value in settings.env.items() if name not in taken}
    values = added | access.environment | restic
    return [*from_secret, *({"name": name, "value": value} for name, value in values.items())]


def build_container(
    *,
    name: str,
    argv: list[str],
    environment: list[JsonObject],
    mounts: Mounts,
    settings: ArchiveSettings,
) -> JsonObject:
    """Return a container of the archives' image."""
    container: JsonObject = {
        "name": name,
        "image": settings.image,
        "command": argv,
        "env": environment,
        "volumeMounts": list(mounts),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security_context(settings),
    }
    if settings.image_pull_policy is not None:
        container["imagePullPolicy"] = settings.image_pull_policy
    resources = {"requests": settings.requests, "limits": settings.limits}
    resources = {key: value for key, value in resources.items() if value}
    return container | {"resources": resources} if resources else container


def _security_context(settings: ArchiveSettings) -> JsonObject:
    """Return the fewest rights that restic needs.

    Another user than root gets no capability; root keeps its own, to read the files of all users.
    """
    context: JsonObject = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": settings.read_only_root,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return context | {"capabilities": {"drop": ["ALL"]}} if settings.run_as_user else context


def policy_image_security_context(settings: ArchiveSettings) -> JsonObject:
    """Return the rights of a container that runs a policy's image: a hook, or the check of a drill.

    They are those of an archive's container, but for a root file system that can be written to. So a pod with
    such a container passes the Pod Security level `restricted` where the archives' pods do.
    """
    if not settings.hooks_as_root:
        context = _security_context(settings)
        del context["readOnlyRootFilesystem"]
        return context
    context = {"allowPrivilegeEscalation": False}
    return context | {"runAsUser": 0, "runAsNonRoot": False} if settings.run_as_user else context
