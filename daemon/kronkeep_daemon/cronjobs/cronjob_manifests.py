"""CronJobs and Jobs as manifests: built from a spec, read back as a spec, patched; pure.

Only what a CronJobSpec can say is read back. A CronJob that says more (several containers, parts of claims,
other sources of variables) is refused, so that an edit never loses what it cannot show. Volumes that are no
mounted claims are shown, and stay.
"""

import json
from collections.abc import Sequence

from kronkeep_common import object_keys
from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import (
    BackupPolicy,
    CronJobCreate,
    CronJobSpec,
    EnvVar,
    OtherVolume,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject

_SPEC_KEYS = ("image", "command", "args", "env", "volumeMounts")  # of a container: what a spec says
_MOUNT_KEYS = frozenset({"name", "mountPath", "readOnly"})  # what a VolumeMount says
_USE_KUBECTL = "Change it with kubectl."


def build_cronjob(namespace: str, name: str, spec: CronJobSpec, annotations: dict[str, str]) -> JsonObject:
    """Return the batch/v1 CronJob of a spec."""
    body: JsonObject = {
        "schedule": spec.schedule,
        "suspend": spec.suspend,
        "concurrencyPolicy": spec.concurrency_policy,
        "successfulJobsHistoryLimit": spec.successful_jobs_history_limit,
        "failedJobsHistoryLimit": spec.failed_jobs_history_limit,
        "jobTemplate": {"metadata": _job_metadata(annotations), "spec": _job_spec(spec)},
    }
    if spec.time_zone is not None:
        body["timeZone"] = spec.time_zone
    if spec.starting_deadline_seconds is not None:
        body["startingDeadlineSeconds"] = spec.starting_deadline_seconds
    meta: JsonObject = {
        "name": name,
        "namespace": namespace,
        "labels": {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY},
    }
    if annotations:
        meta["annotations"] = annotations
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": body}


def _job_metadata(annotations: dict[str, str]) -> JsonObject:
    """Each Job carries the revision of the policy that was in force when it began."""
    revision = annotations.get(object_keys.POLICY_REVISION)
    return {"annotations": {object_keys.POLICY_REVISION: revision}} if revision else {}


def _job_spec(spec: CronJobSpec) -> JsonObject:
    container: JsonObject = {"name": "main", "image": spec.image}
    if spec.command:
        container["command"] = list(spec.command)
    if spec.args:
        container["args"] = list(spec.args)
    if spec.env:
        container["env"] = [env_entry(variable) for variable in spec.env]
    if spec.volumes:
        container["volumeMounts"] = [_mount(i, volume) for i, volume in enumerate(spec.volumes)]
    pod: JsonObject = {"restartPolicy": "Never", "containers": [container]}
    if spec.volumes:
        pod["volumes"] = [_volume(i, volume) for i, volume in enumerate(spec.volumes)]
    if spec.service_account:
        pod["serviceAccountName"] = spec.service_account
    job: JsonObject = {"backoffLimit": spec.backoff_limit, "template": {"spec": pod}}
    if spec.active_deadline_seconds is not None:
        job["activeDeadlineSeconds"] = spec.active_deadline_seconds
    return job


def env_entry(variable: EnvVar) -> JsonObject:
    """Return one entry of a container's env."""
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value or ""}
    reference = {"name": variable.secret.secret, "key": variable.secret.key}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}


def _mount(index: int, volume: VolumeMount) -> JsonObject:
    mount: JsonObject = {"name": f"claim-{index}", "mountPath": volume.mount_path}
    return mount | {"readOnly": True} if volume.read_only else mount


