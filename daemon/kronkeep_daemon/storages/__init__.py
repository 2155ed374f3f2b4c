"""Kinds of storages: one module each with the same functions, found by the kind's name.

validate(settings) raises InvalidRequest;  repository(settings) -> restic's repository string
volumes(settings) -> (pod volumes, container mounts) that make it reachable
"""

from types import ModuleType

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean
from kronkeep_daemon.storages import local

KINDS: dict[str, ModuleType] = {"local": local}


def kind_module(kind: str) -> ModuleType:
    """The module of a kind; raises InvalidRequest."""
    found = KINDS.get(kind)
    if found is None:
        known = ", ".join(KINDS)
        raise InvalidRequest(
            f"There is no storage kind {clean(repr(kind), 40)}; there are {known}.", field="kind"
        )
    return found
