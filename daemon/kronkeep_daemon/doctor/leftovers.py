"""What kronkeep has put into the clusters, and the command that takes each of it away; changes nothing.

CronJobs are their users' and stay, only without kronkeep's annotations; so do claims that hold restored data.
The Secrets with the repositories' passwords come last: without them no backup can be read.
"""

from collections.abc import Iterator

from kronkeep_common import object_keys
from kronkeep_common.api import Leftover
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube import lease, paths
from kronkeep_daemon.kube.client import Cluster, Objects
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject

Leftovers = list[Leftover]
OURS = {"labelSelector": f"{object_keys.MANAGED_BY_LABEL}={object_keys.MANAGED_BY}"}
_OPENS = "It holds what opens a repository: save it, or its backups are lost."
_WHY = {
    "jobs": "A Job of kronkeep's own: an archive, a check, a restore.",
    "persistentvolumeclaims": "A claim that a restore made: it holds restored data.",
}


async def look(cronjobs: CronJobService, own: str) -> Leftovers:
    """Everything in every cluster, in the order in which it may go."""
    found: Leftovers = []
    for recorder in cronjobs.recorders.values():
        cluster = recorder.cluster
        name = clean(recorder.cluster.name, 80)
        namespaces: tuple[str | None, ...] = recorder.watches.namespaces or (None,)
        found += [line for cronjob in recorder.cache.cronjobs.values() for line in _annotated(name, cronjob)]
        for plural, listing in (("jobs", paths.jobs), ("persistentvolumeclaims", paths.claims)):
            for namespace in namespaces:
                for item in await _ours(cluster, listing(namespace)):
                    found.append(_line(name, plural, item, _WHY[plural]))
        found += await _lease(cluster, name, own)
        found += [_secret(name, item) for item in await _secrets(cluster, namespaces, own)]
    return sorted(found, key=lambda line: line.why == _OPENS)


async def _ours(cluster: Cluster, path: str) -> Objects:
    """The objects with kronkeep's label; none where they may not be listed."""
    try:
        items, _ = await cluster.list(path, **OURS)
    except KronkeepError:
        return []
    return items


async def _secrets(cluster: Cluster, namespaces: tuple[str | None, ...], own: str) -> Objects:
    each = dict.fromkeys((*namespaces, own) if None not in namespaces else (None,))
    return [item for namespace in each for item in await _ours(cluster, paths.secrets(namespace))]


async def _lease(cluster: Cluster, name: str, own: str) -> Leftovers:
    try:
        found = await cluster.get(paths.leases(own, lease.NAME))
    except KronkeepError:
        return []
    return [_line(name, "leases", found, "It says which daemon acts.")]


def _annotated(cluster: str, cronjob: CronJobObject) -> Iterator[Leftover]:
    noted = [key for key in cronjob.annotations if key.startswith(object_keys.PREFIX)]
    if noted:
        flags = " ".join(f"{key}-" for key in sorted(noted))
        why = "Its backup policy; the CronJob stays."
        yield _named(cluster, "cronjobs", cronjob.manifest(), why, f"annotate {{}} {flags}")


def _secret(cluster: str, item: JsonObject) -> Leftover:
    labels = item["metadata"].get("labels") or {}
    lent = labels.get(object_keys.ROLE_LABEL) == "credentials" or item["metadata"].get("ownerReferences")
    why = "Credentials that were lent to one Job." if lent else _OPENS
    return _line(cluster, "secrets", item, why)


def _line(cluster: str, plural: str, item: JsonObject, why: str) -> Leftover:
    return _named(cluster, plural, item, why, "delete {}")


def _named(cluster: str, plural: str, item: JsonObject, why: str, verb: str) -> Leftover:
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
