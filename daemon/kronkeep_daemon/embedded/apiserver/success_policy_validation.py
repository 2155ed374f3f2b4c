"""What a real API server refuses of a successPolicy, in its own words (pkg/apis/batch/validation)."""

import json

from kronkeep_daemon.embedded.apiserver.field_causes import (
    check_not_negative,
    invalid_value,
    too_long,
    too_many,
    value_required,
)
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause
from kronkeep_daemon.kube.objects import JsonObject

_MOST_RULES = 20
_LONGEST_INDEX_LIST = 64 * 1024  # bytes


class IndexListError(ValueError):
    """A list of indexes that cannot be read; its text is the API server's."""


def check_success_policy(spec: JsonObject, path: str) -> list[StatusCause]:
    """Return what is wrong with the successPolicy of an Indexed Job's spec."""
    rules = spec["successPolicy"].get("rules") or []
    causes: list[StatusCause] = []
    if not rules:
        needed = "at least one rules must be specified when the successPolicy is specified"
        causes.append(value_required(f"{path}.rules", needed))
    if len(rules) > _MOST_RULES:
        causes.append(too_many(f"{path}.rules", len(rules), _MOST_RULES))
    for number, rule in enumerate(rules):
        causes += _check_rule(spec.get("completions") or 0, rule, f"{path}.rules[{number}]")
    return causes


def _check_rule(completions: int, rule: JsonObject, path: str) -> list[StatusCause]:
    count = rule.get("succeededCount")
    indexes = rule.get("succeededIndexes")
    if count is None and indexes is None:
        needed = "at least one of succeededCount or succeededIndexes must be specified"
        return [value_required(path, needed)]
    causes: list[StatusCause] = []
    total = 0
    if indexes is not None:
        field = f"{path}.succeededIndexes"
        if len(indexes) > _LONGEST_INDEX_LIST:
            causes.append(too_long(field, _LONGEST_INDEX_LIST))
        try:
            total = count_indexes(indexes, completions)
        except IndexListError as fault:
            causes.append(invalid_value(field, indexes, f"error parsing succeededIndexes: {fault}"))
    if count is not None:
        causes += _check_count(count, completions, None if indexes is None else total, path)
    return causes


def _check_count(count: int, completions: int, listed: int | None, path: str) -> list[StatusCause]:
    field = f"{path}.succeededCount"
    causes = check_not_negative({"succeededCount": count}, "succeededCount", path)
    if count > completions:
        rule = f"must be less than or equal to {completions} (the number of specified completions)"
        causes.append(invalid_value(field, count, rule))
    if listed is not None and count > listed:
        rule = (
            f"must be less than or equal to {listed} "
            "(the number of indexes in the specified succeededIndexes field)"
        )
        causes.append(invalid_value(field, count, rule))
    return causes


def count_indexes(text: str, completions: int) -> int:
    """Return how many indexes a list such as `0-2,5` has; raises IndexListError."""
    total = 0
    last = -1
    for part in text.split(",") if text else ():
        first, end = _parse_interval(part, completions)
        if total and last >= first:
            raise IndexListError(f"non-increasing order, previous: {last}, current: {first}")
        total += end - first + 1
        last = end
    return total


def _parse_interval(part: str, completions: int) -> tuple[int, int]:
    limits = part.split("-")
    if len(limits) > 2:
        raise IndexListError(
            f"the fragment {json.dumps(part)} violates the requirement that an index interval can have at "
            "most two parts separated by '-'"
        )
    numbers = [_parse_index(limit, completions) for limit in limits]
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise IndexListError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _parse_index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise IndexListError(f"cannot convert string to integer for index: {json.dumps(text)}")
    if int(text) >= completions:
        raise IndexListError(f"too large index: {json.dumps(text)}")
    return int(text)
