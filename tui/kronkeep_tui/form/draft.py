"""A draft: the texts typed into a form's fields, and the CronJob that they describe; pure.

Keys are the fields' paths; a field of many rows has `path.0`, `path.1`, ... A draft never drops a text: where
it describes no CronJob, it says for each field what is wrong.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from kronkeep_common.archive_contents import find_unarchived, require_contents, volumes_of_spec
from kronkeep_common.errors import InvalidRequest, KronkeepError, NothingToArchive
from kronkeep_common.model_faults import ModelFault, describe_fault
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, OtherVolume, UnarchivedVolume
from kronkeep_common.name_rules import check_image, check_name
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.text import clean
from kronkeep_tui.form.fields import FIELDS, SECTIONS, FormField, leading_fields

Draft = Mapping[str, str]
CLAIMS_KEY = "policy.source.claims.0"  # where it is shown that there is nothing to archive
_MOST_FAULTS = 20


class ParsedDraft(NamedTuple):
    """The CronJob of a draft (None while something is wrong), and the errors by key.

    `unarchived` are the volumes that its policy leaves out.
    """

    spec: CronJobCreate | None
    errors: dict[str, KronkeepError]
    unarchived: tuple[UnarchivedVolume, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What the CronJob will do that its author can hardly mean, in a sentence each."""
        sentences = [volume.sentence for volume in self.unarchived]
        return [*sentences, *_find_cut_script(self.spec)] if self.spec is not None else sentences

    @property
    def messages(self) -> dict[str, str]:
        """The errors' messages by key."""
        return {key: error.message for key, error in self.errors.items()}


def draft_of(spec: CronJobCreate) -> dict[str, str]:
    """Return the draft that describes `spec`; without a policy its fields have the defaults of one."""
    plain = msgspec.to_builtins(spec)
    draft: dict[str, str] = {}
    for path, field in FIELDS.items():
        if field.many:
            value = _value_at(plain, path)
            rows = [{key: one} for key, one in value.items()] if isinstance(value, dict) else value or []
            draft |= {f"{path}.{number}": field.format.write(row) for number, row in enumerate(rows)}
        else:
            leaf = _value_at_leaf(spec, path)
            draft[path] = "" if leaf is None or leaf == [] else field.format.write(leaf)
    return draft


def _value_at_leaf(spec: CronJobCreate, path: str) -> Any:
    """Return a leaf as a plain value; its default where a group on its path is absent."""
    owner: Any = spec
    *groups, leaf = path.split(".")
    for group in groups:
        owner = getattr(owner, group)
        if owner is None:
            return _default_of(path) if path != "policy.retention.days" else 30
    return msgspec.to_builtins(getattr(owner, leaf))


def new_draft(storage: str = "") -> dict[str, str]:
    """Return a draft with usual values; what must be typed is empty."""
    spec = CronJobCreate(name="x", image="x", schedule="0 2 * * *", policy=BackupPolicySpec(storage_id="x"))
    return draft_of(spec) | {"name": "", "image": "", "policy.storage_id": storage}


@cache
def _default_of(path: str) -> Any:
    """Return a leaf's default in the models as a plain value; None where it has none."""
    owner: Any = CronJobCreate
    *groups, leaf = path.split(".")
    for group in groups:
        owner = _struct_of_hint(get_type_hints(owner, include_extras=True)[group])
    info = next(f for f in msgspec.structs.fields(owner) if f.name == leaf)
    return msgspec.to_builtins(None if info.default is msgspec.NODEFAULT else info.default)


