"""What kronkeep created in the clusters, each with the command that removes it; nothing is changed here.

CronJobs belong to their users and stay, without kronkeep's annotations; so do claims with restored data. The
Secrets with the repositories' passwords come last: without them no backup can be read.
"""

from collections.abc import Iterator

from kronkeep_common import object_keys
from kronkeep_common.api import Leftover
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.alerts.shared_alerts import CONFIGMAP
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube import lease, paths
from kronkeep_daemon.kube.client import Cluster, Objects
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject

Leftovers = list[Leftover]
OURS = {"labelSelector": f"{object_keys.MANAGED_BY_LABEL}={object_keys.MANAGED_BY}"}
_OPENS_REPOSITORY = "It opens a repository: save it, or the repository's backups are lost."
_WHY = {
    "jobs": "A Job of kronkeep's own: an archive, a check, a restore.",
    "persistentvolumeclaims": "A claim that a restore created: it holds restored data.",
    "volumesnapshots": "A snapshot of a claim, made for one archive.",
}
_LISTINGS = (
    ("jobs", paths.jobs),
    ("persistentvolumeclaims", paths.claims),
    ("volumesnapshots", paths.volume_snapshots),
)


async def list_leftovers(cronjobs: CronJobService, own: str) -> Leftovers:
    """Return everything in every cluster, in the order in which it may be removed.

    own: kronkeep's own namespace in each cluster.
    """
    leftovers: Leftovers = []
    for recorder in cronjobs.recorders.values():
        cluster = recorder.cluster
        name = clean(recorder.cluster.name, 80)
        namespaces: tuple[str | None, ...] = recorder.watches.namespaces or (None,)
        leftovers += [
            line
            for cronjob in recorder.cache.cronjobs.values()
            for line in _annotation_leftovers(name, cronjob)
        ]
        for plural, listing in _LISTINGS:
            for namespace in namespaces:
                for item in await _list_labelled(cluster, listing(namespace)):
                    leftovers.append(_deletable_leftover(name, plural, item, _why(plural, item)))
        leftovers += await _own_leftovers(cluster, name, own)
        leftovers += [_secret_leftover(name, item) for item in await _list_secrets(cluster, namespaces, own)]
    return sorted(leftovers, key=_opens_repository)


def _why(plural: str, item: JsonObject) -> str:
    role = (item["metadata"].get("labels") or {}).get(object_keys.ROLE_LABEL)
    if plural == "persistentvolumeclaims" and role == object_keys.VOLUME_COPY_ROLE:
        return "A copy of a claim, made for one archive."
    return _WHY[plural]


def _opens_repository(leftover: Leftover) -> bool:
    return leftover.why == _OPENS_REPOSITORY


async def _list_labelled(cluster: Cluster, path: str) -> Objects:
    """Return the objects with kronkeep's label; none where listing them is not allowed."""
    try:
        items, _ = await cluster.list(path, **OURS)
    except KronkeepError:
        return []
    return items


async def _list_secrets(cluster: Cluster, namespaces: tuple[str | None, ...], own: str) -> Objects:
    distinct = dict.fromkeys((*namespaces, own) if None not in namespaces else (None,))
    return [
        item for namespace in distinct for item in await _list_labelled(cluster, paths.secrets(namespace))
    ]


async def _own_leftovers(cluster: Cluster, name: str, own: str) -> Leftovers:
    """Return what has a fixed name in kronkeep's own namespace, where it exists."""
    fixed = (
        ("leases", paths.leases(own, lease.LEASE_NAME), "It names the daemon that acts on the cluster."),
        ("configmaps", paths.configmaps(own, CONFIGMAP), "The silences and acknowledgements of alerts."),
    )
    leftovers: Leftovers = []
    for plural, path, why in fixed:
        try:
            leftovers.append(_deletable_leftover(name, plural, await cluster.get(path), why))
        except KronkeepError:
            continue
    return leftovers


def _annotation_leftovers(cluster: str, cronjob: CronJobObject) -> Iterator[Leftover]:
    keys = [key for key in cronjob.annotations if key.startswith(object_keys.PREFIX)]
    if keys:
        flags = " ".join(f"{key}-" for key in sorted(keys))
        why = "Its backup policy; the CronJob stays."
        yield _leftover(cluster, "cronjobs", cronjob.manifest(), why, f"annotate {{}} {flags}")


def _secret_leftover(cluster: str, item: JsonObject) -> Leftover:
    labels = item["metadata"].get("labels") or {}
    is_copy = labels.get(object_keys.ROLE_LABEL) == "credentials" or item["metadata"].get("ownerReferences")
    why = "Credentials that were copied for one Job." if is_copy else _OPENS_REPOSITORY
    return _deletable_leftover(cluster, "secrets", item, why)


def _deletable_leftover(cluster: str, plural: str, item: JsonObject, why: str) -> Leftover:
    return _leftover(cluster, plural, item, why, "delete {}")


def _leftover(cluster: str, plural: str, item: JsonObject, why: str, verb: str) -> Leftover:
    meta = item["metadata"]
    target = f"-n {meta['namespace']} {plural}/{meta['name']}"
    return Leftover(
        cluster=cluster,
        kind=plural,
        namespace=meta["namespace"],
        name=clean(meta["name"], 253),
        why=why,
        command="kubectl " + verb.format(target),
    )
