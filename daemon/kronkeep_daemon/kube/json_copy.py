"""Copies of JSON values."""

from typing import TypeVar

T = TypeVar("T")


def copy_json(value: T) -> T:
    """Copy an object, array or scalar in less than half of the time of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {  # type: ignore[return-value]
            name: copy_json(member) if isinstance(member, (dict, list)) else member
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [copy_json(member) for member in value]  # type: ignore[return-value]
    return value
