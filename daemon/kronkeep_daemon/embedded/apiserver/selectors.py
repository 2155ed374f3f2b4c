"""Label and field selectors: which objects of a collection a list or watch is about."""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

_SET_REQUIREMENT = re.compile(r"^\s*([^\s!=()]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")
_OPERATORS = ("!=", "==", "=")


class LabelRequirement(NamedTuple):
    """One part of a label selector; `!=` is `notin` with one value."""

    key: str
    operator: Literal["in", "notin", "exists", "absent"]
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets the requirement."""
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "absent":
            return self.key not in labels
        return (labels.get(self.key) in self.values) == (self.operator == "in")


class FieldRequirement(NamedTuple):
    """One part of a field selector: the field at a dotted path equals a value, or does not."""

    path: str
    value: str
    equal: bool

    def matches(self, obj: JsonObject) -> bool:
        """Whether the object meets the requirement; an absent field is an empty text."""
        field: Any = obj
        for step in self.path.split("."):
            field = field.get(step) if isinstance(field, dict) else None
        text = "" if field is None else str(field)
        return (text == self.value) == self.equal


class Selector(NamedTuple):
    """All requirements of a request; `namespace` None means all namespaces."""

    namespace: str | None
    labels: tuple[LabelRequirement, ...]
    fields: tuple[FieldRequirement, ...]

    def matches(self, obj: JsonObject) -> bool:
        """Whether the object meets every requirement."""
        meta = obj["metadata"]
        if self.namespace is not None and meta.get("namespace") != self.namespace:
            return False
        labels = meta.get("labels") or {}
        return all(requirement.matches(labels) for requirement in self.labels) and all(
            requirement.matches(obj) for requirement in self.fields
        )


def parse_selector(query: Mapping[str, str], namespace: str | None) -> Selector:
    """Return the selector of a request's `labelSelector` and `fieldSelector`; raises a 400 Refusal."""
    return Selector(
        namespace,
        parse_label_selector(query.get("labelSelector", "")),
        parse_field_selector(query.get("fieldSelector", "")),
    )


def parse_label_selector(text: str) -> tuple[LabelRequirement, ...]:
    """Parse `a=b,c!=d,e in (x,y),f notin (z),g,!h`; raises a 400 Refusal."""
    parts = [part.strip() for part in _COMMA_OUTSIDE_PARENTHESES.split(text)]
    return tuple(_parse_label(part) for part in parts if part)


def _parse_label(part: str) -> LabelRequirement:
    if match := _SET_REQUIREMENT.match(part):
        values = frozenset(value.strip() for value in match[3].split(","))
        return LabelRequirement(match[1], "in" if match[2] == "in" else "notin", values)
    if part.startswith("!"):
        return LabelRequirement(part[1:], "absent")
    for operator in _OPERATORS:
        if operator in part:
            key, _, value = part.partition(operator)
            kind: Literal["in", "notin"] = "notin" if operator == "!=" else "in"
            return LabelRequirement(key.strip(), kind, frozenset([value.strip()]))
    if " " in part:
        raise bad_request(f"unable to parse requirement: {part}")
    return LabelRequirement(part, "exists")


def parse_field_selector(text: str) -> tuple[FieldRequirement, ...]:
    """Parse `metadata.name=x,status.phase!=Running`; raises a 400 Refusal.

    A real API server knows a few fields of each kind; here every dotted path of the object is one.
    """
    return tuple(_parse_field(part.strip()) for part in text.split(",") if part.strip())


def _parse_field(part: str) -> FieldRequirement:
    for operator in _OPERATORS:
        if operator in part:
            path, _, value = part.partition(operator)
            return FieldRequirement(path, value, equal=operator != "!=")
    raise bad_request(f"invalid field selector: {part}")
