"""The Kubernetes objects of this room, as functions of what was asked for."""

import json
from collections.abc import Sequence

from kronkeep_common import object_keys
from kronkeep_common.models import CronJobSpec, EnvVar, VolumeMount
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject


def build_cronjob(namespace: str, name: str, spec: CronJobSpec, annotations: dict[str, str]) -> JsonObject:
    """The batch/v1 CronJob of a spec."""
    body: JsonObject = {
        "schedule": spec.schedule,
        "suspend": spec.suspend,
        "concurrencyPolicy": spec.concurrency_policy,
        "successfulJobsHistoryLimit": spec.successful_jobs_history_limit,
        "failedJobsHistoryLimit": spec.failed_jobs_history_limit,
        "jobTemplate": {"metadata": _job_meta(annotations), "spec": _job(spec)},
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


def _job_meta(annotations: dict[str, str]) -> JsonObject:
    """Each run shows the policy's revision that it ran under."""
    revision = annotations.get(object_keys.POLICY_REVISION)
    return {"annotations": {object_keys.POLICY_REVISION: revision}} if revision else {}


def _job(spec: CronJobSpec) -> JsonObject:
    container: JsonObject = {"name": "main", "image": spec.image}
    if spec.command:
        container["command"] = list(spec.command)
    if spec.args:
        container["args"] = list(spec.args)
    if spec.env:
        container["env"] = [env_var(variable) for variable in spec.env]
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


def env_var(variable: EnvVar) -> JsonObject:
    """One entry of a container's env."""
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value or ""}
    reference = {"name": variable.secret.secret, "key": variable.secret.key}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}


def _mount(index: int, volume: VolumeMount) -> JsonObject:
    mount: JsonObject = {"name": f"claim-{index}", "mountPath": volume.mount_path}
    return mount | {"readOnly": True} if volume.read_only else mount


def _volume(index: int, volume: VolumeMount) -> JsonObject:
    return {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": volume.claim}}


def build_manual_job(cronjob: CronJobObject, name: str, env: Sequence[EnvVar]) -> JsonObject:
    """The Job that a trigger makes, as `kubectl create job --from` does; overrides are kept on it."""
    template = cronjob.manifest()["spec"]["jobTemplate"]
    annotations = {**(template["metadata"].get("annotations") or {}), object_keys.INSTANTIATE: "manual"}
    if env:
        shown = [{"name": v.name, "value": v.value} for v in env if v.secret is None]
        annotations[object_keys.OVERRIDES_ANNOTATION] = json.dumps(shown)
        for container in template["spec"]["template"]["spec"]["containers"]:
            _override(container, env)
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cronjob.name,
        "uid": cronjob.uid,
        "controller": True,
    }
    job_meta: JsonObject = {
        "name": name,
        "namespace": cronjob.namespace,
        "annotations": annotations,
        "ownerReferences": [owner],
    }
    if template["metadata"].get("labels"):
        job_meta["labels"] = template["metadata"]["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_meta, "spec": template["spec"]}


def _override(container: JsonObject, env: Sequence[EnvVar]) -> None:
    names = {variable.name for variable in env}
    kept = [entry for entry in container.get("env") or [] if entry["name"] not in names]
    container["env"] = kept + [env_var(variable) for variable in env]


def claims_of(cronjob: CronJobObject) -> tuple[str, ...]:
    """The PersistentVolumeClaims that the CronJob's containers mount, in order, each once."""
    pod = cronjob.pod
    mounted = {
        mount.name
        for container in (*(pod.init_containers or ()), *(pod.containers or ()))
        for mount in container.volume_mounts or ()
    }
    claims = [
        volume.persistent_volume_claim.claim_name
        for volume in pod.volumes or ()
        if volume.persistent_volume_claim is not None and volume.name in mounted
    ]
    return tuple(dict.fromkeys(claims))
