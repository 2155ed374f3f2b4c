"""The checks of one cluster: connection, version, clock, watches, kronkeep's namespace, every right."""

from datetime import datetime
from typing import Any

from kronkeep_common.api import Check, Grade
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.alerts.cluster_rules import check_token
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.doctor import rights
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.cluster_clock import ClusterClock
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster

Checks = list[Check]
OLDEST = 27
NEWEST = 36  # minor versions of Kubernetes that kronkeep was tested on
SKEW_WARN = 5.0
SKEW_FAIL = 60.0


async def check_cluster(recorder: RunRecorder, own: str) -> Checks:
    """Return every check of the cluster; only the first where it does not answer.

    own: kronkeep's own namespace in the cluster.
    """
    cluster = recorder.cluster
    name = f"cluster {clean(recorder.cluster.name, 80)}"
    try:
        version, date = await cluster.server_version()
    except KronkeepError as fault:
        return [Check(name=name, status="fail", message=fault.message, next_step=fault.next_step)]
    message = f"It answers; its id is {cluster.id} (the uid of kube-system)."
    checks = [Check(name=name, status="ok", message=message), _check_version(name, version)]
    checks += [_check_clock(name, date, cluster.clock), _check_watches(name, recorder)]
    token = check_token(cluster.name, cluster.token_ends_at, cluster.clock.now())
    checks += [token] if token is not None else []
    checks.append(await _check_namespace(name, cluster, own))
    checks += await _check_rights(name, cluster, recorder.watches.namespaces, own)
    return checks


def _check_version(name: str, version: dict[str, Any]) -> Check:
    text = clean(str(version.get("gitVersion", "?")), 60)
    minor = str(version.get("minor", "")).rstrip("+")
    if not minor.isdigit() or str(version.get("major")) != "1":
        return Check(
            name=f"{name} version",
            status="warn",
            message=f"Its version {text} cannot be read.",
            next_step=f"kronkeep was tested on 1.{OLDEST} to 1.{NEWEST}.",
        )
    if int(minor) < OLDEST:
        message = f"Kubernetes {text} is too old: its pods lack the labels that name their Job."
        next_step = f"Use 1.{OLDEST} or later."
        return Check(name=f"{name} version", status="fail", message=message, next_step=next_step)
    if int(minor) > NEWEST:
        message = f"Kubernetes {text} is newer than 1.{NEWEST}, the newest that kronkeep was tested on."
        next_step = "Check the runs after an upgrade of either."
        return Check(name=f"{name} version", status="warn", message=message, next_step=next_step)
    return Check(name=f"{name} version", status="ok", message=f"Kubernetes {text}.")


def _check_clock(name: str, date: datetime | None, clock: ClusterClock) -> Check:
    if date is None:
        message = "The server's responses have no Date header."
        next_step = "Compare the clocks by hand."
        return Check(name=f"{name} clock", status="warn", message=message, next_step=next_step)
    skew = clock.skew_seconds()
    message = (
        f"This machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's."
    )
    next_step = "Synchronise both by NTP; slots, ages and deadlines are judged by the server's clock."
    if abs(skew) > SKEW_FAIL:
        return Check(name=f"{name} clock", status="fail", message=message, next_step=next_step)
    if abs(skew) > SKEW_WARN:
        return Check(name=f"{name} clock", status="warn", message=message, next_step=next_step)
    return Check(name=f"{name} clock", status="ok", message="The clocks agree to within 5 s.")


def _check_watches(name: str, recorder: RunRecorder) -> Check:
    states = recorder.watches.states()
    stale = [state for state in states if state.status != "live"]
    if not stale:
        return Check(name=f"{name} watches", status="ok", message=f"All {len(states)} are live.")
    first = stale[0]
    message = (
        f"{len(stale)} of {len(states)} are not live: {clean(first.name, 200)}: {clean(first.why or '', 300)}"
    )
    status: Grade = "fail" if any(state.needed for state in stale) else "warn"
    next_step = "What they show is out of date; correct the cause that the message names."
    return Check(name=f"{name} watches", status=status, message=message, next_step=next_step)


async def _check_namespace(name: str, cluster: Cluster, own: str) -> Check:
    check = f"{name} namespace {clean(own, 63)}"
    try:
        await cluster.get(paths.namespaces(own))
    except NotFoundInCluster:
        next_step = f"kubectl create namespace {clean(own, 63)}."
        message = "kronkeep's own namespace does not exist, so no storage can be created."
        return Check(name=check, status="fail", message=message, next_step=next_step)
    except Forbidden:
        return Check(name=check, status="ok", message="kronkeepd may not read it, which is no fault.")
    except KronkeepError as fault:
        return Check(name=check, status="warn", message=fault.message, next_step=fault.next_step)
    return Check(name=check, status="ok", message="It exists.")


async def _check_rights(name: str, cluster: Cluster, namespaces: tuple[str, ...], own: str) -> Checks:
    checks = []
    for right, namespace in rights.rights_by_namespace(namespaces, own):
        where = f"in {clean(namespace, 63)}" if namespace else "in all namespaces"
        check = f"{name} right {right.resource} {where}"
        try:
            denied = [verb for verb in right.verbs if not await _is_allowed(cluster, right, verb, namespace)]
        except KronkeepError as fault:
            checks.append(Check(name=check, status="warn", message=fault.message, next_step=fault.next_step))
            continue
        if denied:
            message = f"kronkeepd may not {', '.join(denied)}, so it cannot {right.purpose}."
            next_step = "Grant the right: systemd/kubernetes/rights.yaml has the rules."
            status: Grade = "fail" if right.needed else "warn"
            checks.append(Check(name=check, status=status, message=message, next_step=next_step))
        else:
            message = f"kronkeepd may {', '.join(right.verbs)}: {right.purpose}."
            checks.append(Check(name=check, status="ok", message=message))
    return checks


async def _is_allowed(cluster: Cluster, right: rights.Right, verb: str, namespace: str | None) -> bool:
    answer = await cluster.create(paths.access_reviews(), rights.access_review(right, verb, namespace))
    return bool((answer.get("status") or {}).get("allowed"))
