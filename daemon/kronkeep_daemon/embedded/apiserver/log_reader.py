"""`GET pods/{name}/log` with its options: container, follow, timestamps, tailLines, sinceTime, limitBytes."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

from kronkeep_daemon.embedded.apiserver.log_store import Logs
from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

_YES = ("true", "1")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


def open_log(logs: Logs, pod: JsonObject, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The lines asked for; raises a 400 Refusal for a container that is unknown or has not started."""
    name = pod["metadata"]["name"]
    container = _container(pod, query.get("container"))
    state = _state(pod, container)
    if "waiting" in state or not state:
        reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    follow = query.get("follow") in _YES
    lines = logs.read(pod["metadata"]["uid"], container, follow, "terminated" in state)
    return _shape(lines, query)


def _container(pod: JsonObject, asked: str | None) -> str:
    spec = pod["spec"]
    name = pod["metadata"]["name"]
    names = [c["name"] for c in [*(spec.get("initContainers") or []), *spec["containers"]]]
    if asked is None:
        if len(spec["containers"]) > 1:
            choice = " ".join(c["name"] for c in spec["containers"])
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{choice}]")
        return str(spec["containers"][0]["name"])
    if asked not in names:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def _state(pod: JsonObject, container: str) -> JsonObject:
    status = pod.get("status") or {}
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if entry["name"] == container:
            found: JsonObject = entry.get("state") or {}
            return found
    return {}


async def _shape(lines: AsyncIterator[bytes], query: Mapping[str, str]) -> AsyncIterator[bytes]:
    since = _since(query)
    tail = query.get("tailLines")
    left = int(query["limitBytes"]) if "limitBytes" in query else None
    stamped = query.get("timestamps") in _YES
    skip = await _to_skip(lines, int(tail)) if tail is not None and query.get("follow") not in _YES else None
    source = lines if skip is None else _listed(skip)
    async for chunk in source:
        out = b"".join(_line(line, stamped) for line in _lines(chunk) if line[:20] >= since)
        if left is not None:
            out = out[:left]
            left -= len(out)
        if out:
            yield out
        if left == 0:
            return


def _lines(chunk: bytes) -> list[bytes]:
    """The lines with their line feeds; a carriage return is text like any other."""
    return _LINE.findall(chunk)


def _line(line: bytes, stamped: bool) -> bytes:
    return line if stamped else line.partition(b" ")[2]


def _since(query: Mapping[str, str]) -> bytes:
    """The first 20 bytes (to the second, with its dot) of the earliest line wanted."""
    if "sinceSeconds" in query:
        moment = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        moment = datetime.fromisoformat(query["sinceTime"])
    else:
        return b""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


async def _to_skip(lines: AsyncIterator[bytes], tail: int) -> list[bytes]:
    whole = _lines(b"".join([chunk async for chunk in lines]))
    return whole[-tail:] if tail else []


async def _listed(lines: list[bytes]) -> AsyncIterator[bytes]:
    yield b"".join(lines)
