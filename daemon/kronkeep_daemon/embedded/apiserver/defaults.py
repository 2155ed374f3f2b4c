"""What a real API server fills in; the recordings show each default."""

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject

CONTROLLER_UID = ("batch.kubernetes.io/controller-uid", "controller-uid")
JOB_NAME = ("batch.kubernetes.io/job-name", "job-name")


def fill(resource: Resource, obj: JsonObject) -> None:
    """Adds the defaults of the object's kind, in place."""
    if resource.kind == "CronJob":
        _cronjob(obj)
    elif resource.kind == "Job":
        _job(obj)
    elif resource.kind == "Pod":
        _pod_spec(obj.setdefault("spec", {}))
        obj["spec"].setdefault("enableServiceLinks", True)
        obj.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
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


def _cronjob(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    _template(template.setdefault("spec", {}))
    obj.setdefault("status", {})


def _job(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    uid = obj["metadata"]["uid"]
    name = obj["metadata"]["name"]
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("completions") is None and "parallelism" in spec and spec["parallelism"] == 1:
        spec["completions"] = 1
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    template = spec.setdefault("template", {})
    if not spec.get("manualSelector"):
        spec["manualSelector"] = False
        spec.setdefault("selector", {"matchLabels": {CONTROLLER_UID[0]: uid}})
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels.update(dict.fromkeys(CONTROLLER_UID, uid) | dict.fromkeys(JOB_NAME, name))
    _template(spec)
    obj.setdefault("status", {})


def _template(job_spec: JsonObject) -> None:
    template = job_spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


def _pod_spec(spec: JsonObject) -> None:
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        _container(container)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _container(container: JsonObject) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image", ""))
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
