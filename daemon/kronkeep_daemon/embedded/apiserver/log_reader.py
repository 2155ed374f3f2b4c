"""The log of a container as `GET pods/{name}/log` returns it.

Options: container, previous, follow, timestamps, tailLines, sinceTime, sinceSeconds and limitBytes.
`tailLines` is ignored with `follow`. `stream` and the end time are not implemented.
"""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

_TRUE = ("true", "1")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_SECOND_BYTES = 20  # of a timestamp up to the second, with the dot after it


class ContainerInstance(NamedTuple):
    """One start of a container, by the number of restarts before it."""

    restarts: int
    has_ended: bool


def open_log(logs: LogStore, pod: JsonObject, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Return the lines that the query asks for.

    Raises a 400 Refusal for a container that is unknown or has not started, or has no previous instance.
    """
    container = _choose_container(pod, query.get("container"))
    instance = _choose_instance(pod, container, previous=query.get("previous") in _TRUE)
    chunks = logs.read(
        uid=pod["metadata"]["uid"],
        container=container,
        instance=instance.restarts,
        follow=query.get("follow") in _TRUE,
        ended=instance.has_ended,
    )
    return _apply_options(chunks, query)


def _choose_container(pod: JsonObject, name: str | None) -> str:
    spec = pod["spec"]
    pod_name = pod["metadata"]["name"]
    names = [c["name"] for c in [*(spec.get("initContainers") or []), *spec["containers"]]]
    if name is None:
        if len(spec["containers"]) > 1:
            choice = " ".join(c["name"] for c in spec["containers"])
            raise bad_request(
                f"a container name must be specified for pod {pod_name}, choose one of: [{choice}]"
            )
        return str(spec["containers"][0]["name"])
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    return name


def _choose_instance(pod: JsonObject, container: str, *, previous: bool) -> ContainerInstance:
    """Return the instance of a container that its status leads to.

    As a kubelet's `validateContainerLogStatus`: a container that waits for its restart has the log of the
    instance that has ended; that one is its previous one too.
    """
    entry = _status_of(pod, container)
    state = entry.get("state") or {}
    restarts = int(entry.get("restartCount") or 0)
    has_previous = "terminated" in (entry.get("lastState") or {})
    name = pod["metadata"]["name"]
    if previous and not has_previous:
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    if state and "waiting" not in state:
        if previous:
            return ContainerInstance(restarts - 1, has_ended=True)
        return ContainerInstance(restarts, has_ended="terminated" in state)
    if has_previous:
        return ContainerInstance(restarts, has_ended=True)
    reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
    raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


def _status_of(pod: JsonObject, container: str) -> JsonObject:
    status = pod.get("status") or {}
    entries: list[JsonObject] = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    return next((entry for entry in entries if entry["name"] == container), {})


async def _apply_options(chunks: AsyncIterator[bytes], query: Mapping[str, str]) -> AsyncIterator[bytes]:
    since = _earliest_second(query)
    bytes_left = int(query["limitBytes"]) if "limitBytes" in query else None
    with_timestamps = query.get("timestamps") in _TRUE
    if "tailLines" in query and query.get("follow") not in _TRUE:
        chunks = _read_tail(chunks, int(query["tailLines"]))
    async for chunk in chunks:
        lines = [line for line in _split_lines(chunk) if line[:_SECOND_BYTES] >= since]
        output = b"".join(lines if with_timestamps else map(_without_timestamp, lines))
        if bytes_left is not None:
            output = output[:bytes_left]
            bytes_left -= len(output)
        if output:
            yield output
        if bytes_left == 0:
            return


def _split_lines(chunk: bytes) -> list[bytes]:
    """Return the lines with their line feeds; a carriage return is text like any other."""
    return _LINE.findall(chunk)


def _without_timestamp(line: bytes) -> bytes:
    return line.partition(b" ")[2]


def _earliest_second(query: Mapping[str, str]) -> bytes:
    """Return the timestamp, to the second, before which lines are left out; empty for none."""
    if "sinceSeconds" in query:
        moment = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        moment = datetime.fromisoformat(query["sinceTime"])
    else:
        return b""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


async def _read_tail(chunks: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    lines = _split_lines(b"".join([chunk async for chunk in chunks]))
    yield b"".join(lines[-count:] if count else [])
