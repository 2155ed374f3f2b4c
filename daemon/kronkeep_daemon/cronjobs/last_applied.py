"""Comparison of a manifest with the live object: is it applied, and which former fields must go; pure.

The names of the fields that a manifest declared are kept in an annotation of the object, without their
values, which may be secret. kubectl keeps its last-applied configuration for the same purpose: a field that
was declared and is not any more is removed, and one that only others set stays.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.kube.objects import JsonObject

# Fields that hold quantities, which the API server writes in another way (1000m as 1, 1024Mi as 1Gi).
_QUANTITY_FIELDS = frozenset({"requests", "limits", "sizeLimit", "divisor"})
# Fields of core/v1 with the Go type bool: the API server leaves false out. In fields of type *bool, absent
# means something else than false.
_PLAIN_BOOLEANS = frozenset({"hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"})
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_EXPONENTS = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")


def covers(live: Any, declared: Any, is_quantity: bool = False) -> bool:
    """Whether the live value has everything that is declared; further fields of it do not matter.

    Lists are compared entry by entry. Defaults that the API server filled in are no difference, nor is what
    it leaves out or writes in another way.
    """
    if isinstance(declared, dict):
        fields = live if isinstance(live, dict) else {}
        return all(
            (value is False and key in _PLAIN_BOOLEANS and key not in fields)
            or covers(fields.get(key), value, is_quantity or key in _QUANTITY_FIELDS)
            for key, value in declared.items()
        )
    if isinstance(declared, list):
        entries = live if isinstance(live, list) else []
        return len(entries) == len(declared) and all(map(covers, entries, declared))
    if live is None and declared == "":
        return True
    if live == declared:
        return True
    return is_quantity and quantity_amount(live) == quantity_amount(declared) is not None


def quantity_amount(value: Any) -> Decimal | None:
    """Return the number of a quantity (resource.Quantity of apimachinery); None for anything else."""
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None or isinstance(value, bool):
        return None
    number, exponent, unit = match.groups()
    if unit in _BINARY_EXPONENTS:
        return Decimal(number) * Decimal(1024 ** _BINARY_EXPONENTS[unit])
    return Decimal(number).scaleb(int(exponent) if exponent else _DECIMAL_EXPONENTS[unit or ""])


def encode_field_names(manifest: JsonObject) -> str:
    """Return the names of the fields that a manifest declares, as JSON for the annotation."""
    names = _field_names({key: manifest[key] for key in ("metadata", "spec")})
    return msgspec.json.encode(names, order="sorted").decode()


def _field_names(value: Any) -> Any:
    """Return the same structure with 0 for each plain value."""
    if isinstance(value, dict):
        return {key: _field_names(inner) for key, inner in value.items()}
    return list(map(_field_names, value)) if isinstance(value, list) else 0


def build_apply_patch(live: JsonObject, manifest: JsonObject) -> JsonObject:
    """Return the merge patch of a manifest: null removes each field that was declared before and is not now.

    An object in which others set fields too loses only its declared ones. Below a list nothing is removed by
    name, since a merge patch replaces lists whole (RFC 7386).
    """
    text = (live["metadata"].get("annotations") or {}).get(object_keys.DECLARED)
    declared_before = decode_or_none(text or "{}", JsonObject)
    return manifest if declared_before is None else _add_removals(declared_before, manifest, live)


def _add_removals(declared_before: JsonObject, manifest: JsonObject, live: JsonObject) -> JsonObject:
    patch = dict(manifest)
    for key, names in declared_before.items():
        live_value = live.get(key)
        value = manifest.get(key)
        if not isinstance(names, dict) or not isinstance(live_value, dict):
            patch.setdefault(key, None)
        elif key not in manifest:
            set_by_others = live_value.keys() - names.keys()
            patch[key] = _add_removals(names, {}, live_value) if set_by_others else None
        elif isinstance(value, dict):
            patch[key] = _add_removals(names, value, live_value)
    return patch


def merge(live: JsonObject, patch: JsonObject) -> JsonObject:
    """Return the live object with a merge patch applied (RFC 7386), without changing either."""
    merged = {key: value for key, value in live.items() if patch.get(key, key) is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = live.get(key)
            merged[key] = merge(inner if isinstance(inner, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged
