"""The tables and views of a PostgreSQL sink, and how each version of them becomes the next.

Every table has the columns that people search and the whole document as `body`. Its key is the daemon and the
document's id, so that many daemons ship into one database. `generation` and `sequence` say as of which change
the row is.
"""

from typing import NamedTuple

SCHEMA = "kronkeep"
MIGRATION_LOCK = 0x6B6B736E  # "kksn": of pg_advisory_xact_lock, so that one daemon migrates


class ComputedColumn(NamedTuple):
    """A column whose value is no field of the document: its SQL, in which `r` has the fields."""

    name: str
    type: str
    value: str


class SinkTable(NamedTuple):
    """A table of the sink.

    fields: the columns that are fields of the document, as SQL (name and type).
    read: fields, as SQL, that only the computed columns need.
    """

    name: str
    fields: tuple[str, ...]
    computed: tuple[ComputedColumn, ...] = ()
    read: tuple[str, ...] = ()


_OWNER = ("cluster text", "namespace text", "cronjob text", "cronjob_id text")
_TIMES = (
    "created_at timestamptz",
    "started_at timestamptz",
    "ended_at timestamptz",
    "duration_seconds double precision",
)
_CAUSE = ("reason text", "message text")
_RUNS = SinkTable(
    name="runs",
    fields=(
        *_OWNER,
        "job text",
        "status text",
        "trigger text",
        "scheduled_at timestamptz",
        *_TIMES,
        "exit_code bigint",
        "policy_id text",
        "backup_id text",
        *_CAUSE,
    ),
)
_BACKUPS = SinkTable(
    name="backups",
    fields=(
        *_OWNER,
        "policy_id text",
        "storage_id text",
        "status text",
        *_TIMES,
        "verified_at timestamptz",
        "snapshot_removed_at timestamptz",
        "snapshot_missing_at timestamptz",
        *_CAUSE,
    ),
    computed=(
        ComputedColumn("run_id", "text", "r.cronjob_execution_id"),
        ComputedColumn("trigger", "text", "coalesce(r.trigger, 'after-run')"),
        ComputedColumn("backup_type", "text", "coalesce(r.backup_type, 'incremental')"),
        ComputedColumn("snapshot_id", "text", "r.result->>'snapshot_id'"),
        ComputedColumn("bytes_read", "bigint", "(r.result->>'bytes_read')::bigint"),
        ComputedColumn("bytes_stored", "bigint", "(r.result->>'bytes_stored')::bigint"),
    ),
    read=("cronjob_execution_id text", "trigger text", "backup_type text", "result jsonb"),
)
_RESTORES = SinkTable(
    name="restores",
    fields=(
        *_OWNER,
        "policy_id text",
        "backup_id text",
        "snapshot_id text",
        "storage_id text",
        "status text",
        *_TIMES,
        *_CAUSE,
    ),
    computed=(ComputedColumn("purpose", "text", "coalesce(r.purpose, 'restore')"),),
    read=("purpose text",),
)
_ALERTS = SinkTable(
    name="alerts",
    fields=(
        *_OWNER,
        "code text",
        "severity text",
        "status text",
        "kind text",
        "object text",
        "since timestamptz",
        "created_at timestamptz",
        "acknowledged_at timestamptz",
        "acknowledged_by text",
        "resolved_at timestamptz",
        "message text",
        "next_step text",
    ),
)
_COPIES = SinkTable(
    name="copies",
    fields=(
        *_OWNER,
        "policy_id text",
        "backup_id text",
        "from_storage_id text",
        "storage_id text",
        "status text",
        "attempt bigint",
        *_TIMES,
        "snapshot_id text",
        "verified_at timestamptz",
        "snapshot_removed_at timestamptz",
        "snapshot_missing_at timestamptz",
        *_CAUSE,
    ),
    computed=(ComputedColumn("trigger", "text", "coalesce(r.trigger, 'after-backup')"),),
    read=("trigger text",),
)
_OLDEST_TABLES = {"executions": _RUNS, "backups": _BACKUPS, "restores": _RESTORES, "alerts": _ALERTS}
TABLES = {**_OLDEST_TABLES, "copies": _COPIES}
"""By the name of the history's table."""


