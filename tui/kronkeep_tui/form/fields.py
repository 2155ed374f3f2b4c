"""The form's fields: every leaf of CronJobCreate and its BackupPolicySpec, as one table.

`path` leads to the leaf (`policy.retention.days`); `many` fields hold one entry a row. `leads` names the
field without which a group does not exist: no storage is no policy, no drill schedule no drill.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kronkeep_tui.form import value_texts


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """How a value is read from its text and written; `empty` says whether no text is no value."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _integer(text: str) -> int:
    from kronkeep_common.errors import InvalidRequest

    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidRequest("A whole number is wanted.")
    return int(text)


def _seconds(text: str) -> float | int:
    """Whole seconds as an integer, which fields of both kinds take."""
    found = value_texts.read_duration(text)
    return int(found) if found == int(found) else found


TEXT = Kind(_same, str)
WORDS = Kind(value_texts.read_words, value_texts.write_words)
INTEGER = Kind(_integer, str)
DURATION = Kind(_seconds, value_texts.write_duration)
YES = Kind(lambda text: text == "yes", lambda value: "yes" if value else "no")
SECRET = Kind(value_texts.read_secret, value_texts.write_secret)
ENV = Kind(value_texts.read_env, value_texts.write_env)
VOLUME = Kind(value_texts.read_volume, value_texts.write_volume)
CLAIM = Kind(value_texts.read_claim, value_texts.write_claim)
HOOK = Kind(value_texts.read_hook, value_texts.write_hook)
SECRET_ENV = Kind(
    lambda text: dict([value_texts.read_secret_env(text)]),
    lambda value: f"{next(iter(value))} from {value_texts.write_secret(next(iter(value.values())))}",
)


class Field(NamedTuple):
    """One leaf: where it goes, what it is called, how it is written, what may be chosen, what helps."""

    path: str
    label: str
    kind: Kind = TEXT
    help: str = ""
    choices: tuple[str, ...] = ()
    many: bool = False


class Section(NamedTuple):
    """Fields under one heading; they are there once the field `leads` is filled."""

    title: str
    fields: tuple[Field, ...]
    leads: str = ""


