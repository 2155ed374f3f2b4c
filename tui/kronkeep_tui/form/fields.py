"""The table of the form's fields: every leaf of CronJobCreate and its BackupPolicySpec.

A field's `path` leads to its leaf (`policy.retention.days`). A group of fields exists only where its leading
field is filled: without a storage there is no policy, without a drill's schedule no drill.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kronkeep_tui.form import value_texts


def _keep_text(value: Any) -> Any:
    return value


class ValueFormat(NamedTuple):
    """How a value is read from a text and written as one."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _read_integer(text: str) -> int:
    from kronkeep_common.errors import InvalidRequest

    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidRequest(f"{text[:40]!r} is not a whole number.")
    return int(text)


def _read_seconds(text: str) -> float | int:
    """Read a duration; whole seconds are an integer, which fields of integers and floats accept."""
    seconds = value_texts.read_duration(text)
    return int(seconds) if seconds == int(seconds) else seconds


def _read_yes(text: str) -> bool:
    return text == "yes"


def _write_yes(value: bool) -> str:
    return "yes" if value else "no"


def _read_secret_env(text: str) -> dict[str, Any]:
    name, secret = value_texts.read_secret_env(text)
    return {name: secret}


def _write_secret_env(value: dict[str, Any]) -> str:
    ((name, secret),) = value.items()
    return f"{name} from {value_texts.write_secret(secret)}"


TEXT = ValueFormat(_keep_text, str)
WORDS = ValueFormat(value_texts.read_words, value_texts.write_words)
INTEGER = ValueFormat(_read_integer, str)
DURATION = ValueFormat(_read_seconds, value_texts.write_duration)
YES = ValueFormat(_read_yes, _write_yes)
SIZE = ValueFormat(value_texts.read_size, value_texts.write_size)
SECRET = ValueFormat(value_texts.read_secret, value_texts.write_secret)
ENV = ValueFormat(value_texts.read_env, value_texts.write_env)
VOLUME = ValueFormat(value_texts.read_volume, value_texts.write_volume)
CLAIM = ValueFormat(value_texts.read_claim, value_texts.write_claim)
COPY = ValueFormat(value_texts.read_copy, value_texts.write_copy)
HOOK = ValueFormat(value_texts.read_hook, value_texts.write_hook)
SECRET_ENV = ValueFormat(_read_secret_env, _write_secret_env)


class FormField(NamedTuple):
    """One leaf: its path, label, format, choices and help; a `many` field has a row for each entry."""

    path: str
    label: str
    format: ValueFormat = TEXT
    help: str = ""
    choices: tuple[str, ...] = ()
    many: bool = False


class FormSection(NamedTuple):
    """Fields under one heading, which are shown once the field `leads` is filled."""

    title: str
    fields: tuple[FormField, ...]
    leads: str = ""


