"""The fields of a restore's target: a new claim, an existing one, or the claims that were archived; pure."""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import RestoreRequest, RestoreTarget
from kronkeep_common.name_rules import is_namespace
from kronkeep_tui.form.fields import NO_YES, SIZE, YES, FormField, FormSection, ValueFormat
from kronkeep_tui.form.short_fields import Texts, read_texts
from kronkeep_tui.form.value_texts import write_size

TARGETS = ("new-claim", "claim", "in-place")
_WHAT = {
    "new-claim": "a new claim: nothing that exists is touched",
    "claim": "a claim that exists: files of the same names are in the way, unless they may be overwritten",
    "in-place": "the claims that were archived: what they have now is overwritten, once the name is typed",
}


class ParsedRestore(NamedTuple):
    """The request that the texts describe, None while something is wrong, and the faults by path."""

    request: RestoreRequest | None
    faults: dict[str, str]


def _read_name(text: str) -> str:
    if not is_namespace(text.replace(".", "-")):
        raise InvalidRequest("A name has a-z, 0-9, '-' and '.'.")
    return text


def _read_folder(text: str) -> str:
    if ".." in text.split("/"):
        raise InvalidRequest("The folder must stay below its claim.")
    return text


NAME = ValueFormat(_read_name, str)
FOLDER = ValueFormat(_read_folder, str)
_FOLDER_FIELD = FormField(
    path="path", label="folder", format=FOLDER, help="below the claim's root; empty: the root itself"
)
_NAMESPACE_FIELD = FormField(
    path="namespace", label="namespace", format=NAME, help="empty: that of the CronJob"
)
_COPY_FIELD = FormField(
    path="from_copy",
    label="read from",
    format=NAME,
    help="the storage of a copy; empty: the backup's own, or a copy where that is away",
)
_FIELDS: dict[str, tuple[FormField, ...]] = {
    "new-claim": (
        FormField(path="claim", label="name", format=NAME, help="empty: the plan's"),
        _NAMESPACE_FIELD,
        FormField(
            path="size_bytes",
            label="size",
            format=SIZE,
            help="such as 10Gi; empty: as the archived claim, else what is needed",
        ),
        FormField(
            path="storage_class", label="class", format=NAME, help="a StorageClass; empty: the cluster's own"
        ),
        _FOLDER_FIELD,
    ),
    "claim": (
        FormField(path="claim", label="claim", format=NAME, help="that exists"),
        _NAMESPACE_FIELD,
        _FOLDER_FIELD,
        FormField(
            path="overwrite",
            label="overwrite",
            format=YES,
            choices=NO_YES,
            help="whether files of the same names are replaced; others stay",
        ),
    ),
    "in-place": (),
}
_SUSPEND_FIELD = FormField(
    path="suspend",
    label="suspend",
    format=YES,
    choices=NO_YES,
    help="whether the CronJob is suspended during the restore",
)


def sections_of_target(texts: Texts) -> tuple[FormSection, ...]:
    """Return the sections for the kind of target that is chosen."""
    kind = texts["kind"]
    chosen = FormField(path="kind", label="restore to", choices=TARGETS, help=_WHAT[kind])
    return (
        FormSection("Target", (chosen, *_FIELDS[kind])),
        FormSection("Besides", (_SUSPEND_FIELD, _COPY_FIELD)),
    )


def texts_of_request(request: RestoreRequest) -> dict[str, str]:
    """Return the texts that describe a request."""
    target = request.target
    return {
        "kind": target.kind,
        "claim": target.claim or "",
        "namespace": target.namespace or "",
        "size_bytes": write_size(target.size_bytes) if target.size_bytes else "",
        "storage_class": target.storage_class or "",
        "path": target.path,
        "overwrite": "yes" if request.overwrite else "no",
        "suspend": "yes" if request.suspend else "no",
        "from_copy": request.from_copy or "",
    }


def parse_restore(texts: Texts, include: Sequence[str]) -> ParsedRestore:
    """Parse the texts into the request for some paths; a restore in place always overwrites."""
    kind = texts["kind"]
    parsed = read_texts(sections_of_target(texts), texts)
    values = parsed.values
    faults = dict(parsed.faults)
    if kind == "claim" and "claim" not in values and "claim" not in faults:
        faults["claim"] = "The claim's name is empty."
    if faults:
        return ParsedRestore(None, faults)
    target = RestoreTarget(
        kind=values["kind"],
        claim=values.get("claim"),
        namespace=values.get("namespace"),
        path=values.get("path", ""),
        size_bytes=values.get("size_bytes"),
        storage_class=values.get("storage_class"),
    )
    request = RestoreRequest(
        target=target,
        include=tuple(include),
        overwrite=kind == "in-place" or values.get("overwrite", False),
        suspend=values.get("suspend", False),
        from_copy=values.get("from_copy"),
    )
    return ParsedRestore(request, {})


def key_of_error(error: KronkeepError) -> str | None:
    """Return the field that a refusal of the daemon is about; None where it names none of the form."""
    field = str(error.details.get("field", "")).removeprefix("target.")
    return "claim" if field == "target" else field or None
