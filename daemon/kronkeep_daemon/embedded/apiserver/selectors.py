"""Label and field selectors, as functions from an object to whether it is selected."""

import re
from collections.abc import Callable
from typing import Any

from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

Selector = Callable[[JsonObject], bool]
_SET = re.compile(r"^\s*([^\s!=()]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_PARTS = re.compile(r",(?![^(]*\))")


def labels(text: str) -> Selector:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h`; raises a 400 Refusal."""
    tests = [_label(part.strip()) for part in _PARTS.split(text) if part.strip()]

    def selected(obj: JsonObject) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(test(found) for test in tests)

    return selected


def _label(part: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET.match(part):
        key = match[1]
        values = {v.strip() for v in match[3].split(",")}
        wanted = match[2] == "in"
        return lambda found: (found.get(key) in values) == wanted
    if part.startswith("!"):
        return lambda found: part[1:] not in found
    for operator in ("!=", "==", "="):
        if operator in part:
            key, _, value = (piece.strip() for piece in part.partition(operator))
            return lambda found: (found.get(key) == value) == (operator != "!=")
    if " " in part:
        raise bad_request(f"unable to parse requirement: {part}")
    return lambda found: part in found


def fields(text: str) -> Selector:
    """`metadata.name=x,status.phase!=Running`: any dotted path of the object; raises a 400 Refusal."""
    tests = [_field(part.strip()) for part in text.split(",") if part.strip()]
    return lambda obj: all(test(obj) for test in tests)


def _field(part: str) -> Selector:
    for operator in ("!=", "==", "="):
        if operator in part:
            path, _, value = part.partition(operator)
            steps = path.split(".")
            same = operator != "!="
            return lambda obj: (_at(obj, steps) == value) == same
    raise bad_request(f"invalid field selector: {part}")


def _at(obj: Any, steps: list[str]) -> str:
    for step in steps:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)