P = "policy."
ON_CONFLICT = ("reject", "shift", "after-run", "accept")
NO_YES = ("no", "yes")
SECTIONS = (
    Section(
        "CronJob",
        (
            Field(path="namespace", label="namespace"),
            Field(path="name", label="name", help="a-z, 0-9 and '-', at most 52 characters"),
            Field(path="image", label="image", help="such as registry.example/team/image:tag"),
            Field(
                path="command",
                label="command",
                kind=WORDS,
                help="words as in a shell, with quotes; no shell runs them",
            ),
            Field(
                path="args",
                label="arguments",
                kind=WORDS,
                help="words after the command, or after the image's own",
            ),
            Field(
                path="schedule",
                label="schedule",
                help="minute hour day month weekday, such as 0 2 * * *, or @daily",
            ),
            Field(path="time_zone", label="time zone", help="an IANA name; empty is the cluster's own"),
            Field(
                path="env", label="variable", kind=ENV, help="NAME=value, or NAME from SECRET/KEY", many=True
            ),
            Field(
                path="volumes",
                label="claim",
                kind=VOLUME,
                help="CLAIM /PATH, or CLAIM /PATH read-only",
                many=True,
            ),
        ),
    ),
    Section(
        "Running",
        (
            Field(path="suspend", label="suspended", kind=YES, choices=NO_YES),
            Field(
                path="concurrency_policy",
                label="overlap",
                choices=("Forbid", "Allow", "Replace"),
                help="when the run before still goes on",
            ),
            Field(
                path="starting_deadline_seconds",
                label="start within",
                kind=DURATION,
                help="later than that a run is missed",
            ),
            Field(
                path="active_deadline_seconds",
                label="stop after",
                kind=DURATION,
                help="a run that takes longer is stopped",
            ),
            Field(
                path="backoff_limit",
                label="retries",
                kind=INTEGER,
                help="how often a failed pod is started again",
            ),
            Field(
                path="successful_jobs_history_limit",
                label="keep good",
                kind=INTEGER,
                help="Jobs that Kubernetes keeps",
            ),
            Field(
                path="failed_jobs_history_limit",
                label="keep failed",
                kind=INTEGER,
                help="Jobs that Kubernetes keeps",
            ),
            Field(path="service_account", label="account", help="the pods' service account"),
        ),
    ),
    Section(
        "Backup",
        (
            Field(path=P + "storage_id", label="storage", help="empty: no backup"),
            Field(path=P + "enabled", label="enabled", kind=YES, choices=NO_YES),
            Field(path=P + "schedule", label="schedule", help="empty: after each run"),
            Field(path=P + "time_zone", label="time zone", help="an IANA name; empty is the cluster's own"),
            Field(
                path=P + "on_conflict",
                label="on conflict",
                choices=ON_CONFLICT,
                help="when the schedules conflict: refuse, move the backup, drop its schedule, keep it",
            ),
            Field(
                path=P + "when",
                label="when",
                choices=("success", "always"),
                help="after good runs, or after any",
            ),
            Field(
                path=P + "delay_seconds",
                label="delay",
                kind=DURATION,
                help="from the run's end to the backup's start",
            ),
            Field(
                path=P + "rpo_seconds",
                label="at least every",
                kind=DURATION,
                help="no good backup for longer is overdue",
            ),
            Field(
                path=P + "expected_duration_seconds",
                label="a run takes",
                kind=DURATION,
                help="until its history says",
            ),
            Field(
                path=P + "deadline_seconds",
                label="stop after",
                kind=DURATION,
                help="a backup that takes longer fails",
            ),
            Field(
                path=P + "retries",
                label="retries",
                kind=INTEGER,
                help="how often a failed backup is tried again",
            ),
        ),
    ),
    Section(
        "Archive",
        (
            Field(
                path=P + "source.claims",
                label="claim",
                kind=CLAIM,
                help="CLAIM, or CLAIM PATH ...; none: all of the run's",
                many=True,
            ),
            Field(path=P + "include.volumes", label="volumes", kind=YES, choices=NO_YES),
            Field(
                path=P + "include.configuration",
                label="manifests",
                kind=YES,
                choices=NO_YES,
                help="the CronJob and its ConfigMaps too",
            ),
            Field(path=P + "include.database.image", label="dump image", help="empty: no database dump"),
            Field(
                path=P + "include.database.command",
                label="dump command",
                kind=WORDS,
                help="what it prints is archived",
            ),
            Field(path=P + "include.database.file_name", label="dump file", help="its name in the archive"),
            Field(
                path=P + "include.database.env",
                label="dump variable",
                kind=SECRET_ENV,
                help="NAME from SECRET/KEY",
                many=True,
            ),
            Field(
                path=P + "backup_type",
                label="type",
                choices=("incremental", "full"),
                help="full reads every file again",
            ),
            Field(path=P + "compression", label="compression", choices=("auto", "off", "max")),
            Field(
                path=P + "encryption.enabled",
                label="encrypted",
                kind=YES,
                choices=("yes", "no"),
                help="no: anyone who can read the storage can read the archive",
            ),
            Field(
                path=P + "encryption.key",
                label="own key",
                kind=SECRET,
                help="SECRET/KEY; empty: the storage's password",
            ),
        ),
        P + "storage_id",
    ),
    Section(
        "Keep",
        tuple(
            Field(path=f"{P}retention.{name}", label=label, kind=INTEGER, help=help)
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
    Section(
        "Hooks",
        tuple(
            Field(
                path=f"{P}hooks.{name}",
                label=label,
                kind=HOOK,
                help="NAME IMAGE [timeout=10m] [on-failure=continue] [when=failure] "
                "[VAR=SECRET/KEY] -- COMMAND",
                many=True,
            )
            for name, label in (("pre", "before"), ("validate", "validate"), ("post", "after"))
        ),
        P + "storage_id",
    ),
    Section(
        "Drill",
        (
            Field(path=P + "drill.schedule", label="schedule", help="of test restores; empty: none"),
            Field(
                path=P + "drill.time_zone", label="time zone", help="an IANA name; empty is the cluster's own"
            ),
            Field(path=P + "drill.pick", label="snapshot", choices=("newest", "random")),
            Field(path=P + "drill.deadline_seconds", label="stop after", kind=DURATION),
            Field(path=P + "drill.check.image", label="check image", help="empty: files are only compared"),
            Field(
                path=P + "drill.check.command",
                label="check command",
                kind=WORDS,
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
"""The group that is there when a field of it is filled, and that field."""


def led_by(path: str) -> tuple[str, ...]:
    """The fields that must be filled for this one to count, the outermost first."""
    return tuple(lead for group, lead in LEADS.items() if path.startswith(group + ".") and path != lead)
