"""The log of a container as `GET pods/{name}/log` returns it.

Options: container, follow, timestamps, tailLines, sinceTime, sinceSeconds and limitBytes. `tailLines` is
ignored with `follow`. `previous`, `stream` and the end time are not implemented.
"""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

_TRUE = ("true", "1")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_SECOND_BYTES = 20  # of a timestamp up to the second, with the dot after it


def open_log(logs: LogStore, pod: JsonObject, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Return the lines that the query asks for.

    Raises a 400 Refusal for a container that is unknown or has not started.
    """
    name = pod["metadata"]["name"]
    container = _choose_container(pod, query.get("container"))
    state = _state_of(pod, container)
    if "waiting" in state or not state:
        reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    follow = query.get("follow") in _TRUE
    chunks = logs.read(pod["metadata"]["uid"], container, follow=follow, ended="terminated" in state)
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


def _state_of(pod: JsonObject, container: str) -> JsonObject:
    status = pod.get("status") or {}
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if entry["name"] == container:
            state: JsonObject = entry.get("state") or {}
            return state
    return {}


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
