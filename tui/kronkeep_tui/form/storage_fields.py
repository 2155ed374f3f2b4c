"""The fields of a storage: of a new one, and what may change of one; pure.

The settings of a kind are `KIND.NAME`, so that each kind keeps its texts while another one is looked at.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kronkeep_common.bandwidth import parse_rule
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import BackupStorage, BackupStorageChange, BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage import EVERY_NAMESPACE, Settings, StorageAddress
from kronkeep_common.models.storage_kinds import StorageField, StorageKind, all_kinds, are_same_settings
from kronkeep_common.models.storage_layout import LAYOUTS
from kronkeep_common.name_rules import LONGEST_NAME, is_namespace
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.storage_settings import find_settings_faults
from kronkeep_common.text import clean
from kronkeep_tui.form.fields import INTEGER, SECRET, SIZE, TEXT, FormField, FormSection, ValueFormat
from kronkeep_tui.form.short_fields import Texts, read_texts
from kronkeep_tui.form.value_texts import write_size

EXAMPLE = "vault"
KINDS = {kind.kind: kind for kind in all_kinds()}


class StorageChanges(NamedTuple):
    """What a form changes of a storage; each is None where that stays."""

    address: StorageAddress | None
    limits: BackupStorageChange | None


class ParsedStorage(NamedTuple):
    """The storage that the texts describe, None while something is wrong, and the faults by path."""

    request: BackupStorageCreate | None
    faults: dict[str, str]


def _read_namespaces(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.replace(",", " ").split() if name)
    for name in names:
        if name != EVERY_NAMESPACE and not is_namespace(name):
            raise InvalidRequest(f"{clean(repr(name), 60)} is no namespace; write names, or * for all.")
    return names


def _write_namespaces(names: tuple[str, ...]) -> str:
    return " ".join(names)


def _read_limits(text: str) -> str:
    parse_rule(text)
    return text


def _read_zone(text: str) -> str:
    load_zone(text)
    return text


def _read_name(text: str) -> str:
    if len(text) > LONGEST_NAME or not is_namespace(text):
        raise InvalidRequest(f"A name has a-z, 0-9 and '-', at most {LONGEST_NAME} characters.")
    return text


NAME = ValueFormat(_read_name, str)
NAMESPACES = ValueFormat(_read_namespaces, _write_namespaces)
BANDWIDTH = ValueFormat(_read_limits, str)
ZONE = ValueFormat(_read_zone, str)
_LIMITS = FormSection(
    "Use",
    (
        FormField(
            path="namespaces",
            label="serves",
            format=NAMESPACES,
            help="namespaces, * for all; empty: nobody. Whoever makes pods there can open the repository",
        ),
        FormField(
            path="capacity_bytes",
            label="capacity",
            format=SIZE,
            help="how much it may hold, such as 500Gi; empty: what its server has",
        ),
        FormField(
            path="bandwidth",
            label="bandwidth",
            format=BANDWIDTH,
            help="of the network, such as 02:00-06:00 unlimited, else 4 MiB/s; empty: no limit",
        ),
        FormField(
            path="bandwidth_zone",
            label="time zone",
            format=ZONE,
            help="of the bandwidth's times, an IANA name; empty: UTC",
        ),
    ),
)


def sections_of_kind(name: str, *, is_new: bool) -> tuple[FormSection, ...]:
    """Return the sections of a storage of a kind."""
    kind = KINDS[name]
    first = FormSection(
        "Storage",
        (
            FormField(
                path="kind",
                label="kind",
                choices=tuple(KINDS),
                help="left and right choose; the panel says what it is",
            ),
            FormField(path="id", label="name", format=NAME, help="what policies call it"),
        ),
    )
    settings = FormSection(f"Address: {name}", tuple(_settings_field(kind, each) for each in kind.fields))
    access = FormSection("Keys", tuple(_key_fields(kind, is_new=is_new)))
    return tuple(section for section in (first, settings, access, _LIMITS) if section.fields)


def _settings_field(kind: StorageKind, field: StorageField) -> FormField:
    need = "" if field.required or field.default == "" else f"; empty: {field.default}"
    return FormField(
        path=f"{kind.kind}.{field.name}",
        label=field.name.replace("_", " "),
        format=INTEGER if field.type == "number" else TEXT,
        help=f"{field.description}{'' if field.required else need or '; may be empty'}",
        choices=tuple(map(str, field.choices)),
    )


def _key_fields(kind: StorageKind, *, is_new: bool) -> list[FormField]:
    fields = []
    if kind.credentials:
        keys = ", ".join(key.name for key in kind.credentials if key.required) or "none of its keys is needed"
        fields = [
            FormField(path="credentials", label="Secret", help=f"in kronkeep's namespace, with {keys}"),
            FormField(
                path="maintenance_credentials",
                label="deleting Secret",
                help="another one, with the right to delete, so that the first needs none; may be empty",
            ),
        ]
    if is_new:
        fields.append(
            FormField(
                path="layout",
                label="layout",
                choices=LAYOUTS,
                help="whose archives share a repository and its password: a namespace's, a policy's, or all",
            )
        )
        help_text = "SECRET/KEY in kronkeep's namespace that opens the repository; empty: a random one"
        fields.append(FormField(path="password", label="password", format=SECRET, help=help_text))
    return fields


def new_texts() -> dict[str, str]:
    """Return the texts of a new storage: the kinds' defaults, and an example of a folder of the nodes."""
    texts = {"kind": "local", "layout": LAYOUTS[0]}
    for kind in KINDS.values():
        texts |= {f"{kind.kind}.{field.name}": str(field.default or "") for field in kind.fields}
    return texts | {"id": EXAMPLE, "local.path": f"/var/backups/{EXAMPLE}", "namespaces": "default"}