def _struct_of_hint(hint: Any) -> Any:
    """Return the struct in a type hint such as `Drill | None`; None without one."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    structs = (_struct_of_hint(argument) for argument in get_args(hint))
    return next((struct for struct in structs if struct is not None), None)


def _value_at(plain: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(plain, dict) or step not in plain:
            return None
        plain = plain[step]
    return plain


def _put_value(plain: dict[str, Any], path: str, value: Any) -> None:
    *groups, leaf = path.split(".")
    for group in groups:
        if not isinstance(plain.get(group), dict):
            plain[group] = {}
        plain = plain[group]
    plain[leaf] = value


def entries_of(draft: Draft, path: str) -> list[tuple[str, str]]:
    """Return the keys and texts of a field of many rows, in order."""
    numbered = [(int(key[len(path) + 1 :]), key) for key in draft if _is_row(key, path)]
    return [(key, draft[key]) for _, key in sorted(numbered)]


def _is_row(key: str, path: str) -> bool:
    return key.startswith(path + ".") and key[len(path) + 1 :].isdigit()


def is_used(draft: Draft, path: str) -> bool:
    """Whether a field is used in the CronJob: the leading field of each of its groups is filled."""
    return all(draft.get(lead, "").strip() for lead in leading_fields(path))


def parse_draft(draft: Draft, other_volumes: tuple[OtherVolume, ...] = ()) -> ParsedDraft:
    """Parse a draft into the CronJob that it describes, or into errors.

    other_volumes: the CronJob's volumes that are no claims, which have no fields.
    """
    errors: dict[str, KronkeepError] = {}
    plain: dict[str, Any] = {}
    for section in SECTIONS:
        for field in section.fields:
            if is_used(draft, field.path):
                _read_field(draft, field, plain, errors)
    spec, refused = _convert(plain)
    spec = msgspec.structs.replace(spec, other_volumes=other_volumes) if spec is not None else None
    errors = {**_nothing_error(spec), **_errors_of(refused), **_errors_of(_find_empty(draft)), **errors}
    return ParsedDraft(None if errors else spec, errors, _find_left_out(spec))


SHELL_OPERATORS = frozenset({";", "&", "&&", "|", "||", ">", ">>", "<"})


def _find_cut_script(spec: CronJobCreate) -> list[str]:
    """Return a warning where a shell gets the first word of a script alone: `sh -c date > file`."""
    words = (*spec.command, *spec.args)
    script = words[words.index("-c") + 1 :] if "-c" in words else ()
    is_cut = any(word in SHELL_OPERATORS for word in script[1:])
    if is_cut or any(word.endswith(";") for word in script[:-1]):
        return [f"The shell runs {clean(script[0], 40)!r} alone: put the script after -c into quotes."]
    return []


def _find_left_out(spec: CronJobCreate | None) -> tuple[UnarchivedVolume, ...]:
    if spec is None or spec.policy is None:
        return ()
    return find_unarchived(spec.policy, volumes_of_spec(spec))


def _nothing_error(spec: CronJobCreate | None) -> dict[str, KronkeepError]:
    """Return the error of a policy with nothing to archive, by the key of the claims to archive."""
    if spec is None or spec.policy is None:
        return {}
    try:
        require_contents(spec.policy, volumes_of_spec(spec))
    except NothingToArchive as error:
        error.next_step = "Mount a claim, include manifests or a dump, or empty the storage: no backup."
        return {CLAIMS_KEY: error}
    return {}


def _errors_of(faults: Mapping[str, str]) -> dict[str, KronkeepError]:
    return {key: InvalidRequest(words) for key, words in faults.items()}


# Values for required fields, so that an empty one does not hide the faults of others.
_STAND_INS = {"name": "x", "image": "x", "schedule": "* * * * *"}


def _convert(plain: dict[str, Any]) -> tuple[CronJobCreate | None, dict[str, str]]:
    """Convert plain values; return what the models refuse of them, but not what is missing."""
    faults: dict[str, str] = {}
    plain = _STAND_INS | plain
    for _ in range(_MOST_FAULTS):
        try:
            return msgspec.convert(plain, CronJobCreate), faults
        except msgspec.ValidationError as fault:
            located = _locate_fault(describe_fault(fault, CronJobCreate))
            faults = located | faults
            if not _remove_refused(plain, next(iter(located))):
                break
    return None, faults


def _remove_refused(plain: dict[str, Any], key: str) -> bool:
    """Remove a value that was refused, so that the next fault is found; return False where that fails."""
    path = key if key in FIELDS else key.rpartition(".")[0]
    *groups, leaf = path.split(".")
    owner = _value_at(plain, ".".join(groups)) if groups else plain
    return path not in _STAND_INS and isinstance(owner, dict) and owner.pop(leaf, None) is not None


def _find_empty(draft: Draft) -> dict[str, str]:
    required = ["name", "image", "schedule", "policy.include.database.command", "policy.drill.check.command"]
    return {
        path: f"The {FIELDS[path].label} is empty."
        for path in required
        if is_used(draft, path) and not draft.get(path, "").strip()
    }


def _read_field(
    draft: Draft, field: FormField, plain: dict[str, Any], errors: dict[str, KronkeepError]
) -> None:
    rows = entries_of(draft, field.path) if field.many else [(field.path, draft.get(field.path, ""))]
    values = []
    for key, text in rows:
        if text.strip():
            try:
                values.append(_parse_value(field, text))
            except KronkeepError as fault:
                errors[key] = fault
    if field.many:
        if values:
            _put_value(plain, field.path, _join_entries(field, values))
    elif values:
        if values[0] != _default_of(field.path) or field.path == "policy.retention.days":
            _put_value(plain, field.path, values[0])
    elif field.path == "policy.retention.days":
        _put_value(plain, field.path, None)  # an empty field means None, and the default is 30 days


def _join_entries(field: FormField, values: list[Any]) -> Any:
    if field.path.endswith(".env") and field.path != "env":
        return {name: secret for value in values for name, secret in value.items()}
    return values


def _parse_value(field: FormField, text: str) -> Any:
    text = text if field.path == "env" else text.strip()
    if field.choices and text not in field.choices:
        raise InvalidRequest(f"It is one of {', '.join(field.choices)}.")
    check = _CHECKS.get(field.path)
    if check is not None:
        check(text)
    return field.format.read(text)


_CHECKS: dict[str, Any] = {
    "name": check_name,
    "image": check_image,
    **dict.fromkeys(("schedule", "policy.schedule", "policy.drill.schedule"), Schedule.parse),
    **dict.fromkeys(("time_zone", "policy.time_zone", "policy.drill.time_zone"), load_zone),
}


def _locate_fault(fault: ModelFault) -> dict[str, str]:
    """Return a fault's words by the key of the field that it is about."""
    path = fault.path
    words = f"{fault.words[0].upper()}{fault.words[1:]}"
    for key, field in FIELDS.items():
        dotted = key + "["
        if field.many and path.startswith(dotted):
            number = path[len(dotted) :].split("]")[0]
            return {f"{key}.{number if number.isdigit() else 0}": words}
        if path == key or path.startswith(key + ".") or path.startswith(dotted):
            return {key: words}
    return {"name": clean(fault.sentence, 200)}
