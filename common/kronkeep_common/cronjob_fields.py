"""The fields of a batch/v1 CronJob down to its containers, and what was meant by one that does not exist.

Source: the OpenAPI description of Kubernetes 1.36. A newer API server may know more fields, so that only a
server refuses one (`fieldValidation=Strict`); here stands what its refusal should have said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kronkeep_common.name_suggestions import closest_name
from kronkeep_common.text import clean

Step = str | int
_METADATA = (
    "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName "
    "generation labels managedFields name namespace ownerReferences resourceVersion selfLink uid"
)
# Of each group of fields their names; NAME:GROUP leads to another group, which may be a list of such.
_GROUPS = {
    "CronJob": "apiVersion kind metadata:Metadata spec:CronJobSpec status",
    "Job": "apiVersion kind metadata:Metadata spec:JobSpec status",
    "Metadata": _METADATA,
    "CronJobSpec": "concurrencyPolicy failedJobsHistoryLimit jobTemplate:JobTemplate schedule "
    "startingDeadlineSeconds successfulJobsHistoryLimit suspend timeZone",
    "JobTemplate": "metadata:Metadata spec:JobSpec",
    "JobSpec": "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy "
    "manualSelector maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy scheduling selector "
    "successPolicy suspend template:PodTemplate ttlSecondsAfterFinished",
    "PodTemplate": "metadata:Metadata spec:PodSpec",
    "PodSpec": "activeDeadlineSeconds affinity automountServiceAccountToken containers:Container dnsConfig "
    "dnsPolicy enableServiceLinks ephemeralContainers evictionResponders hostAliases hostIPC hostNetwork "
    "hostPID hostUsers hostname hostnameOverride imagePullSecrets initContainers:Container nodeName "
    "nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims "
    "resources:Resources restartPolicy runtimeClassName schedulerName schedulingGates schedulingGroup "
    "securityContext serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain "
    "terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes:Volume",
    "Container": "args command env:Variable envFrom image imagePullPolicy lifecycle livenessProbe name ports "
    "readinessProbe resizePolicy resources:Resources restartPolicy restartPolicyRules securityContext "
    "startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices "
    "volumeMounts:Mount workingDir",
    "Variable": "name value valueFrom",
    "Resources": "claims limits requests",
    "Mount": "bindMountOptions mountPath mountPropagation name readOnly recursiveReadOnly subPath "
    "subPathExpr",
    "Volume": "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir "
    "ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi name nfs "
    "persistentVolumeClaim:Claim photonPersistentDisk portworxVolume projected quobyte rbd scaleIO secret "
    "storageos vsphereVolume",
    "Claim": "claimName readOnly",
}
_TREE: dict[str, dict[str, str]] = {
    group: {name: below for name, _, below in (word.partition(":") for word in words.split())}
    for group, words in _GROUPS.items()
}
_UNKNOWN = re.compile(r'unknown field "([^"]*)"')
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def split_path(path: str) -> tuple[Step, ...]:
    """Return the steps of a path such as `spec.containers[0].image`."""
    return tuple(name or int(number) for name, number in _STEP.findall(path))


def find_unknown_fields(kind: str, manifest: Mapping[str, Any]) -> list[str]:
    """Return the paths of fields of a CronJob or Job that the groups above do not have."""
    return list(_walk(manifest, kind, "")) if kind in ("CronJob", "Job") else []


def _walk(value: Any, group: str, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _walk(entry, group, f"{path}[{number}]")
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            place = f"{path}.{name}".removeprefix(".")
            if name not in _TREE[group]:
                yield place
            elif _TREE[group][name]:
                yield from _walk(entry, _TREE[group][name], place)


def explain_unknown_fields(refusal: str) -> list[str]:
    """Return a sentence for each unknown field that an API server's refusal names, with what was meant."""
    return [_explain(split_path(path), path) for path in _UNKNOWN.findall(refusal)]


def _explain(steps: Sequence[Step], path: str) -> str:
    group: str | None = "CronJob"
    for step in steps[:-1]:
        if isinstance(step, str):
            group = _TREE.get(group or "", {}).get(step)
    near = closest_name(str(steps[-1]), _TREE.get(group or "", ())) if steps else None
    advice = f" Did you mean {near}?" if near else ""
    return f"{clean(path, 200)}: there is no such field.{advice}"
