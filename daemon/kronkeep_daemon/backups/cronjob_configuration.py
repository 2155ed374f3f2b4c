"""A CronJob's configuration as files for its archive: its manifest, its ConfigMaps, the names of its Secrets.

Secrets are never read: their names are what a person needs to make them again.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from kronkeep_common.errors import Conflict
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.repositories import job_manifests

FOLDER = "/configuration"
MOST_BYTES = 1_000_000  # of a ConfigMap's 1 MiB
_KEPT_META = ("name", "namespace", "labels", "annotations")


class ConfigurationTooLarge(Conflict):
    """The CronJob's manifest and ConfigMaps do not fit into one ConfigMap, which carries them to the pod."""

    code = "ConfigurationTooLarge"
    default_next_step = "Leave include.configuration off, or make the ConfigMaps smaller."


def name_of(job: str) -> str:
    """The ConfigMap that carries the files to the Job's pod."""
    return f"{job}-configuration"


async def files(cluster: Cluster, cronjob: CronJobObject) -> dict[str, str]:
    """File name to content; a ConfigMap that is not there is named in `missing.json`."""
    manifest = cronjob.manifest()
    found: dict[str, str] = {"cronjob.json": _text(_stripped(manifest, "batch/v1", "CronJob"))}
    missing = []
    for name in sorted(set(_named(manifest, "configMap"))):
        try:
            raw = await cluster.get(paths.configmaps(cronjob.namespace, name))
        except NotFoundInCluster:
            missing.append(name)
            continue
        found[f"configmap-{name}.json"] = _text(_stripped(raw, "v1", "ConfigMap"))
    found["secrets.json"] = _text(sorted(set(_named(manifest, "secret"))))
    if missing:
        found["missing.json"] = _text(missing)
    if (size := sum(len(text.encode()) for text in found.values())) > MOST_BYTES:
        raise ConfigurationTooLarge(f"The CronJob's configuration has {size} bytes; {MOST_BYTES} fit.")
    return found


def config_map(job: str, namespace: str, content: dict[str, str], owner: JsonObject) -> JsonObject:
    """The ConfigMap for the Job's pod."""
    meta = {
        "name": name_of(job),
        "namespace": namespace,
        "labels": job_manifests.labels_of("configuration"),
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": content}


def volume(job: str) -> JsonObject:
    """The pod's volume."""
    return {"name": "configuration", "configMap": {"name": name_of(job)}}


def mounts(names: list[str]) -> list[JsonObject]:
    """One mount a file: in a ConfigMap's folder the kubelet makes links into a folder with a date."""
    return [
        {"name": "configuration", "mountPath": f"{FOLDER}/{name}", "subPath": name, "readOnly": True}
        for name in names
    ]


def _named(value: Any, kind: str) -> Iterator[str]:
    """The names of that kind in a pod's volumes, projections, envFrom and env (core/v1 fields)."""
    if isinstance(value, list):
        for entry in value:
            yield from _named(entry, kind)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if isinstance(inner, dict) and key in (kind, f"{kind}Ref", f"{kind}KeyRef"):
            name = inner.get("name") or inner.get("secretName")
            if isinstance(name, str):
                yield name
        yield from _named(inner, kind)


def _stripped(raw: JsonObject, api_version: str, kind: str) -> JsonObject:
    """The object as a person would write it: without what the cluster keeps for itself."""
    meta = {key: raw["metadata"][key] for key in _KEPT_META if raw["metadata"].get(key)}
    body = {k: v for k, v in raw.items() if k not in ("metadata", "status", "apiVersion", "kind")}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def _text(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"
