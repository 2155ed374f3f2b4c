"""Bodies in protobuf, which kubectl's typed commands send (`create job`, `create cronjob`, `create secret`,
`auth can-i`, ...): read into the JSON shape, by tables of Kubernetes' generated.proto files.

The envelope is `k8s\\0` + runtime.Unknown (typeMeta 1, raw 2). Go writes every field that is no pointer, so
an empty one is no field. A field that these tables lack is refused rather than lost.
"""

import base64
from typing import Any

from kronkeep_daemon.embedded.apiserver import protobuf_wire
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"

# A field is `number:name:type`; a type is one of the words of `_plain`, `map`, `data`, another message, or
# `[...]` for a repeated one. A word without a colon is a number to skip (creationTimestamp, status).
_TABLES = {
    "Job": "1:metadata:Meta 2:spec:JobSpec 3",
    "JobSpec": "1:parallelism:int 2:completions:int 3:activeDeadlineSeconds:int 5:manualSelector:bool"
    " 6:template:PodTemplate 7:backoffLimit:int 8:ttlSecondsAfterFinished:int 9:completionMode:text"
    " 10:suspend:bool 14:podReplacementPolicy:text",
    "CronJob": "1:metadata:Meta 2:spec:CronJobSpec 3",
    "CronJobSpec": "1:schedule:text 2:startingDeadlineSeconds:int 3:concurrencyPolicy:text 4:suspend:bool"
    " 5:jobTemplate:JobTemplate 6:successfulJobsHistoryLimit:int 7:failedJobsHistoryLimit:int"
    " 8:timeZone:text",
    "JobTemplate": "1:metadata:Meta 2:spec:JobSpec",
    "PodTemplate": "1:metadata:Meta 2:spec:PodSpec",
    "Pod": "1:metadata:Meta 2:spec:PodSpec 3",
    "PodSpec": "2:containers:[Container] 3:restartPolicy:text 4:terminationGracePeriodSeconds:int"
    " 5:activeDeadlineSeconds:int 6:dnsPolicy:text 7:nodeSelector:map 8:serviceAccountName:text"
    " 9:serviceAccount:text 10:nodeName:text 11:hostNetwork:flag 12:hostPID:flag 13:hostIPC:flag"
    " 14:securityContext:Nothing 16:hostname:text 17:subdomain:text 19:schedulerName:text"
    " 20:initContainers:[Container] 24:priorityClassName:text",
    "Container": "1:name:text 2:image:text 3:command:[text] 4:args:[text] 5:workingDir:text 7:env:[EnvVar]"
    " 8:resources:Nothing 13:terminationMessagePath:text 14:imagePullPolicy:text 16:stdin:flag"
    " 17:stdinOnce:flag 18:tty:flag 20:terminationMessagePolicy:text",
    "EnvVar": "1:name:text 2:value:text",
    "Nothing": "",
    "Namespace": "1:metadata:Meta 2:spec:NamespaceSpec 3",
    "NamespaceSpec": "1:finalizers:[text]",
    "Secret": "1:metadata:Meta 2:data:data 3:type:text 4:stringData:map 5:immutable:bool",
    "ConfigMap": "1:metadata:Meta 2:data:map 3:binaryData:data 4:immutable:bool",
    "ServiceAccount": "1:metadata:Meta 4:automountServiceAccountToken:bool",
    "Role": "1:metadata:Meta 2:rules:[Rule]",
    "ClusterRole": "1:metadata:Meta 2:rules:[Rule]",
    "Rule": "1:verbs:[text] 2:apiGroups:[text] 3:resources:[text] 4:resourceNames:[text]"
    " 5:nonResourceURLs:[text]",
    "RoleBinding": "1:metadata:Meta 2:subjects:[Subject] 3:roleRef:RoleRef",
    "ClusterRoleBinding": "1:metadata:Meta 2:subjects:[Subject] 3:roleRef:RoleRef",
    "Subject": "1:kind:text 2:apiGroup:text 3:name:text 4:namespace:text",
    "RoleRef": "1:apiGroup:text 2:kind:text 3:name:text",
    "SelfSubjectAccessReview": "1:metadata:Meta 2:spec:AccessSpec 3",
    "AccessSpec": "1:resourceAttributes:ResourceAttributes 2:nonResourceAttributes:PathAttributes",
    "ResourceAttributes": "1:namespace:text 2:verb:text 3:group:text 4:version:text 5:resource:text"
    " 6:subresource:text 7:name:text",
    "PathAttributes": "1:path:text 2:verb:text",
    "SelfSubjectRulesReview": "1:metadata:Meta 2:spec:RulesSpec 3",
    "RulesSpec": "1:namespace:text",
    "TokenRequest": "1:metadata:Meta 2:spec:TokenSpec 3",
    "TokenSpec": "1:audiences:[text] 4:expirationSeconds:int",
    "DeleteOptions": "1:gracePeriodSeconds:int 2:preconditions:Preconditions 4:propagationPolicy:text"
    " 5:dryRun:[text]",
    "Preconditions": "1:uid:text 2:resourceVersion:text",
    "Meta": "1:name:text 2:generateName:text 3:namespace:text 4 5:uid:text 6:resourceVersion:text 7 8 9 10"
    " 11:labels:map 12:annotations:map 13:ownerReferences:[Owner] 14:finalizers:[text] 17",
    "Owner": "1:kind:text 3:name:text 4:uid:text 5:apiVersion:text 6:controller:bool"
    " 7:blockOwnerDeletion:bool",
}