def _create_table(table: SinkTable) -> str:
    computed = (f"{column.name} {column.type}" for column in table.computed)
    return (
        f"CREATE TABLE kronkeep.{table.name}(daemon integer NOT NULL REFERENCES kronkeep.daemons(number),"
        " id text NOT NULL, generation bigint NOT NULL, sequence bigint NOT NULL, removed_at timestamptz,"
        f" {', '.join((*table.fields, *computed))}, body jsonb NOT NULL, PRIMARY KEY(daemon, id))"
    )


_DAEMONS = """
CREATE TABLE kronkeep.daemons(
    number integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    history_id text NOT NULL UNIQUE, name text NOT NULL, version text NOT NULL,
    generation bigint NOT NULL DEFAULT 0, sequence bigint, checksum bigint,
    copied_table text, copied_number bigint,
    seen_at timestamptz NOT NULL DEFAULT now(), shipped_at timestamptz)
"""
_REFUSED = """
CREATE TABLE kronkeep.refused(
    daemon integer NOT NULL REFERENCES kronkeep.daemons(number), table_name text NOT NULL, id text NOT NULL,
    sequence bigint NOT NULL, refused_at timestamptz NOT NULL DEFAULT now(), fault text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY(daemon, table_name, id))
"""
# Where two daemons watch one cluster, both ship its runs: ids are counted once.
_FAILURES = """
CREATE VIEW kronkeep.failures_of_90_days AS
SELECT cluster, namespace, count(DISTINCT id) AS runs,
    count(DISTINCT id) FILTER (WHERE status = 'failed') AS failed,
    count(DISTINCT id) FILTER (WHERE status = 'missed') AS missed,
    round(100.0 * count(DISTINCT id) FILTER (WHERE status = 'failed') / count(DISTINCT id), 2)
        AS failed_percent,
    max(created_at) FILTER (WHERE status = 'failed') AS last_failed_at
FROM kronkeep.runs WHERE created_at > now() - interval '90 days' GROUP BY cluster, namespace
"""
_LAST_GOOD = """
CREATE VIEW kronkeep.last_good_backups AS
SELECT cluster, policy_id, max(namespace) AS namespace, max(cronjob) AS cronjob,
    (array_agg(storage_id ORDER BY created_at DESC) FILTER (WHERE is_good))[1] AS storage_id,
    (array_agg(id ORDER BY created_at DESC) FILTER (WHERE is_good))[1] AS backup_id,
    (array_agg(snapshot_id ORDER BY created_at DESC) FILTER (WHERE is_good))[1] AS snapshot_id,
    max(created_at) FILTER (WHERE is_good) AS created_at,
    now() - max(created_at) FILTER (WHERE is_good) AS age,
    max(verified_at) AS last_verified_at
FROM (SELECT *, status = 'succeeded' AND snapshot_removed_at IS NULL AND snapshot_missing_at IS NULL
        AND snapshot_id IS NOT NULL AS is_good FROM kronkeep.backups) AS judged
GROUP BY cluster, policy_id
"""
_LAST_GOOD_COPIES = """
CREATE VIEW kronkeep.last_good_copies AS
SELECT cluster, policy_id, storage_id, max(namespace) AS namespace, max(cronjob) AS cronjob,
    (array_agg(backup_id ORDER BY created_at DESC) FILTER (WHERE is_good))[1] AS backup_id,
    (array_agg(snapshot_id ORDER BY created_at DESC) FILTER (WHERE is_good))[1] AS snapshot_id,
    max(created_at) FILTER (WHERE is_good) AS created_at,
    now() - max(created_at) FILTER (WHERE is_good) AS age,
    max(verified_at) AS last_verified_at
FROM (SELECT *, status = 'succeeded' AND snapshot_removed_at IS NULL AND snapshot_missing_at IS NULL
        AND snapshot_id IS NOT NULL AS is_good FROM kronkeep.copies) AS judged
GROUP BY cluster, policy_id, storage_id
"""
# Daemons that have shipped everything else copy this table once; a copy of everything comes to it by itself.
_COPY_COPIES = """
UPDATE kronkeep.daemons SET copied_table = 'copies', copied_number = 0
WHERE sequence IS NOT NULL AND copied_table IS NULL
"""
# The record of a missed slot is retracted when the slot's Job comes after all. A copy of everything does not
# tell that from a record that expired, nor did earlier versions: there the Job's own record does.
DELETE_REFUTED = """
DELETE FROM kronkeep.runs AS missed USING kronkeep.runs AS run
WHERE missed.status = 'missed' AND missed.removed_at IS NOT NULL
    AND run.job IS NOT NULL AND run.trigger = 'scheduled' AND run.scheduled_at = missed.scheduled_at
    AND run.cluster = missed.cluster AND run.cronjob_id = missed.cronjob_id
"""
_DAYS = """
CREATE VIEW kronkeep.days_of_cronjobs AS
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, cluster, namespace, cronjob, count(DISTINCT id) AS runs,
    count(DISTINCT id) FILTER (WHERE status = 'failed') AS failed, avg(duration_seconds) AS average_seconds,
    max(duration_seconds) AS longest_seconds
FROM kronkeep.runs GROUP BY 1, 2, 3, 4
"""
_OPEN_ALERTS = """
CREATE VIEW kronkeep.open_alerts AS
SELECT daemons.name AS daemon, alerts.cluster, namespace, cronjob, code, severity, status, object, since,
    message, next_step, now() - since AS age
FROM kronkeep.alerts JOIN kronkeep.daemons ON daemons.number = alerts.daemon
WHERE status <> 'resolved' AND removed_at IS NULL
"""
_FLEET = """
CREATE VIEW kronkeep.fleet AS
SELECT name, version, history_id, sequence, copied_table IS NOT NULL OR sequence IS NULL AS is_copying,
    shipped_at, now() - seen_at AS silent_for,
    (SELECT count(*) FROM kronkeep.refused WHERE daemon = number) AS refused
FROM kronkeep.daemons
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _DAEMONS,
        *(_create_table(table) for table in _OLDEST_TABLES.values()),
        "CREATE INDEX runs_by_time ON kronkeep.runs(created_at)",
        "CREATE INDEX runs_by_cronjob ON kronkeep.runs(cronjob_id, created_at)",
        "CREATE INDEX backups_by_policy ON kronkeep.backups(policy_id, created_at)",
        _REFUSED,
        _FAILURES,
        _LAST_GOOD,
        _DAYS,
        _OPEN_ALERTS,
        _FLEET,
    ),
    (
        _create_table(_COPIES),
        "CREATE INDEX copies_by_policy ON kronkeep.copies(policy_id, storage_id, created_at)",
        _LAST_GOOD_COPIES,
        _COPY_COPIES,
    ),
    (DELETE_REFUTED,),
)
"""The statements that lead to version 1, 2, ...; what has been released does not change any more."""


def upsert(table: SinkTable) -> str:
    """Return the statement that puts documents, given as JSON, where no later state of them is there."""
    fields = [field.split()[0] for field in table.fields]
    names = [*fields, *(column.name for column in table.computed)]
    values = [*(f"r.{field}" for field in fields), *(column.value for column in table.computed)]
    columns = ["daemon", "id", "generation", "sequence", "removed_at", *names, "body"]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns[2:])
    return (
        f"INSERT INTO kronkeep.{table.name} AS old({', '.join(columns)})"
        f" SELECT %s, e.id, %s, e.sequence, NULL, {', '.join(values)}, e.body"
        " FROM jsonb_to_recordset(%s::jsonb) AS e(id text, sequence bigint, body jsonb),"
        f" jsonb_to_record(e.body) AS r({', '.join((*table.fields, *table.read))})"
        f" ON CONFLICT(daemon, id) DO UPDATE SET {updates}"
        " WHERE (old.generation, old.sequence) <= (excluded.generation, excluded.sequence)"
    )


def mark_removed(table: SinkTable) -> str:
    """Return the statement that marks documents as removed from the history."""
    return (
        f"UPDATE kronkeep.{table.name} AS old SET removed_at = now(), generation = %s, sequence = e.sequence"
        " FROM jsonb_to_recordset(%s::jsonb) AS e(id text, sequence bigint)"
        " WHERE old.daemon = %s AND old.id = e.id"
    )


def delete_rows(table: SinkTable) -> str:
    """Return the statement that deletes what was not so, by its ids."""
    return f"DELETE FROM kronkeep.{table.name} WHERE daemon = %s AND id = ANY(%s)"


def mark_rest_removed(table: SinkTable) -> str:
    """Return the statement that marks as removed what a copy of the whole history did not hold."""
    return (
        f"UPDATE kronkeep.{table.name} SET removed_at = now()"
        " WHERE daemon = %s AND generation < %s AND removed_at IS NULL"
    )
