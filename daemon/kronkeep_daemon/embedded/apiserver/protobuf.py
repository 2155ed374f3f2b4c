"""Request bodies in protobuf, decoded to the shape of their JSON by tables of Kubernetes' generated.proto
files.

kubectl's typed commands send them (`create job`, `create cronjob`, `create secret`, `auth can-i`, ...). The
envelope is `k8s\\0` and a runtime.Unknown (field 1: typeMeta, field 2: raw). Go writes every field that is
not a pointer, so an empty value means that the field is absent. A field that is not in the tables is refused,
so that nothing is lost silently.
"""

import base64
from typing import Any, NamedTuple

from kronkeep_daemon.embedded.apiserver import protobuf_wire
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal, bad_request
from kronkeep_daemon.kube.objects import JsonObject

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
SKIP = "skip"

# A field is `number:name:type`. A type is text, int, bool, flag (a bool that is absent when false), map (of
# texts), data (a map of bytes), the name of another message, or any of these in brackets for a repeated
# field. A number alone is a field that is skipped (creationTimestamp, status).
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


class FieldSpec(NamedTuple):
    """The name and type of a field; the type SKIP means that the field is not read."""

    name: str
    type: str


def _parse_table(text: str) -> dict[int, FieldSpec]:
    fields = {}
    for entry in text.split():
        number, *spec = entry.split(":")
        fields[int(number)] = FieldSpec(*spec) if spec else FieldSpec("", SKIP)
    return fields


_MESSAGES = {name: _parse_table(text) for name, text in _TABLES.items()}


def decode_object(body: bytes, *, skip: frozenset[str] = frozenset()) -> JsonObject:
    """Return the object in `body` with its kind and apiVersion, without the top-level fields in `skip`.

    Raises a 415 Refusal for a kind or field that is not in the tables, 400 for a body that is not protobuf.
    """
    try:
        if not body.startswith(MAGIC):
            raise ValueError("no envelope")
        envelope = dict(protobuf_wire.read_fields(body[len(MAGIC) :]))
        type_meta = dict(protobuf_wire.read_fields(_require_bytes(envelope[1])))
        api_version = _decode_text(type_meta.get(1, b""))
        kind = _decode_text(type_meta.get(2, b""))
        if kind not in _MESSAGES:
            raise _unknown_to_tables(kind)
        fields = _decode_message(kind, _require_bytes(envelope[2]), skip)
    except (ValueError, KeyError, TypeError) as fault:
        raise bad_request(f"the body is no Kubernetes protobuf: {fault}") from fault
    return {"apiVersion": api_version, "kind": kind, **fields}


def _unknown_to_tables(what: str) -> Refusal:
    return Refusal(
        code=415,
        reason="UnsupportedMediaType",
        message=f"this server does not read {what} in protobuf; send JSON",
    )


def _decode_message(kind: str, data: bytes, skip: frozenset[str] = frozenset()) -> JsonObject:
    message: JsonObject = {}
    for number, value in protobuf_wire.read_fields(data):
        field = _MESSAGES[kind].get(number)
        is_list = field is not None and field.type.startswith("[")
        if value == b"" and not is_list:
            continue
        if field is None:
            raise _unknown_to_tables(f"field {number} of {kind}")
        if field.type != SKIP and field.name not in skip:
            _add_value(message, field, value)
    return message


def _add_value(message: JsonObject, field: FieldSpec, value: bytes | int) -> None:
    if field.type in ("map", "data"):
        pair = dict(protobuf_wire.read_fields(_require_bytes(value)))
        entry = _require_bytes(pair.get(2, b""))
        text = entry.decode() if field.type == "map" else base64.b64encode(entry).decode()
        message.setdefault(field.name, {})[_decode_text(pair.get(1, b""))] = text
    elif field.type.startswith("["):
        message.setdefault(field.name, []).append(_decode_value(field.type[1:-1], value))
    else:
        decoded = _decode_value(field.type, value)
        is_absent = decoded in ({}, "") or (field.type == "flag" and not decoded)
        if not is_absent:
            message[field.name] = decoded


def _decode_value(field_type: str, value: bytes | int) -> Any:
    if field_type == "text":
        return _decode_text(value)
    if field_type == "int":
        return protobuf_wire.decode_signed(_require_number(value))
    if field_type in ("bool", "flag"):
        return bool(_require_number(value))
    return _decode_message(field_type, _require_bytes(value))


def _require_bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number where a message should be")
    return value


def _require_number(value: bytes | int) -> int:
    if not isinstance(value, int):
        raise TypeError("a message where a number should be")
    return value


def _decode_text(value: bytes | int) -> str:
    return _require_bytes(value).decode()
