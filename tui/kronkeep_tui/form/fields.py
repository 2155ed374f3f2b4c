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
            Field("namespace", "namespace"),
            Field("name", "name", help="a-z, 0-9 and '-', at most 52 characters"),
            Field("image", "image", help="such as registry.example/team/image:tag"),
            Field("command", "command", WORDS, "words as in a shell, with quotes; no shell runs them"),
            Field("args", "arguments", WORDS, "words after the command, or after the image's own"),
            Field("schedule", "schedule", help="minute hour day month weekday, such as 0 2 * * *, or @daily"),
            Field("time_zone", "time zone", help="an IANA name; empty is the cluster's own"),
            Field("env", "variable", ENV, "NAME=value, or NAME from SECRET/KEY", many=True),
            Field("volumes", "claim", VOLUME, "CLAIM /PATH, or CLAIM /PATH read-only", many=True),
        ),
    ),
    Section(
        "Running",
        (
            Field("suspend", "suspended", YES, choices=NO_YES),
            Field("concurrency_policy", "overlap", choices=("Forbid", "Allow", "Replace"),
                  help="when the run before still goes on"),
            Field("starting_deadline_seconds", "start within", DURATION, "later than that a run is missed"),
            Field("active_deadline_seconds", "stop after", DURATION, "a run that takes longer is stopped"),
            Field("backoff_limit", "retries", INTEGER, "how often a failed pod is started again"),
            Field("successful_jobs_history_limit", "keep good", INTEGER, "Jobs that Kubernetes keeps"),
            Field("failed_jobs_history_limit", "keep failed", INTEGER, "Jobs that Kubernetes keeps"),
            Field("service_account", "account", help="the pods' service account"),
        ),
    ),
    Section(
        "Backup",
        (
            Field(P + "storage_id", "storage", help="empty: no backup"),
            Field(P + "enabled", "enabled", YES, choices=NO_YES),
            Field(P + "schedule", "schedule", help="empty: after each run"),
            Field(P + "time_zone", "time zone", help="an IANA name; empty is the cluster's own"),
            Field(P + "on_conflict", "on conflict", choices=ON_CONFLICT,
                  help="when the schedules conflict: refuse, move the backup, drop its schedule, keep it"),
            Field(P + "when", "when", choices=("success", "always"), help="after good runs, or after any"),
            Field(P + "delay_seconds", "delay", DURATION, "from the run's end to the backup's start"),
            Field(P + "rpo_seconds", "at least every", DURATION, "no good backup for longer is overdue"),
            Field(P + "expected_duration_seconds", "a run takes", DURATION, "until its history says"),
            Field(P + "deadline_seconds", "stop after", DURATION, "a backup that takes longer fails"),
            Field(P + "retries", "retries", INTEGER, "how often a failed backup is tried again"),
        ),
    ),
    Section(
        "Archive",
        (
            Field(P + "source.claims", "claim", CLAIM, "CLAIM, or CLAIM PATH ...; none: all of the run's",
                  many=True),
            Field(P + "include.volumes", "volumes", YES, choices=NO_YES),
            Field(P + "include.configuration", "manifests", YES, choices=NO_YES,
                  help="the CronJob and its ConfigMaps too"),
            Field(P + "include.database.image", "dump image", help="empty: no database dump"),
            Field(P + "include.database.command", "dump command", WORDS, "what it prints is archived"),
            Field(P + "include.database.file_name", "dump file", help="its name in the archive"),
            Field(P + "include.database.env", "dump variable", SECRET_ENV, "NAME from SECRET/KEY", many=True),
            Field(P + "backup_type", "type", choices=("incremental", "full"),
                  help="full reads every file again"),
            Field(P + "compression", "compression", choices=("auto", "off", "max")),
            Field(P + "encryption.enabled", "encrypted", YES, choices=("yes", "no"),
                  help="no: anyone who can read the storage can read the archive"),
            Field(P + "encryption.key", "own key", SECRET, "SECRET/KEY; empty: the storage's password"),
        ),
        P + "storage_id",
    ),
    Section(
        "Keep",
        tuple(
            Field(f"{P}retention.{name}", label, INTEGER, help)
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
            Field(f"{P}hooks.{name}", label, HOOK,
                  "NAME IMAGE [timeout=10m] [on-failure=continue] [when=failure] [VAR=SECRET/KEY] -- COMMAND",
                  many=True)
            for name, label in (("pre", "before"), ("validate", "validate"), ("post", "after"))
        ),
        P + "storage_id",
    ),
    Section(
        "Drill",
        (
            Field(P + "drill.schedule", "schedule", help="of test restores; empty: none"),
            Field(P + "drill.time_zone", "time zone", help="an IANA name; empty is the cluster's own"),
            Field(P + "drill.pick", "snapshot", choices=("newest", "random")),
            Field(P + "drill.deadline_seconds", "stop after", DURATION),
            Field(P + "drill.check.image", "check image", help="empty: files are only compared"),
            Field(P + "drill.check.command", "check command", WORDS, "sees the files below /restored"),
        ),
        P + "storage_id",
    ),
)  # fmt: skip
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
