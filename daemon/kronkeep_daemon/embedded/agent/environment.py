"""The environment of a container and the references in its command, resolved as a kubelet resolves them.

Implemented: env with value, fieldRef, secretKeyRef and configMapKeyRef; envFrom with prefix; `optional`;
`$(NAME)` and `$$` in values, command and args.

Not implemented: resourceFieldRef and fileKeyRef (empty values), the variables of Services.
"""

import base64
import re
from collections.abc import Awaitable, Callable

from kronkeep_daemon.kube.objects import JsonObject

FetchObject = Callable[[str, str], Awaitable[JsonObject | None]]
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_KEYED_FIELD = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")
_SOURCES = (("configmaps", "configMapRef"), ("secrets", "secretRef"))
_KEY_SOURCES = (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef"))
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}


class ConfigMissing(Exception):
    """A container cannot be configured: a Secret, ConfigMap, key or volume is missing.

    The text is the kubelet's where a kubelet knows the case.
    """


def decode_data(plural: str, obj: JsonObject) -> dict[str, str]:
    """Return the data of a Secret or ConfigMap as text; bytes that are not UTF-8 become surrogates."""
    data = obj.get("data") or {}
    if plural == "configmaps":
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


async def resolve_environment(
    pod: JsonObject, container: JsonObject, fetch_object: FetchObject
) -> dict[str, str]:
    """Return the environment of a container by name.

    `fetch_object(plural, name)` reads an object of the pod's namespace. Raises ConfigMissing.
    """
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": "/tmp"}  # noqa: S108
    for source in container.get("envFrom") or []:
        for plural, field in _SOURCES:
            if reference := source.get(field):
                obj = await _fetch_referenced(plural, reference, fetch_object)
                prefix = source.get("prefix", "")
                data = decode_data(plural, obj) if obj else {}
                variables |= {prefix + name: value for name, value in data.items()}
    for variable in container.get("env") or []:
        value = await _resolve_value(pod, variable, fetch_object)
        if value is not None:
            variables[variable["name"]] = expand_references(value, variables)
    return variables


async def _resolve_value(pod: JsonObject, variable: JsonObject, fetch_object: FetchObject) -> str | None:
    """Return the value of one entry of `env`; None for an optional key that is missing."""
    source = variable.get("valueFrom")
    if not source:
        return str(variable.get("value") or "")
    if field := source.get("fieldRef"):
        return read_field(pod, field["fieldPath"])
    for plural, source_field in _KEY_SOURCES:
        if reference := source.get(source_field):
            obj = await _fetch_referenced(plural, reference, fetch_object)
            if obj is not None and reference["key"] in (obj.get("data") or {}):
                return decode_data(plural, obj)[reference["key"]]
            if reference.get("optional"):
                return None
            owner = f"{_KINDS[plural]} {pod['metadata']['namespace']}/{reference['name']}"
            raise ConfigMissing(f"couldn't find key {reference['key']} in {owner}")
    return ""


async def _fetch_referenced(
    plural: str, reference: JsonObject, fetch_object: FetchObject
) -> JsonObject | None:
    obj = await fetch_object(plural, reference["name"])
    if obj is None and not reference.get("optional"):
        raise ConfigMissing(f'{plural.removesuffix("s")} "{reference["name"]}" not found')
    return obj


def read_field(pod: JsonObject, path: str) -> str:
    """Return the field of a pod that a fieldPath of the downward API names; empty for an unknown one."""
    meta = pod["metadata"]
    if match := _KEYED_FIELD.fullmatch(path):
        return str((meta.get(match[1]) or {}).get(match[2], ""))
    fields = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    return str(fields.get(path, ""))


def expand_references(text: str, variables: dict[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value and `$$` by `$`; unknown names stay as they are."""

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return variables.get(match[1], match.group())

    return _REFERENCE.sub(replace, text)
