"""A CronJob of the cluster as the spec that kronkeep's form and API write, and the patch back; pure.

Only what a CronJobSpec can say is read: a CronJob that says more (several containers, other volumes, other
sources of variables) is refused here, so that an edit never loses what it cannot show.
"""

from kronkeep_common import object_keys
from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import (
    BackupPolicy,
    CronJobCreate,
    EnvVar,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_daemon.cronjobs import cronjob_manifests
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject

_OURS = ("image", "command", "args", "env", "volumeMounts")
_BY_KUBECTL = "Change it with kubectl."


def read_spec(cronjob: CronJobObject, policy: BackupPolicy | None) -> CronJobCreate:
    """The spec of a CronJob; raises NotAllowedNow for one that says more than a spec can."""
    spec = cronjob.manifest()["spec"]
    job = spec["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    container = _container(pod)
    return CronJobCreate(
        namespace=cronjob.namespace,
        name=cronjob.name,
        image=container["image"],
        command=tuple(container.get("command") or ()),
        args=tuple(container.get("args") or ()),
        env=tuple(_env(entry) for entry in container.get("env") or ()),
        volumes=_volumes(pod, container),
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


def build_patch(
    cronjob: CronJobObject, wanted: CronJobCreate, annotations: dict[str, str | None]
) -> JsonObject:
    """The merge patch that makes the CronJob as wanted; fields that no spec has stay as they are."""
    made = cronjob_manifests.build_cronjob(wanted.namespace, wanted.name, wanted, {})["spec"]
    made_job = made["jobTemplate"]["spec"]
    live_pod = cronjob.manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    old = {key: value for key, value in _container(live_pod).items() if key not in _OURS}
    new = {**made_job["template"]["spec"]["containers"][0], "name": old["name"]}
    pod = {
        "containers": [old | new],
        "volumes": made_job["template"]["spec"].get("volumes"),
        "serviceAccountName": wanted.service_account,
    }
    job = {
        "backoffLimit": wanted.backoff_limit,
        "activeDeadlineSeconds": wanted.active_deadline_seconds,
        "template": {"spec": pod},
    }
    spec = {key: value for key, value in made.items() if key != "jobTemplate"}
    optional = {"timeZone": wanted.time_zone, "startingDeadlineSeconds": wanted.starting_deadline_seconds}
    return {
        "metadata": {"annotations": annotations, "resourceVersion": cronjob.metadata.resource_version},
        "spec": {**spec, **optional, "jobTemplate": {"metadata": _revision(annotations), "spec": job}},
    }


def _revision(annotations: dict[str, str | None]) -> JsonObject:
    """Each later run shows the policy's revision that it ran under, or none."""
    return {"annotations": {object_keys.POLICY_REVISION: annotations.get(object_keys.POLICY_REVISION)}}


def _container(pod: JsonObject) -> JsonObject:
    containers: list[JsonObject] = pod.get("containers") or []
    if len(containers) != 1 or pod.get("initContainers"):
        raise NotAllowedNow("The CronJob has more than one container.", next_step=_BY_KUBECTL)
    return containers[0]


def _env(entry: JsonObject) -> EnvVar:
    source = entry.get("valueFrom")
    if source is None:
        return EnvVar(name=entry["name"], value=entry.get("value", ""))
    if "secretKeyRef" not in source:
        words = "A variable of the CronJob comes from neither a value nor a Secret."
        raise NotAllowedNow(words, next_step=_BY_KUBECTL)
    ref = source["secretKeyRef"]
    return EnvVar(name=entry["name"], secret=SecretKeyRef(secret=ref["name"], key=ref["key"]))


def _volumes(pod: JsonObject, container: JsonObject) -> tuple[VolumeMount, ...]:
    claims = {v["name"]: v.get("persistentVolumeClaim") for v in pod.get("volumes") or []}
    if not all(claims.values()):
        words = "The CronJob mounts something other than claims."
        raise NotAllowedNow(words, next_step=_BY_KUBECTL)
    return tuple(
        VolumeMount(
            claim=claims[mount["name"]]["claimName"],
            mount_path=mount["mountPath"],
            read_only=bool(mount.get("readOnly")),
        )
        for mount in container.get("volumeMounts") or []
    )