def texts_of(storage: BackupStorage) -> dict[str, str]:
    """Return the texts that describe a storage."""
    settings = {f"{storage.kind}.{name}": str(value) for name, value in storage.settings.items()}
    return {
        **new_texts(),
        **settings,
        "kind": storage.kind,
        "id": storage.id,
        "credentials": storage.credentials or "",
        "maintenance_credentials": storage.maintenance_credentials or "",
        "namespaces": _write_namespaces(storage.namespaces),
        "capacity_bytes": write_size(storage.capacity_bytes) if storage.capacity_bytes else "",
        "bandwidth": storage.bandwidth or "",
        "bandwidth_zone": storage.bandwidth_zone or "",
    }


def parse_storage(texts: Texts, *, is_new: bool = True) -> ParsedStorage:
    """Parse the texts into a storage, or into every fault that is known here."""
    kind = texts["kind"]
    parsed = read_texts(sections_of_kind(kind, is_new=is_new), texts)
    settings = _settings_of(kind, parsed.values)
    wrong = {f"{kind}.{name}": words for name, words in find_settings_faults(kind, settings).items()}
    faults = _require(kind, parsed.values) | wrong | parsed.faults
    if faults:
        return ParsedStorage(None, faults)
    return ParsedStorage(_build_request(kind, settings, parsed.values), {})


def _settings_of(kind: str, values: Mapping[str, Any]) -> Settings:
    start = f"{kind}."
    return {path.removeprefix(start): value for path, value in values.items() if path.startswith(start)}


def _require(kind: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the faults of fields that are empty and may not be, or that have no meaning without another."""
    faults = {} if "id" in values else {"id": "The name is empty."}
    needed = [key.name for key in KINDS[kind].credentials if key.required]
    if needed and "credentials" not in values:
        faults["credentials"] = f"It needs a Secret with {', '.join(needed)}."
    if "bandwidth_zone" in values and "bandwidth" not in values:
        faults["bandwidth_zone"] = "A time zone without limits has no meaning."
    return faults


def _build_request(kind: str, settings: Settings, values: Mapping[str, Any]) -> BackupStorageCreate:
    password = values.get("password")
    return BackupStorageCreate(
        id=values["id"],
        kind=kind,
        settings=settings,
        password=SecretKeyRef(**password) if password else None,
        layout=values.get("layout", LAYOUTS[0]),
        credentials=values.get("credentials"),
        maintenance_credentials=values.get("maintenance_credentials"),
        namespaces=values.get("namespaces", ()),
        capacity_bytes=values.get("capacity_bytes"),
        bandwidth=values.get("bandwidth"),
        bandwidth_zone=values.get("bandwidth_zone"),
    )


def find_changes(storage: BackupStorage, wanted: BackupStorageCreate) -> StorageChanges:
    """Return what to ask for, so that the storage becomes what its form says.

    Limits of the network that are emptied end.
    """
    same_place = are_same_settings(storage.kind, storage.settings, wanted.settings)
    same_keys = wanted.credentials in (None, storage.credentials)
    address = None
    if not (same_place and same_keys):
        address = StorageAddress(settings=wanted.settings, credentials=wanted.credentials)
    limits = BackupStorageChange(
        namespaces=wanted.namespaces if set(wanted.namespaces) != set(storage.namespaces) else None,
        capacity_bytes=_changed(wanted.capacity_bytes, storage.capacity_bytes),
        maintenance_credentials=_changed(wanted.maintenance_credentials, storage.maintenance_credentials),
        bandwidth=_changed(wanted.bandwidth or "", storage.bandwidth or ""),
        bandwidth_zone=_changed(wanted.bandwidth_zone, storage.bandwidth_zone),
    )
    return StorageChanges(address, None if limits == BackupStorageChange() else limits)


def _changed(after: Any, before: Any) -> Any:
    return None if after == before else after


def describe_differences(before: Texts, after: Texts, *, is_new: bool = False) -> str:
    """Return the fields whose texts differ, such as `capacity 20Gi → 30Gi, path /a → /b`."""
    sections = sections_of_kind(after["kind"], is_new=is_new)
    parts = []
    for section in sections:
        for field in section.fields:
            old = before.get(field.path, "").strip()
            new = after.get(field.path, "").strip()
            if old != new:
                parts.append(f"{field.label} {old or 'nothing'} → {new or 'nothing'}")
    return ", ".join(parts)


def find_kept(before: Texts, after: Texts) -> dict[str, str]:
    """Return the faults of fields that may be changed and not emptied, by path."""
    kept = ("capacity_bytes", "credentials", "maintenance_credentials")
    return {
        path: "It can be changed, but not taken away."
        for path in kept
        if before.get(path, "").strip() and not after.get(path, "").strip()
    }


def key_of_error(error: KronkeepError, kind: str) -> str | None:
    """Return the field that a refusal of the daemon is about; None where it names none of the form."""
    field = str(error.details.get("field", ""))
    if field.startswith("settings."):
        return f"{kind}.{field.removeprefix('settings.')}"
    if field == "settings":
        return f"{kind}.{KINDS[kind].fields[0].name}"
    field = field.partition(".")[0]
    return field if field in _FIELDS_OF_ERRORS else None


_FIELDS_OF_ERRORS = (
    "id",
    "kind",
    "credentials",
    "maintenance_credentials",
    "password",
    *(field.path for field in _LIMITS.fields),
)
