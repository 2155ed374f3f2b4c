"""What a real API server refuses of a pod's spec and of labels, in its own words."""

import json
import re

from kronkeep_daemon.embedded.apiserver.field_causes import invalid_value, value_required
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause
from kronkeep_daemon.kube.objects import JsonObject

_LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def check_labels(labels: dict[str, str], field: str) -> list[StatusCause]:
    """Return what is wrong with the values of labels."""
    causes = []
    for value in labels.values():
        if len(value) > 63:
            causes.append(invalid_value(field, value, "must be no more than 63 bytes"))
        elif value and not _LABEL_VALUE.fullmatch(value):
            causes.append(invalid_value(field, value, _LABEL_RULE))
    return causes


def check_pod_spec(spec: JsonObject, path: str) -> list[StatusCause]:
    """Return what is wrong with the spec of a pod at `path`."""
    if not spec.get("containers"):
        return [value_required(f"{path}.containers")]
    causes = []
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            causes += _check_container(container, f"{path}.{kind}[{index}]", spec)
    return causes


def _check_container(container: JsonObject, path: str, spec: JsonObject) -> list[StatusCause]:
    causes = []
    if not container.get("name"):
        causes.append(value_required(f"{path}.name"))
    if not container.get("image"):
        causes.append(value_required(f"{path}.image"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            field = f"{path}.volumeMounts[{index}].name"
            message = f"Not found: {json.dumps(mount.get('name'))}"
            causes.append(StatusCause(field, "FieldValueNotFound", message))
    return causes