def _volume(index: int, volume: VolumeMount) -> JsonObject:
    return {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": volume.claim}}


def build_manual_job(
    cronjob: CronJobObject, name: str, env: Sequence[EnvVar], request: str | None = None
) -> JsonObject:
    """Return the Job of a manual run, as `kubectl create job --from` does.

    env: overrides variables for this one run; those with plain values are shown in an annotation.
    request: the id of the request, by which the Job is known again.
    """
    template = cronjob.manifest()["spec"]["jobTemplate"]
    annotations = {**(template["metadata"].get("annotations") or {}), object_keys.INSTANTIATE: "manual"}
    if request is not None:
        annotations[object_keys.REQUEST] = request
    if env:
        shown = [{"name": v.name, "value": v.value} for v in env if v.secret is None]
        annotations[object_keys.OVERRIDES_ANNOTATION] = json.dumps(shown)
        for container in template["spec"]["template"]["spec"]["containers"]:
            _override_env(container, env)
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cronjob.name,
        "uid": cronjob.metadata.uid,
        "controller": True,
    }
    meta: JsonObject = {
        "name": name,
        "namespace": cronjob.namespace,
        "annotations": annotations,
        "ownerReferences": [owner],
    }
    if template["metadata"].get("labels"):
        meta["labels"] = template["metadata"]["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template["spec"]}


def _override_env(container: JsonObject, env: Sequence[EnvVar]) -> None:
    names = {variable.name for variable in env}
    others = [entry for entry in container.get("env") or [] if entry["name"] not in names]
    container["env"] = others + [env_entry(variable) for variable in env]


def read_spec(cronjob: CronJobObject, policy: BackupPolicy | None) -> CronJobCreate:
    """Return the spec of a CronJob; raises NotAllowedNow for one that says more than a spec can."""
    spec = cronjob.manifest()["spec"]
    job = spec["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    container = _only_container(pod)
    return CronJobCreate(
        namespace=cronjob.namespace,
        name=cronjob.name,
        image=container["image"],
        command=tuple(container.get("command") or ()),
        args=tuple(container.get("args") or ()),
        env=tuple(_read_env(entry) for entry in container.get("env") or ()),
        volumes=_read_volumes(pod, container),
        other_volumes=read_other_volumes(cronjob),
        schedule=spec["schedule"],
        time_zone=spec.get("timeZone"),
        suspend=bool(spec.get("suspend")),
        concurrency_policy=spec.get("concurrencyPolicy", "Allow"),
        starting_deadline_seconds=spec.get("startingDeadlineSeconds"),
        active_deadline_seconds=job.get("activeDeadlineSeconds"),
        backoff_limit=job.get("backoffLimit", 6),
        successful_jobs_history_limit=spec.get("successfulJobsHistoryLimit", 3),
        failed_jobs_history_limit=spec.get("failedJobsHistoryLimit", 1),
        service_account=pod.get("serviceAccountName"),
        policy=policy.spec if policy else None,
    )


def _only_container(pod: JsonObject) -> JsonObject:
    containers: list[JsonObject] = pod.get("containers") or []
    if len(containers) != 1 or pod.get("initContainers"):
        raise NotAllowedNow("The CronJob has more than one container.", next_step=_USE_KUBECTL)
    return containers[0]


def _read_env(entry: JsonObject) -> EnvVar:
    source = entry.get("valueFrom")
    if source is None:
        return EnvVar(name=entry["name"], value=entry.get("value", ""))
    if "secretKeyRef" not in source:
        message = "A variable of the CronJob comes from neither a value nor a Secret."
        raise NotAllowedNow(message, next_step=_USE_KUBECTL)
    ref = source["secretKeyRef"]
    return EnvVar(name=entry["name"], secret=SecretKeyRef(secret=ref["name"], key=ref["key"]))


def _read_volumes(pod: JsonObject, container: JsonObject) -> tuple[VolumeMount, ...]:
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]
        for volume in pod.get("volumes") or []
        if not _is_other(volume, container)
    }
    mounts = [mount for mount in container.get("volumeMounts") or [] if mount["name"] in claims]
    if any(mount.keys() - _MOUNT_KEYS for mount in mounts):
        message = "The CronJob mounts a part of a claim, or a claim with options that are not shown here."
        raise NotAllowedNow(message, next_step=_USE_KUBECTL)
    return tuple(
        VolumeMount(
            claim=claims[mount["name"]]["claimName"],
            mount_path=mount["mountPath"],
            read_only=bool(mount.get("readOnly") or claims[mount["name"]].get("readOnly")),
        )
        for mount in mounts
    )


def _is_other(volume: JsonObject, container: JsonObject) -> bool:
    """Whether a volume is something else than a claim that is mounted as a file system."""
    devices = {device["name"] for device in container.get("volumeDevices") or []}
    return not volume.get("persistentVolumeClaim") or volume["name"] in devices


def read_other_volumes(cronjob: CronJobObject) -> tuple[OtherVolume, ...]:
    """Return the volumes of a CronJob that are no mounted claims."""
    return tuple(
        OtherVolume(name=volume.name, kind=volume.kind, mount_path=volume.mount_path)
        for volume in list_mounted_volumes(cronjob)
        if not volume.claim or volume.is_device
    )


def build_patch(
    cronjob: CronJobObject, spec: CronJobCreate, annotations: dict[str, str | None]
) -> JsonObject:
    """Return the merge patch that makes the CronJob match a spec; fields that a spec cannot say stay.

    It names the resourceVersion, so that the API server refuses it where the CronJob has changed meanwhile.
    Raises NotAllowedNow for a CronJob with several containers.
    """
    new = build_cronjob(spec.namespace, spec.name, spec, {})["spec"]
    new_pod = new["jobTemplate"]["spec"]["template"]["spec"]
    old_pod = cronjob.manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    old_container = _only_container(old_pod)
    other_fields = {key: value for key, value in old_container.items() if key not in _SPEC_KEYS}
    container = {**other_fields, **new_pod["containers"][0], "name": old_container["name"]}
    others = [volume for volume in old_pod.get("volumes") or [] if _is_other(volume, old_container)]
    other_names = {volume["name"] for volume in others}
    if other_names & {volume["name"] for volume in new_pod.get("volumes") or []}:
        message = "A volume of the CronJob has a name that kronkeep gives to claims."
        raise NotAllowedNow(message, next_step=_USE_KUBECTL)
    kept_mounts = [m for m in old_container.get("volumeMounts") or [] if m["name"] in other_names]
    if kept_mounts:
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), *kept_mounts]
    job = {
        "backoffLimit": spec.backoff_limit,
        "activeDeadlineSeconds": spec.active_deadline_seconds,
        "template": {
            "spec": {
                "containers": [container],
                "volumes": [*(new_pod.get("volumes") or []), *others] or None,
                "serviceAccountName": spec.service_account,
            }
        },
    }
    # Null in a merge patch removes a field: the revision too, where there is no policy any more.
    revision = {object_keys.POLICY_REVISION: annotations.get(object_keys.POLICY_REVISION)}
    return {
        "metadata": {"annotations": annotations, "resourceVersion": cronjob.metadata.resource_version},
        "spec": {
            **{key: value for key, value in new.items() if key != "jobTemplate"},
            "timeZone": spec.time_zone,
            "startingDeadlineSeconds": spec.starting_deadline_seconds,
            "jobTemplate": {"metadata": {"annotations": revision}, "spec": job},
        },
    }
