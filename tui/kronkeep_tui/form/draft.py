"""A draft: what has been typed, field by field, and the CronJob it makes; pure.

Keys are the fields' paths; a field of many rows has `path.0`, `path.1`, ... Nothing typed is ever dropped: a
draft that makes no CronJob says why, field by field.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import BackupPolicySpec, CronJobCreate
from kronkeep_common.name_rules import check_image, check_name
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.text import clean
from kronkeep_tui.form.fields import FIELDS, SECTIONS, Field, led_by

Draft = Mapping[str, str]
_MOST_FAULTS = 20
_WHERE = re.compile(r" - at `\$.*`$")


class Read(NamedTuple):
    """The CronJob of a draft (None while something is wrong), and what is wrong, by key."""

    spec: CronJobCreate | None
    errors: dict[str, KronkeepError]

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong, in sentences."""
        return {key: error.message for key, error in self.errors.items()}


def draft_of(spec: CronJobCreate) -> dict[str, str]:
    """The draft that makes `spec`; without a policy its fields hold what a policy begins with."""
    plain = msgspec.to_builtins(spec)
    draft: dict[str, str] = {}
    for path, field in FIELDS.items():
        if field.many:
            value = _at(plain, path)
            rows = [{key: one} for key, one in value.items()] if isinstance(value, dict) else value or []
            draft |= {f"{path}.{number}": field.kind.write(row) for number, row in enumerate(rows)}
        else:
            leaf = _leaf(spec, path)
            draft[path] = "" if leaf is None or leaf == [] else field.kind.write(leaf)
    return draft


def _leaf(spec: CronJobCreate, path: str) -> Any:
    """The leaf as a plain value; its default where a group on the way is not there."""
    owner: Any = spec
    *groups, leaf = path.split(".")
    for group in groups:
        owner = getattr(owner, group)
        if owner is None:
            return _default(path) if path != "policy.retention.days" else 30
    return msgspec.to_builtins(getattr(owner, leaf))


def new_draft(storage: str = "") -> dict[str, str]:
    """A draft of what is usual, with everything that must be typed empty."""
    spec = CronJobCreate(name="x", image="x", schedule="0 2 * * *", policy=BackupPolicySpec(storage_id="x"))
    return draft_of(spec) | {"name": "", "image": "", "policy.storage_id": storage}


@cache
def _default(path: str) -> Any:
    """The leaf's default in the models, as a plain value; None where it has none, or its group has not."""
    owner: Any = CronJobCreate
    *groups, leaf = path.split(".")
    for group in groups:
        owner = _struct(get_type_hints(owner, include_extras=True)[group])
    info = next(f for f in msgspec.structs.fields(owner) if f.name == leaf)
    found = info.default if info.default is not msgspec.NODEFAULT else None
    return msgspec.to_builtins(found)


