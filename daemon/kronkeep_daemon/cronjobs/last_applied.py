"""What a manifest declares against what is there: whether it is there already, and what it declares no more.

The names of the fields that were declared last are kept in an annotation (without their values, which may be
anything), as kubectl keeps its last-applied configuration: a field of it that the manifest does not name any
more is removed, and one that only others set stays. Pure.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.kube.objects import JsonObject

# Fields that hold resource.Quantity, which the API server writes anew (1000m -> 1, 1024Mi -> 1Gi).
_QUANTITIES = frozenset({"requests", "limits", "sizeLimit", "divisor"})
# Plain booleans of core/v1: false is how they are left out. Others (*bool) mean something else when absent.
_PLAIN = frozenset({"hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"})
_UNITS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")


def covers(live: Any, wanted: Any, quantity: bool = False) -> bool:
    """Whether all that is wanted is there already: what is more in the live object does not count.

    Lists are compared entry by entry, so that what the API server filled in is no difference, nor is what it
    leaves out or writes in another way.
    """
    if isinstance(wanted, dict):
        held = live if isinstance(live, dict) else {}
        return all(
            (value is False and key in _PLAIN and key not in held)
            or covers(held.get(key), value, quantity or key in _QUANTITIES)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        there = live if isinstance(live, list) else []
        return len(there) == len(wanted) and all(map(covers, there, wanted))
    if live is None and wanted == "":
        return True
    return bool(live == wanted) or (quantity and quantity_amount(live) == quantity_amount(wanted) is not None)


def quantity_amount(value: Any) -> Decimal | None:
    """A Kubernetes quantity as a number (apimachinery's resource.Quantity); None for what is none."""
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None or isinstance(value, bool):
        return None
    number, exponent, unit = match.groups()
    if unit in _BINARY:
        return Decimal(number) * Decimal(1024 ** _BINARY[unit])
    scale = int(exponent) if exponent else _UNITS[unit or ""]
    return Decimal(number).scaleb(scale)


def encode_field_names(body: JsonObject) -> str:
    """The names of the fields that a manifest declares, for the annotation."""
    return msgspec.json.encode(
        _names({key: body[key] for key in ("metadata", "spec")}), order="sorted"
    ).decode()


def _names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _names(inner) for key, inner in value.items()}
    return list(map(_names, value)) if isinstance(value, list) else 0


def apply_patch(live: JsonObject, body: JsonObject) -> JsonObject:
    """The merge patch of a manifest: `body`, with null for each field that was declared and is not now.

    An object in which others set fields too loses only its declared ones. Below a list nothing need be
    dropped, since RFC 7386 replaces lists whole.
    """
    text = (live["metadata"].get("annotations") or {}).get(object_keys.DECLARED)
    before = decode_or_none(text or "{}", JsonObject)
    return body if before is None else _without(before, body, live)


def _without(before: JsonObject, wanted: JsonObject, live: JsonObject) -> JsonObject:
    found = dict(wanted)
    for key, declared in before.items():
        held = live.get(key)
        value = wanted.get(key)
        if not isinstance(declared, dict) or not isinstance(held, dict):
            found.setdefault(key, None)
        elif key not in wanted:
            found[key] = _without(declared, {}, held) if held.keys() - declared.keys() else None
        elif isinstance(value, dict):
            found[key] = _without(declared, value, held)
    return found
