"""A container's environment and arguments, resolved as a kubelet resolves them."""

import base64
import re
from collections.abc import Awaitable, Callable

from kronkeep_daemon.kube.objects import JsonObject

Fetch = Callable[[str, str], Awaitable[JsonObject | None]]
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_KEYED = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ConfigMissing(Exception):
    """A Secret, ConfigMap or key that a container needs is not there; the text is the kubelet's."""


def decoded(kind: str, obj: JsonObject) -> dict[str, str]:
    """The data of a Secret or ConfigMap as text."""
    data = obj.get("data") or {}
    if kind == "configmaps":
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


async def environment(pod: JsonObject, container: JsonObject, fetch: Fetch) -> dict[str, str]:
    """Name to value; raises ConfigMissing."""
    found = {"PATH": PATH, "HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"], "HOME": "/tmp"}  # noqa: S108
    for source in container.get("envFrom") or []:
        for kind, key in (("configmaps", "configMapRef"), ("secrets", "secretRef")):
            if ref := source.get(key):
                obj = await _referenced(kind, ref, fetch)
                prefix = source.get("prefix", "")
                found |= {prefix + name: value for name, value in (decoded(kind, obj) if obj else {}).items()}
    for variable in container.get("env") or []:
        value = await _value(pod, variable, fetch)
        if value is not None:
            found[variable["name"]] = expand(value, found)
    return found


async def _value(pod: JsonObject, variable: JsonObject, fetch: Fetch) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return str(variable.get("value") or "")
    if field := source.get("fieldRef"):
        return field_of(pod, field["fieldPath"])
    for kind, key in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
        if ref := source.get(key):
            obj = await _referenced(kind, ref, fetch)
            if obj is not None and ref["key"] in (obj.get("data") or {}):
                return decoded(kind, obj)[ref["key"]]
            if ref.get("optional"):
                return None
            word = "Secret" if kind == "secrets" else "ConfigMap"
            raise ConfigMissing(
                f"couldn't find key {ref['key']} in {word} {pod['metadata']['namespace']}/{ref['name']}"
            )
    return ""


async def _referenced(kind: str, ref: JsonObject, fetch: Fetch) -> JsonObject | None:
    obj = await fetch(kind, ref["name"])
    if obj is None and not ref.get("optional"):
        raise ConfigMissing(f'{kind.removesuffix("s")} "{ref["name"]}" not found')
    return obj


def field_of(pod: JsonObject, path: str) -> str:
    """The downward API's fieldPath."""
    meta = pod["metadata"]
    if match := _KEYED.fullmatch(path):
        return str((meta.get(match[1]) or {}).get(match[2], ""))
    simple = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    return str(simple.get(path, ""))


def expand(text: str, variables: dict[str, str]) -> str:
    """`$(NAME)` by its value where it is known, `$$` as `$`; all else as it stands."""

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return variables.get(match[1], match.group())

    return _REFERENCE.sub(replace, text)