def _struct(hint: Any) -> Any:
    """The struct that a hint such as `Drill | None` names."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return (
        next(found for arg in get_args(hint) if (found := _struct(arg)) is not None)
        if get_args(hint)
        else None
    )


def _at(plain: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(plain, dict) or step not in plain:
            return None
        plain = plain[step]
    return plain


def _put(plain: dict[str, Any], path: str, value: Any) -> None:
    *groups, leaf = path.split(".")
    for group in groups:
        held = plain.get(group)
        plain[group] = plain = held if isinstance(held, dict) else {}
    plain[leaf] = value


def rows_of(draft: Draft, path: str) -> list[tuple[str, str]]:
    """The keys and texts of a field of many rows, in order."""
    found = [(int(key[len(path) + 1 :]), key) for key in draft if _is_row(key, path)]
    return [(key, draft[key]) for _, key in sorted(found)]


def _is_row(key: str, path: str) -> bool:
    return key.startswith(path + ".") and key[len(path) + 1 :].isdigit()


def counts(draft: Draft, path: str) -> bool:
    """Whether a field is part of the CronJob: each group it is in has its leading field."""
    return all(draft.get(lead, "").strip() for lead in led_by(path))


def read(draft: Draft) -> Read:
    """What the draft makes."""
    errors: dict[str, KronkeepError] = {}
    plain: dict[str, Any] = {}
    for section in SECTIONS:
        for field in section.fields:
            if counts(draft, field.path):
                _read_field(draft, field, plain, errors)
    spec, refused = _converted(plain)
    errors = {**_said(refused), **_said(_missing(draft)), **errors}
    return Read(None if errors else spec, errors)


def _said(faults: Mapping[str, str]) -> dict[str, KronkeepError]:
    return {key: InvalidRequest(words) for key, words in faults.items()}


_STAND_INS = {"name": "x", "image": "x", "schedule": "* * * * *"}


def _converted(plain: dict[str, Any]) -> tuple[CronJobCreate | None, dict[str, str]]:
    """The CronJob of plain values, or what the models refuse of them; what is missing is not said here."""
    faults: dict[str, str] = {}
    plain = _STAND_INS | plain
    for _ in range(_MOST_FAULTS):
        try:
            return msgspec.convert(plain, CronJobCreate), faults
        except msgspec.ValidationError as fault:
            placed = _placed(str(fault))
            faults = placed | faults
            if not _take_out(plain, next(iter(placed))):
                break
    return None, faults


def _take_out(plain: dict[str, Any], key: str) -> bool:
    """Removes what was refused, so that the next fault is found; False where that cannot be."""
    path = key if key in FIELDS else key.rpartition(".")[0]
    *groups, leaf = path.split(".")
    owner = _at(plain, ".".join(groups)) if groups else plain
    return path not in _STAND_INS and isinstance(owner, dict) and owner.pop(leaf, None) is not None


def _missing(draft: Draft) -> dict[str, str]:
    wanted = ["name", "image", "schedule", "policy.include.database.command", "policy.drill.check.command"]
    return {
        path: f"The {FIELDS[path].label} is empty."
        for path in wanted
        if counts(draft, path) and not draft.get(path, "").strip()
    }


def _read_field(draft: Draft, field: Field, plain: dict[str, Any], errors: dict[str, KronkeepError]) -> None:
    rows = rows_of(draft, field.path) if field.many else [(field.path, draft.get(field.path, ""))]
    values = []
    for key, text in rows:
        if text.strip():
            try:
                values.append(_value(field, text))
            except KronkeepError as fault:
                errors[key] = fault
    if field.many:
        if values:
            _put(plain, field.path, _joined(field, values))
    elif values:
        if values[0] != _default(field.path) or field.path == "policy.retention.days":
            _put(plain, field.path, values[0])
    elif field.path == "policy.retention.days":
        _put(plain, field.path, None)  # its default is 30 days, which an empty field must not mean


def _joined(field: Field, values: list[Any]) -> Any:
    if field.path.endswith(".env") and field.path != "env":
        return {name: secret for value in values for name, secret in value.items()}
    return values


def _value(field: Field, text: str) -> Any:
    text = text if field.path == "env" else text.strip()
    if field.choices and text not in field.choices:
        raise InvalidRequest(f"It is one of {', '.join(field.choices)}.")
    check = _CHECKS.get(field.path)
    if check is not None:
        check(text)
    return field.kind.read(text)


_CHECKS: dict[str, Any] = {
    "name": check_name,
    "image": check_image,
    **dict.fromkeys(("schedule", "policy.schedule", "policy.drill.schedule"), Schedule.parse),
    **dict.fromkeys(("time_zone", "policy.time_zone", "policy.drill.time_zone"), load_zone),
}


def _placed(message: str) -> dict[str, str]:
    """msgspec's sentence at the field that it names: `... - at `$.policy.hooks.pre[0].name``."""
    found = _WHERE.search(message)
    words = clean(_WHERE.sub("", message), 200) + "."
    if found is None:
        return {"name": words}
    path = found.group()[8:-1].removeprefix(".")
    for key, field in FIELDS.items():
        dotted = key + "["
        if field.many and path.startswith(dotted):
            number = path[len(dotted) :].split("]")[0]
            return {f"{key}.{number if number.isdigit() else 0}": words}
        if path == key or path.startswith(key + ".") or path.startswith(dotted):
            return {key: words}
    return {"name": f"{words[:-1]} ({clean(path, 60)})."}
