"""What is wrong with data from outside, in words: msgspec names Python's types, and the first fault only."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean, duration

MOST_FAULTS = 20
_WHERE = re.compile(r" - at `(key in )?\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_ENUM = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_LIMIT = re.compile(r"Expected `(?:int|float)` (>=|<=|>|<) ([-0-9.]+)")
_LENGTH = re.compile(r"Expected `(str|array|object|bytes)` of length (>=|<=) (\d+)")
_TYPE = re.compile(r"Expected `([^`]*)`(?:, got `([^`]*)`)?")
_SIGNS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_TYPES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a group of fields",
    "null": "nothing",
}
_PARTS = {"str": "characters", "array": "entries", "object": "fields", "bytes": "bytes"}
Step = str | int


class ModelFault(NamedTuple):
    """A fault: the field's steps from the top, and a sentence without the field's name."""

    steps: tuple[Step, ...]
    words: str

    @property
    def path(self) -> str:
        """The field as people write it, such as `policy.hooks.pre[0].command`."""
        parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps]
        return "".join(parts).removeprefix(".")

    @property
    def sentence(self) -> str:
        """The fault with the name of its field."""
        return f"{clean(self.path, 120)}: {self.words}" if self.steps else self.words


def describe_fault(fault: Exception, kind: Any) -> ModelFault:
    """Return what an exception of msgspec says about data of a kind."""
    text = str(fault)
    location = _WHERE.search(text)
    steps: tuple[Step, ...] = ()
    if location is not None:
        matches = _STEP.finditer(location.group(2))
        steps = tuple(m[1] if m[1] is not None else int(m[2]) if m[2].isdigit() else 0 for m in matches)
        text = text[: location.start()]
    if match := _UNKNOWN.fullmatch(text) or _MISSING.fullmatch(text):
        field = match.group(1)
        if text.startswith("Object missing"):
            return ModelFault((*steps, field), "it is missing.")
        advice = suggest_name(field, _field_names(_type_at(kind, steps)))
        return ModelFault((*steps, field), f"there is no such field. {advice}")
    return ModelFault(steps, _describe_value(text, _type_at(kind, steps), is_time=_is_time(steps)))


def _is_time(steps: tuple[Step, ...]) -> bool:
    return bool(steps) and str(steps[-1]).endswith("_seconds")


def _describe_value(text: str, kind: inspect.Type | None, *, is_time: bool) -> str:
    if match := _LIMIT.match(text):
        number = float(match[2])
        amount = duration(number).removesuffix("00s") if is_time and number else f"{number:g}"
        return f"it must be {_SIGNS[match[1]]} {amount}."
    if match := _LENGTH.match(text):
        return f"it must have {_SIGNS[match[2]]} {match[3]} {_PARTS[match[1]]}."
    if match := _ENUM.fullmatch(text):
        word = match[1].strip("'\"")
        return f"it cannot be {clean(word, 60)!r}. {suggest_name(word, _choices(kind))}"
    if "regex" in text:
        return "it is not of the right form."
    if match := _TYPE.match(text):
        names = [_TYPES.get(name.strip(), name.strip()) for name in match[1].split("|")]
        wanted = " or ".join(dict.fromkeys(name for name in names if name != "nothing"))
        got = f", not {_TYPES.get(match[2], match[2])}" if match[2] else ""
        return f"it must be {wanted}{got}."
    return f"{clean(text, 200).rstrip('.')}."


def _type_at(kind: Any, steps: tuple[Step, ...]) -> inspect.Type | None:
    """Return the type of a field of a kind; None where the path leads through any value."""
    current: inspect.Type | None = inspect.type_info(kind)
    for step in steps:
        current = _type_below(current, step)
    return current


def _type_below(kind: inspect.Type | None, step: Step) -> inspect.Type | None:
    for each in _alternatives(kind):
        if isinstance(each, inspect.StructType):
            below = next((field.type for field in each.fields if field.encode_name == step), None)
            if below is not None:
                return below
        elif isinstance(each, inspect.DictType):
            return each.value_type
        elif isinstance(each, inspect.VarTupleType | inspect.ListType | inspect.SetType):
            return each.item_type
    return None


def _alternatives(kind: inspect.Type | None) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _alternatives(each)
    elif isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif kind is not None:
        yield kind


def _field_names(kind: inspect.Type | None) -> list[str]:
    structs = [each for each in _alternatives(kind) if isinstance(each, inspect.StructType)]
    return [field.encode_name for struct in structs for field in struct.fields]


def _choices(kind: inspect.Type | None) -> list[str]:
    choices: list[str] = []
    for each in _alternatives(kind):
        if isinstance(each, inspect.LiteralType):
            choices += map(str, each.values)
        elif isinstance(each, inspect.EnumType):
            choices += [str(member.value) for member in each.cls]
    return choices


class SeparatedFaults(NamedTuple):
    """The faults of data, and the data without what is faulty, which can be converted; None where not."""

    faults: list[ModelFault]
    rest: Any


def find_faults(value: Any, kind: Any) -> list[ModelFault]:
    """Return every fault of plain data that cannot be converted to a kind, MOST_FAULTS at most."""
    return separate_faults(value, kind).faults


def separate_faults(value: Any, kind: Any) -> SeparatedFaults:
    """Return every fault of plain data, as `find_faults` does, and what is left without them.

    What is faulty is taken away, until the rest can be converted; what is then missing is no fault.
    """
    rest = deepcopy(value)
    removed: set[tuple[Step, ...]] = set()
    faults: list[ModelFault] = []
    while len(faults) < MOST_FAULTS:
        try:
            msgspec.convert(rest, kind)
            return SeparatedFaults(faults, rest)
        except msgspec.ValidationError as error:
            fault = describe_fault(error, kind)
        steps = fault.steps
        if steps in removed:  # it is missing now because it was removed: its group goes, too
            steps = steps[:-1]
        else:
            faults.append(fault)
        removed.add(steps)
        if not steps or not _remove(rest, steps):
            break
    return SeparatedFaults(faults, None)


def _remove(value: Any, steps: tuple[Step, ...]) -> bool:
    """Remove what is at a path; return whether anything was there."""
    owner = value
    try:
        for step in steps[:-1]:
            owner = owner[step]
        del owner[steps[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
