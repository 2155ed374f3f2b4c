"""The one protobuf body that kubectl insists on: `kubectl create job --from=cronjob/...`.

Envelope `k8s\\0` + runtime.Unknown; inside a batch/v1 Job, of which ObjectMeta is read (name 1, namespace 3,
labels 11, annotations 12, ownerReferences 13); the spec is then taken from the owning CronJob.
"""

from collections.abc import Iterator
from typing import Any

from kronkeep_daemon.embedded.apiserver.status import Refusal

Object = dict[str, Any]
MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(field number, value) pairs; length-delimited values are bytes, varints are int."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")


def _strings(data: bytes) -> dict[int, str]:
    return {n: v.decode(errors="replace") if isinstance(v, bytes) else str(v) for n, v in _fields(data)}


def _meta(data: bytes) -> Object:
    meta: Object = {"labels": {}, "annotations": {}, "ownerReferences": []}
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number in (1, 2, 3):
            meta[{1: "name", 2: "generateName", 3: "namespace"}[number]] = value.decode()
        elif number in (11, 12):
            pair = _strings(value)
            meta["labels" if number == 11 else "annotations"][pair.get(1, "")] = pair.get(2, "")
        elif number == 13:
            meta["ownerReferences"].append(_owner(_strings(value)))
    return {key: value for key, value in meta.items() if value}


def _owner(parts: dict[int, str]) -> Object:
    owner: Object = {"kind": parts[1], "name": parts[3], "uid": parts[4], "apiVersion": parts.get(5, "")}
    return owner | {
        key: parts[n] == "1" for n, key in ((6, "controller"), (7, "blockOwnerDeletion")) if n in parts
    }


def job_of_cronjob(body: bytes) -> Object:
    """The metadata of the Job in `body`, without a spec; raises a 415 Refusal for anything else."""
    try:
        if not body.startswith(MAGIC):
            raise ValueError("no envelope")
        unknown = dict(_fields(body[4:]))
        kind = _strings(bytes(unknown[1]))
        job = dict(_fields(bytes(unknown[2])))
        meta = _meta(bytes(job[1]))
        if kind.get(2) != "Job" or not meta.get("ownerReferences"):
            raise ValueError("not a Job of a CronJob")
    except (ValueError, KeyError, IndexError, TypeError) as fault:
        words = "this server reads protobuf only for 'create job --from=cronjob/...'; send JSON"
        raise Refusal(415, "UnsupportedMediaType", words) from fault
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}
