"""A CronJob's configuration as files in its archive: its manifest, its ConfigMaps, the names of its Secrets.

Of a claim with a policy of its own it is the claim's manifest.

The content of Secrets is never read; their names tell a person which ones to create again.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from kronkeep_common.errors import Conflict
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject
from kronkeep_daemon.repositories import job_manifests

FOLDER = "/configuration"
MAX_BYTES = 1_000_000  # a ConfigMap holds 1 MiB
_KEPT_META = ("name", "namespace", "labels", "annotations")


class ConfigurationTooLarge(Conflict):
    """The manifest and the ConfigMaps are too large for the one ConfigMap that brings them to the pod."""

    code = "ConfigurationTooLarge"
    default_next_step = "Leave include.configuration off, or make the ConfigMaps smaller."


def config_map_name(job: str) -> str:
    """Return the name of the ConfigMap that brings the files to the Job's pod."""
    return f"{job}-configuration"


async def read_configuration(cluster: Cluster, subject: PolicySubject) -> dict[str, str]:
    """Return the content of each file by its name; `missing.json` names ConfigMaps that do not exist.

    Raises ConfigurationTooLarge, NotFoundInCluster.
    """
    if isinstance(subject, PolicyClaim):
        claim = await cluster.get(paths.claims(subject.namespace, subject.claim))
        files = {"claim.json": _to_json(_without_server_fields(claim, "v1", "PersistentVolumeClaim"))}
    else:
        assert isinstance(subject, CronJobObject)
        files = await _read_cronjob(cluster, subject)
    if (size := sum(len(text.encode()) for text in files.values())) > MAX_BYTES:
        raise ConfigurationTooLarge(f"The configuration of {subject.ref} has {size} bytes; {MAX_BYTES} fit.")
    return files


async def _read_cronjob(cluster: Cluster, cronjob: CronJobObject) -> dict[str, str]:
    manifest = cronjob.manifest()
    files: dict[str, str] = {
        "cronjob.json": _to_json(_without_server_fields(manifest, "batch/v1", "CronJob"))
    }
    missing = []
    for name in sorted(set(_names_of(manifest, "configMap"))):
        try:
            config_map = await cluster.get(paths.configmaps(cronjob.namespace, name))
        except NotFoundInCluster:
            missing.append(name)
            continue
        files[f"configmap-{name}.json"] = _to_json(_without_server_fields(config_map, "v1", "ConfigMap"))
    files["secrets.json"] = _to_json(sorted(set(_names_of(manifest, "secret"))))
    if missing:
        files["missing.json"] = _to_json(missing)
    return files


def config_map(job: str, namespace: str, files: dict[str, str], owner: JsonObject) -> JsonObject:
    """Return the manifest of the ConfigMap with the files for the Job's pod."""
    meta = {
        "name": config_map_name(job),
        "namespace": namespace,
        "labels": job_manifests.labels_of("configuration"),
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": files}


def volume(job: str) -> JsonObject:
    """Return the pod's volume with the files."""
    return {"name": "configuration", "configMap": {"name": config_map_name(job)}}


def mounts(names: list[str]) -> list[JsonObject]:
    """Return one mount for each file.

    A mount of the whole ConfigMap would hold symbolic links into a folder with a date in its name, as the
    kubelet makes them, and the archive would hold those.
    """
    return [
        {"name": "configuration", "mountPath": f"{FOLDER}/{name}", "subPath": name, "readOnly": True}
        for name in names
    ]


def _names_of(value: Any, kind: str) -> Iterator[str]:
    """Yield the names of that kind in volumes, projections, envFrom and env (core/v1) anywhere in `value`."""
    if isinstance(value, list):
        for entry in value:
            yield from _names_of(entry, kind)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if isinstance(inner, dict) and key in (kind, f"{kind}Ref", f"{kind}KeyRef"):
            name = inner.get("name") or inner.get("secretName")
            if isinstance(name, str):
                yield name
        yield from _names_of(inner, kind)


def _without_server_fields(manifest: JsonObject, api_version: str, kind: str) -> JsonObject:
    """Return the object without status and the metadata that the API server adds."""
    metadata = manifest["metadata"]
    meta = {key: metadata[key] for key in _KEPT_META if metadata.get(key)}
    body = {k: v for k, v in manifest.items() if k not in ("metadata", "status", "apiVersion", "kind")}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def _to_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"
