"""A restore's target in one line: `new-claim NAME`, `claim NAME` or `in-place`, then options.

`from=STORAGE` restores the copy in that storage.
"""

import shlex
from collections.abc import Sequence

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import RestoreRequest, RestoreTarget
from kronkeep_tui.form.value_texts import read_size, write_size

KINDS = ("new-claim", "claim", "in-place")
FLAGS = ("overwrite", "suspend")
FIELDS = ("namespace", "folder", "class", "size", "from")


def parse(line: str, include: Sequence[str]) -> RestoreRequest:
    """Return the request for a line and for the paths to `include`; raise InvalidRequest.

    A restore in place always overwrites.
    """
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise InvalidRequest(f"The line cannot be read: {fault}.") from fault
    if not words or words[0] not in KINDS:
        raise InvalidRequest(f"A target begins with {', '.join(KINDS)}.")
    kind = words[0]
    rest = words[1:]
    named = kind != "in-place" and rest and rest[0] not in FLAGS and "=" not in rest[0]
    claim = rest.pop(0) if named else None
    flags = {word for word in rest if word in FLAGS}
    values = dict(_pair(word) for word in rest if word not in FLAGS)
    if kind == "claim" and claim is None:
        raise InvalidRequest("The claim's name is missing: claim NAME.")
    from_copy = values.pop("from", None)
    return RestoreRequest(
        from_copy=from_copy,
        target=_target(kind, claim, values),
        include=tuple(include),
        overwrite="overwrite" in flags or kind == "in-place",
        suspend="suspend" in flags,
    )


def to_line(request: RestoreRequest) -> str:
    """Return the line that `parse` reads as the target and options of a request."""
    target = request.target
    if target is None or target.kind == "in-place":
        words = ["in-place", *(["suspend"] if request.suspend else [])]
        return shlex.join([*words, *([f"from={request.from_copy}"] if request.from_copy else [])])
    values = {
        "namespace": target.namespace,
        "folder": target.path,
        "class": target.storage_class,
        "size": write_size(target.size_bytes) if target.size_bytes else None,
        "from": request.from_copy,
    }
    flags = [flag for flag in FLAGS if getattr(request, flag)]
    fields = [f"{name}={value}" for name, value in values.items() if value]
    return shlex.join([target.kind, *([target.claim] if target.claim else []), *flags, *fields])


def _target(kind: str, claim: str | None, values: dict[str, str]) -> RestoreTarget:
    if kind == "in-place":
        if values:
            raise InvalidRequest("in-place takes no fields.")
        return RestoreTarget(kind="in-place")
    size = values.get("size")
    return RestoreTarget(
        kind="claim" if kind == "claim" else "new-claim",
        claim=claim,
        namespace=values.get("namespace"),
        path=values.get("folder", ""),
        storage_class=values.get("class"),
        size_bytes=read_size(size) if size else None,
    )


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not value or name not in FIELDS:
        known = ", ".join([*FLAGS, *(f"{field}=" for field in FIELDS)])
        raise InvalidRequest(f"{word!r} is not known; there are {known}.")
    return name, value


def complete(line: str) -> Sequence[str]:
    """Return the lines that may follow from the beginning of one."""
    words = line.split(" ")
    before = " ".join(words[:-1])
    last = words[-1]
    if len(words) == 1:
        return [kind for kind in KINDS if kind.startswith(last)]
    given = {word.partition("=")[0] for word in words[1:-1]}
    names = [flag for flag in FLAGS if flag not in given]
    fields = FIELDS if words[0] != "in-place" else ("from",)
    names += [f"{field}=" for field in fields if field not in given]
    return [f"{before} {name}" for name in names if name.startswith(last)]
