"""A manifest without what it was refused for, so that a check finds what else is wrong with it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, TypeVar

import msgspec

from kronkeep_common.cronjob_fields import split_path
from kronkeep_common.errors import KronkeepError

Body = TypeVar("Body", bound=msgspec.Struct)
Step = str | int
Steps = tuple[Step, ...]
# What stands in the place of a value that is refused and cannot be left out.
_STAND_INS = {"name": "stand-in", "image": "stand-in", "schedule": "0 0 1 1 *", "id": "stand-in"}


def remove_fault(body: Body, error: KronkeepError) -> Body | None:
    """Return a manifest without the value that an error quotes or whose field it names; None without one.

    A value that a manifest must have is replaced by another, or its group is left out.
    """
    fields = _fields_of(body)
    for steps in _find_faulty(fields, error):
        for repaired in (_without(fields, steps), _replaced(fields, steps), _without(fields, steps[:-1])):
            if repaired is None:
                continue
            try:
                return msgspec.convert(repaired, type(body))
            except msgspec.ValidationError:
                continue
    return None


def _fields_of(body: msgspec.Struct) -> Any:
    """Return a manifest as JSON has it, with lists, which can be changed, in place of tuples."""
    return msgspec.json.decode(msgspec.json.encode(body))


def is_about_absence(body: msgspec.Struct, error: KronkeepError) -> bool:
    """Return whether an error quotes no value of a manifest: something is missing there."""
    return not any(_is_quoted(value, error) for _, value in _walk(_fields_of(body), ()))


def _is_quoted(value: str, error: KronkeepError) -> bool:
    return bool(value) and f"'{value}'" in error.message


def _find_faulty(fields: Any, error: KronkeepError) -> Iterator[Steps]:
    """Yield the paths of values that the error's sentence quotes, then that of the field that it names."""
    for steps, value in _walk(fields, ()):
        if _is_quoted(value, error):
            yield steps
    named = split_path(str(error.details.get("field") or ""))
    if named:
        yield named


def _walk(value: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    elif isinstance(value, str):
        yield steps, value
    for step, below in entries:
        yield from _walk(below, (*steps, step))


def _without(fields: Any, steps: Steps) -> Any:
    """Return a copy without what is at a path; None where nothing is there."""
    copy = deepcopy(fields)
    owner = _owner_of(copy, steps)
    if owner is None:
        return None
    del owner[steps[-1]]
    return copy


def _replaced(fields: Any, steps: Steps) -> Any:
    """Return a copy with a stand-in at a path; None where there is none for such a field."""
    copy = deepcopy(fields)
    owner = _owner_of(copy, steps)
    if owner is None or steps[-1] not in _STAND_INS or owner[steps[-1]] == _STAND_INS[str(steps[-1])]:
        return None
    owner[steps[-1]] = _STAND_INS[str(steps[-1])]
    return copy


def _owner_of(fields: Any, steps: Steps) -> Any:
    """Return the group or list that has what is at a path; None where nothing is there."""
    owner: Any = fields
    try:
        for step in steps[:-1]:
            owner = owner[step]
        if not steps or isinstance(owner, str):
            return None
        owner[steps[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return owner
