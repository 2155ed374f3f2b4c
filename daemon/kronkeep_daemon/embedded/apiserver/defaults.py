"""The fields that a real API server fills in; the recordings in tests/data show each default."""

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject

CONTROLLER_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NO_BACKOFF_LIMIT = 2**31 - 1  # where the failures of each index are limited
JOB_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def apply_defaults(resource: Resource, obj: JsonObject) -> None:
    """Add the defaults of the object's kind, in place."""
    if resource.kind == "CronJob":
        _complete_cronjob(obj)
    elif resource.kind == "Job":
        _complete_job(obj)
    elif resource.kind == "Pod":
        _complete_pod_spec(obj.setdefault("spec", {}))
        obj["spec"].setdefault("enableServiceLinks", True)
        obj.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
    elif resource.kind == "Deployment":
        _complete_pod_spec(obj.setdefault("spec", {}).setdefault("template", {}).setdefault("spec", {}))
    elif resource.kind == "Namespace":
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        obj["status"] = {"phase": "Active"}
    elif resource.kind == "PersistentVolumeClaim":
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        obj["spec"].setdefault("storageClassName", "standard")
        obj.setdefault("status", {"phase": "Pending"})
    elif resource.kind == "Secret":
        obj.setdefault("type", "Opaque")


def _complete_cronjob(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    _complete_template(template.setdefault("spec", {}))
    obj.setdefault("status", {})


def _complete_job(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    uid = obj["metadata"]["uid"]
    name = obj["metadata"]["name"]
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("completions") is None and spec["parallelism"] == 1:
        spec["completions"] = 1
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _NO_BACKOFF_LIMIT)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    _complete_failure_policy(spec.get("podFailurePolicy") or {})
    template = spec.setdefault("template", {})
    if not spec.get("manualSelector"):
        spec["manualSelector"] = False
        spec.setdefault("selector", {"matchLabels": {CONTROLLER_UID_LABELS[0]: uid}})
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels.update(dict.fromkeys(CONTROLLER_UID_LABELS, uid) | dict.fromkeys(JOB_NAME_LABELS, name))
    _complete_template(spec)
    obj.setdefault("status", {})


def _complete_failure_policy(policy: JsonObject) -> None:
    for rule in policy.get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            pattern.setdefault("status", "True")


def _complete_template(job_spec: JsonObject) -> None:
    template = job_spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _complete_pod_spec(template.setdefault("spec", {}))


def _complete_pod_spec(spec: JsonObject) -> None:
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        _complete_container(container)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _complete_container(container: JsonObject) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image", ""))
    is_latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    container.setdefault("imagePullPolicy", "Always" if is_latest else "IfNotPresent")