def _table(text: str) -> dict[int, tuple[str, str]]:
    found = (entry.split(":") for entry in text.split())
    return {int(entry[0]): (entry[1], entry[2]) if entry[1:] else ("", "skip") for entry in found}


_MESSAGES = {name: _table(text) for name, text in _TABLES.items()}


def decode(body: bytes, lacking: frozenset[str] = frozenset()) -> JsonObject:
    """The object in `body` with its kind and apiVersion; top-level fields in `lacking` are not read.

    Raises a 415 Refusal for a kind or field that the tables lack, 400 for what is no protobuf.
    """
    try:
        if not body.startswith(MAGIC):
            raise ValueError("no envelope")
        unknown = dict(protobuf_wire.fields(body[4:]))
        meta = {number: _text(value) for number, value in protobuf_wire.fields(_raw(unknown[1]))}
        kind = meta.get(2, "")
        if kind not in _MESSAGES:
            raise _unread(kind)
        found = _message(kind, _raw(unknown[2]), lacking)
    except (ValueError, KeyError, TypeError) as fault:
        raise Refusal(
            code=400, reason="BadRequest", message=f"the body is no Kubernetes protobuf: {fault}"
        ) from fault
    return {"apiVersion": meta.get(1, ""), "kind": kind, **found}


def _unread(what: str) -> Refusal:
    return Refusal(
        code=415,
        reason="UnsupportedMediaType",
        message=f"this server does not read {what} in protobuf; send JSON",
    )


def _message(kind: str, data: bytes, lacking: frozenset[str] = frozenset()) -> JsonObject:
    found: JsonObject = {}
    for number, value in protobuf_wire.fields(data):
        name, what = _MESSAGES[kind].get(number, ("", ""))
        if value == b"" and not what.startswith("["):
            continue
        if not what:
            raise _unread(f"field {number} of {kind}")
        if what != "skip" and name not in lacking:
            _add(found, name, what, value)
    return found


def _add(found: JsonObject, name: str, what: str, value: bytes | int) -> None:
    if what in ("map", "data"):
        pair = dict(protobuf_wire.fields(_raw(value)))
        entry = _raw(pair.get(2, b""))
        plain = entry.decode() if what == "map" else base64.b64encode(entry).decode()
        found.setdefault(name, {})[_text(pair.get(1, b""))] = plain
    elif what.startswith("["):
        found.setdefault(name, []).append(_plain(what[1:-1], value))
    elif (plain := _plain(what, value)) not in ({}, "") and (what != "flag" or plain):
        found[name] = plain


def _plain(what: str, value: bytes | int) -> Any:
    if what == "text":
        return _text(value)
    if what == "int":
        return protobuf_wire.signed(_whole(value))
    if what in ("bool", "flag"):
        return bool(_whole(value))
    return _message(what, _raw(value))


def _raw(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number where a message should be")
    return value


def _whole(value: bytes | int) -> int:
    if not isinstance(value, int):
        raise TypeError("a message where a number should be")
    return value


def _text(value: bytes | int) -> str:
    return _raw(value).decode()
