"""The causes of which a 422 is made, in the words of a real API server (apimachinery's field.Error)."""

import json

from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause
from kronkeep_daemon.kube.objects import JsonObject


def invalid_value(field: str, value: object, rule: str) -> StatusCause:
    """Return the cause for a value that a rule forbids."""
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return StatusCause(field, "FieldValueInvalid", f"Invalid value: {shown}: {rule}")


def not_supported(field: str, value: object, supported: tuple[str, ...]) -> StatusCause:
    """Return the cause for a value that is none of those supported."""
    listed = ", ".join(json.dumps(entry) for entry in supported)
    message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
    return StatusCause(field, "FieldValueNotSupported", message)


def value_required(field: str, explanation: str = "") -> StatusCause:
    """Return the cause for a value that is missing."""
    message = f"Required value: {explanation}" if explanation else "Required value"
    return StatusCause(field, "FieldValueRequired", message)


def check_not_negative(spec: JsonObject, field: str, path: str) -> list[StatusCause]:
    """Return the cause for a number below 0, none for another value."""
    value = spec.get(field)
    if isinstance(value, int) and value < 0:
        return [invalid_value(f"{path}.{field}", value, "must be greater than or equal to 0")]
    return []


def invalid_object_value(field: str, rule: str, kind: str = "") -> StatusCause:
    """Return the cause for an object or list, of which only the type is named, if anything."""
    message = f"Invalid value: {kind}: {rule}" if kind else f"Invalid value: {rule}"
    return StatusCause(field, "FieldValueInvalid", message)


def too_many(field: str, count: int, most: int) -> StatusCause:
    """Return the cause for a list that is too long."""
    message = f"Too many: {count}: must have at most {most} items"
    return StatusCause(field, "FieldValueTooMany", message)


def too_long(field: str, most: int) -> StatusCause:
    """Return the cause for a text of too many bytes."""
    return StatusCause(field, "FieldValueTooLong", f"Too long: may not be more than {most} bytes")


def duplicate(field: str, value: object) -> StatusCause:
    """Return the cause for a value that is listed twice."""
    return StatusCause(field, "FieldValueDuplicate", f"Duplicate value: {json.dumps(value)}")