P = "policy."
ON_CONFLICT = ("reject", "shift", "after-run", "accept")
NO_YES = ("no", "yes")
SECTIONS = (
    FormSection(
        "CronJob",
        (
            FormField(path="namespace", label="namespace"),
            FormField(path="name", label="name", help="a-z, 0-9 and '-', at most 52 characters"),
            FormField(path="image", label="image", help="such as registry.example/team/image:tag"),
            FormField(
                path="command",
                label="command",
                format=WORDS,
                help="words as in a shell, with quotes; no shell runs them",
            ),
            FormField(
                path="args",
                label="arguments",
                format=WORDS,
                help="words after the command, or after the image's own",
            ),
            FormField(
                path="schedule",
                label="schedule",
                help="minute hour day month weekday, such as 0 2 * * *, or @daily",
            ),
            FormField(path="time_zone", label="time zone", help="an IANA name; empty is the cluster's own"),
            FormField(
                path="env",
                label="variable",
                format=ENV,
                help="NAME=value, or NAME from SECRET/KEY",
                many=True,
            ),
            FormField(
                path="volumes",
                label="claim",
                format=VOLUME,
                help="CLAIM /PATH, or CLAIM /PATH read-only",
                many=True,
            ),
        ),
    ),
    FormSection(
        "Running",
        (
            FormField(path="suspend", label="suspended", format=YES, choices=NO_YES),
            FormField(
                path="concurrency_policy",
                label="overlap",
                choices=("Forbid", "Allow", "Replace"),
                help="when the run before still goes on",
            ),
            FormField(
                path="starting_deadline_seconds",
                label="start within",
                format=DURATION,
                help="later than that a run is missed",
            ),
            FormField(
                path="active_deadline_seconds",
                label="stop after",
                format=DURATION,
                help="a run that takes longer is stopped",
            ),
            FormField(
                path="backoff_limit",
                label="retries",
                format=INTEGER,
                help="how often a failed pod is started again",
            ),
            FormField(
                path="successful_jobs_history_limit",
                label="keep good",
                format=INTEGER,
                help="Jobs that Kubernetes keeps",
            ),
            FormField(
                path="failed_jobs_history_limit",
                label="keep failed",
                format=INTEGER,
                help="Jobs that Kubernetes keeps",
            ),
            FormField(path="service_account", label="account", help="the pods' service account"),
        ),
    ),
    FormSection(
        "Backup",
        (
            FormField(path=P + "storage_id", label="storage", help="empty: no backup"),
            FormField(path=P + "enabled", label="enabled", format=YES, choices=NO_YES),
            FormField(path=P + "schedule", label="schedule", help="empty: after each run"),
            FormField(
                path=P + "time_zone", label="time zone", help="an IANA name; empty is the cluster's own"
            ),
            FormField(
                path=P + "on_conflict",
                label="on conflict",
                choices=ON_CONFLICT,
                help="when the schedules conflict: refuse, move the backup, drop its schedule, keep it",
            ),
            FormField(
                path=P + "when",
                label="when",
                choices=("success", "always"),
                help="after good runs, or after any",
            ),
            FormField(
                path=P + "delay_seconds",
                label="delay",
                format=DURATION,
                help="from the run's end to the backup's start",
            ),
            FormField(
                path=P + "rpo_seconds",
                label="RPO",
                format=DURATION,
                help="at least one good backup in this time, such as 1d; else it is overdue",
            ),
            FormField(
                path=P + "rto_seconds",
                label="restored within",
                format=DURATION,
                help="alert where earlier restores say longer",
            ),
            FormField(
                path=P + "priority",
                label="priority",
                choices=("low", "normal", "high"),
                help="which of the namespace's backups is earlier in the queue",
            ),
            FormField(
                path=P + "expected_duration_seconds",
                label="a run takes",
                format=DURATION,
                help="until its history says",
            ),
            FormField(
                path=P + "deadline_seconds",
                label="stop after",
                format=DURATION,
                help="a backup that takes longer fails",
            ),
            FormField(
                path=P + "retries",
                label="retries",
                format=INTEGER,
                help="how often a failed backup is tried again",
            ),
        ),
    ),
    FormSection(
        "Archive",
        (
            FormField(
                path=P + "source.claims",
                label="claim",
                format=CLAIM,
                help="CLAIM, or CLAIM PATH ...; none: all of the run's",
                many=True,
            ),
            FormField(
                path=P + "source.exclude",
                label="leave out",
                help="*.tmp, or /cache/old below the claim; ! takes back",
                many=True,
            ),
            FormField(
                path=P + "source.exclude_caches",
                label="skip caches",
                format=YES,
                choices=NO_YES,
                help="leave out folders with a CACHEDIR.TAG",
            ),
            FormField(
                path=P + "source.exclude_larger_than",
                label="skip larger",
                format=SIZE,
                help="than, such as 2Gi; empty: no file is too large",
            ),
            FormField(
                path=P + "source.consistency",
                label="read from",
                choices=("live", "snapshot", "clone"),
                help="the claim itself, or a snapshot or clone of it by its driver",
            ),
            FormField(
                path=P + "source.copy_storage_class",
                label="copy's class",
                help="StorageClass of the snapshot's or clone's volume; empty: the claim's",
            ),
            FormField(path=P + "include.volumes", label="volumes", format=YES, choices=NO_YES),
            FormField(
                path=P + "include.configuration",
                label="manifests",
                format=YES,
                choices=NO_YES,
                help="the CronJob and its ConfigMaps too",
            ),
            FormField(path=P + "include.database.image", label="dump image", help="empty: no database dump"),
            FormField(
                path=P + "include.database.command",
                label="dump command",
                format=WORDS,
                help="what it prints is archived",
            ),
            FormField(
                path=P + "include.database.file_name", label="dump file", help="its name in the archive"
            ),
            FormField(
                path=P + "include.database.env",
                label="dump variable",
                format=SECRET_ENV,
                help="NAME from SECRET/KEY",
                many=True,
            ),
            FormField(
                path=P + "backup_type",
                label="type",
                choices=("incremental", "full"),
                help="full reads every file again",
            ),
            FormField(path=P + "compression", label="compression", choices=("auto", "off", "max")),
            FormField(
                path=P + "limits.upload_kib",
                label="upload limit",
                format=INTEGER,
                help="KiB a second to the storage; empty: none",
            ),
            FormField(
                path=P + "limits.download_kib",
                label="download limit",
                format=INTEGER,
                help="KiB a second from the storage; empty: none",
            ),
            FormField(
                path=P + "read_concurrency",
                label="files at once",
                format=INTEGER,
                help="that are read; empty: restic's own number",
            ),
            FormField(
                path=P + "pack_size_mib",
                label="pack size",
                format=INTEGER,
                help="MiB of the repository's files; empty: restic's own",
            ),
            FormField(
                path=P + "encryption.enabled",
                label="encrypted",
                format=YES,
                choices=("yes", "no"),
                help="no: anyone who can read the storage can read the archive",
            ),
            FormField(
                path=P + "encryption.key",
                label="own key",
                format=SECRET,
                help="SECRET/KEY; empty: the storage's password",
            ),
        ),
        P + "storage_id",
    ),
    FormSection(
        "Keep",
        tuple(
            FormField(path=f"{P}retention.{name}", label=label, format=INTEGER, help=help)
            for name, label, help in (
                ("days", "days", "everything younger stays"),
                ("keep_last", "last", "the newest, this many"),
                ("keep_hourly", "hourly", "one of each of the last hours"),
                ("keep_daily", "daily", "one of each of the last days"),
                ("keep_weekly", "weekly", "one of each of the last weeks"),
                ("keep_monthly", "monthly", "one of each of the last months"),
                ("keep_yearly", "yearly", "one of each of the last years"),
                ("min_good", "good always", "so many good ones are never removed"),
            )
        ),
        P + "storage_id",
    ),
    FormSection(
        "Copies",
        (
            FormField(
                path=P + "copies",
                label="copy",
                format=COPY,
                help="STORAGE [schedule='0 4 * * *'] [rpo_seconds=26h] [retention.days=90]",
                many=True,
            ),
        ),
        P + "storage_id",
    ),
    FormSection(
        "Hooks",
        tuple(
            FormField(
                path=f"{P}hooks.{name}",
                label=label,
                format=HOOK,
                help="NAME IMAGE [timeout=10m] [on-failure=continue] [when=failure] "
                "[VAR=SECRET/KEY] -- COMMAND",
                many=True,
            )
            for name, label in (("pre", "before"), ("validate", "validate"), ("post", "after"))
        ),
        P + "storage_id",
    ),
    FormSection(
        "Drill",
        (
            FormField(path=P + "drill.schedule", label="schedule", help="of test restores; empty: none"),
            FormField(
                path=P + "drill.time_zone", label="time zone", help="an IANA name; empty is the cluster's own"
            ),
            FormField(path=P + "drill.pick", label="snapshot", choices=("newest", "random")),
            FormField(path=P + "drill.deadline_seconds", label="stop after", format=DURATION),
            FormField(
                path=P + "drill.check.image", label="check image", help="empty: files are only compared"
            ),
            FormField(
                path=P + "drill.check.command",
                label="check command",
                format=WORDS,
                help="sees the files below /restored",
            ),
        ),
        P + "storage_id",
    ),
)
FIELDS = {field.path: field for section in SECTIONS for field in section.fields}
LEADS = {
    "policy": P + "storage_id",
    P + "include.database": P + "include.database.image",
    P + "drill": P + "drill.schedule",
    P + "drill.check": P + "drill.check.image",
}
"""Each group of fields that can be absent, with its leading field."""


def leading_fields(path: str) -> tuple[str, ...]:
    """Return the fields that must be filled for this one to be used, the outermost first."""
    return tuple(lead for group, lead in LEADS.items() if path.startswith(group + ".") and path != lead)
