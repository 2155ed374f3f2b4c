"""Every metric family: the one table of the exposition, its reference, the rules and the dashboard.

Names follow Prometheus (https://prometheus.io/docs/practices/naming): base units, `_total` on counters only.
"""

from typing import Literal, NamedTuple

Kind = Literal["gauge", "counter", "histogram"]

CRONJOB_LABELS = ("cluster", "namespace", "cronjob")
COPY_LABELS = (*CRONJOB_LABELS, "storage")
STORAGE_LABELS = ("cluster", "storage")
PER_CRONJOB = "each CronJob"
PER_POLICY = "each CronJob with a policy"
PER_COPY = "each copy of a policy's backups"
PER_STORAGE = "each storage"
PER_DAEMON = "the daemon"


class MetricFamily(NamedTuple):
    """One family; `name` is without `_total` of a counter, `one_for` says what each series is about."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    one_for: str = PER_DAEMON


def _cronjob(name: str, text: str) -> MetricFamily:
    return MetricFamily(
        name=f"kronkeep_cronjob_{name}", kind="gauge", help=text, labels=CRONJOB_LABELS, one_for=PER_CRONJOB
    )


def _policy(name: str, text: str) -> MetricFamily:
    return MetricFamily(
        name=f"kronkeep_policy_{name}", kind="gauge", help=text, labels=CRONJOB_LABELS, one_for=PER_POLICY
    )


def _copy(name: str, text: str) -> MetricFamily:
    return MetricFamily(
        name=f"kronkeep_copy_{name}", kind="gauge", help=text, labels=COPY_LABELS, one_for=PER_COPY
    )


def _storage(name: str, text: str) -> MetricFamily:
    return MetricFamily(
        name=f"kronkeep_storage_{name}", kind="gauge", help=text, labels=STORAGE_LABELS, one_for=PER_STORAGE
    )


CRONJOB_LAST_SUCCESS = _cronjob("last_success_timestamp_seconds", "When the newest run that succeeded ended.")
CRONJOB_LAST_RUN_OK = _cronjob("last_run_ok", "1 where the newest run that ended succeeded, else 0.")
CRONJOB_LAST_DURATION = _cronjob("last_run_duration_seconds", "How long the newest run took.")
CRONJOB_LATE_SINCE = _cronjob(
    "late_since_timestamp_seconds", "The oldest slot without a run after the grace period; absent on time."
)
CRONJOB_NEXT_RUN = _cronjob("next_run_timestamp_seconds", "The next slot; absent while suspended.")
CRONJOB_SUSPENDED = _cronjob("suspended", "1 where the CronJob is suspended, else 0.")

POLICY_LAST_GOOD = _policy("last_good_backup_timestamp_seconds", "When the newest good backup was made.")
POLICY_LAST_VERIFIED = _policy(
    "last_verified_timestamp_seconds", "When a backup was last restored in full and found identical."
)
POLICY_RPO = _policy("rpo_seconds", "How old the newest good backup may be (rpo_seconds of the policy).")
POLICY_OVERDUE = _policy("overdue", "1 where the newest good backup is older than rpo_seconds, else 0.")
POLICY_LAST_OK = _policy("last_backup_ok", "1 where the newest backup that ended is good, else 0.")
POLICY_READ_BYTES = _policy("last_backup_read_bytes", "Bytes that the newest good backup read.")
POLICY_NEW_BYTES = _policy(
    "last_backup_new_bytes", "Bytes of the newest good backup that were new to the repository."
)
POLICY_LAST_DURATION = _policy("last_backup_duration_seconds", "How long the newest good backup took.")
POLICY_NEXT_BACKUP = _policy("next_backup_timestamp_seconds", "When the next backup is due.")

POLICY_RTO = _policy("rto_seconds", "How long restoring the newest good backup may take (rto_seconds).")
POLICY_EXPECTED_RESTORE = _policy(
    "expected_restore_seconds",
    "How long restoring the newest good backup will take, by earlier restores and drills.",
)

COPY_NEWEST = _copy("newest_backup_timestamp_seconds", "When the newest good backup in the copy was made.")
COPY_LAG = _copy("lag_seconds", "How long the copy has lacked a good backup of the policy; 0 without one.")
COPY_OVERDUE = _copy(
    "overdue", "1 where its newest good backup is older than the copy's rpo_seconds, else 0."
)
COPY_VERIFIED = _copy("last_verified_timestamp_seconds", "When a backup in the copy was last restored.")

STORAGE_USED = _storage("used_bytes", "Bytes that restic stores there.")
STORAGE_CAPACITY = _storage("capacity_bytes", "Bytes that it may hold; absent where that is not known.")
STORAGE_AVAILABLE = _storage("available_bytes", "Bytes that are left; absent where that is not known.")
STORAGE_SNAPSHOTS = _storage("snapshots", "Snapshots in its repositories.")
STORAGE_MISSING = _storage(
    "missing_snapshots", "Snapshots of backups that are no longer there and nobody has acknowledged."
)
STORAGE_FULL_IN = _storage(
    "until_full_seconds", "Time until it is full, by the growth of the last 30 days; absent without growth."
)
STORAGE_REACHABLE = _storage(
    "reachable", "1 where its repository could be opened the last time, as that of a full one can, else 0."
)
STORAGE_CHECK_OK = _storage("check_ok", "1 where restic check found no error the last time, else 0.")
STORAGE_CHECKED = _storage("checked_timestamp_seconds", "When restic check last ended.")
STORAGE_MEASURED = _storage("measured_timestamp_seconds", "When its size was last measured.")

RUNS_ENDED = MetricFamily(
    name="kronkeep_runs_ended",
    kind="counter",
    help="Runs that ended, by status.",
    labels=("cluster", "status"),
    one_for="cluster, status",
)
BACKUPS_ENDED = MetricFamily(
    name="kronkeep_backups_ended",
    kind="counter",
    help="Backups that ended, by status.",
    labels=("cluster", "status"),
    one_for="cluster, status",
)
RESTORES_ENDED = MetricFamily(
    name="kronkeep_restores_ended",
    kind="counter",
    help="Restores, drills and verifications that ended, by purpose and status.",
    labels=("cluster", "purpose", "status"),
    one_for="cluster, purpose, status",
)
RUN_DURATION = MetricFamily(
    name="kronkeep_run_duration_seconds",
    kind="histogram",
    help="Durations of runs that ended.",
    labels=("cluster",),
    one_for="cluster",
)
BACKUP_DURATION = MetricFamily(
    name="kronkeep_backup_duration_seconds",
    kind="histogram",
    help="Durations of good backups.",
    labels=("cluster",),
    one_for="cluster",
)
QUEUE_WAITING = MetricFamily(
    name="kronkeep_queue_waiting",
    kind="gauge",
    help="Work that waits for its turn on a repository.",
    labels=("work",),
    one_for="each kind of work",
)
QUEUE_OLDEST = MetricFamily(
    name="kronkeep_queue_oldest_wait_seconds",
    kind="gauge",
    help="How long the oldest of that work has waited; 0 where none waits.",
    labels=("work",),
    one_for="each kind of work",
)
QUEUE_WAIT = MetricFamily(
    name="kronkeep_queue_wait_seconds",
    kind="histogram",
    help="How long work waited for its turn on a repository.",
    labels=("work",),
    one_for="each kind of work",
)
WATCH_LIVE = MetricFamily(
    name="kronkeep_watch_live",
    kind="gauge",
    help="1 where the watch is live, else 0.",
    labels=("cluster", "watch"),
    one_for="each watch",
)
WATCH_SINCE = MetricFamily(
    name="kronkeep_watch_since_timestamp_seconds",
    kind="gauge",
    help="Since when the watch is as it is.",
    labels=("cluster", "watch"),
    one_for="each watch",
)
LEADING = MetricFamily(
    name="kronkeep_leading",
    kind="gauge",
    help="1 where this daemon acts on the cluster, else 0.",
    labels=("cluster",),
    one_for="cluster",
)
HISTORY_COMMIT = MetricFamily(
    name="kronkeep_history_commit_duration_seconds",
    kind="histogram",
    help="How long it took to make changes durable.",
)
HISTORY_WRITABLE = MetricFamily(
    name="kronkeep_history_writable",
    kind="gauge",
    help="0 while the disk is full and changes are refused, else 1.",
)
HISTORY_SIZE = MetricFamily(
    name="kronkeep_history_size_bytes", kind="gauge", help="Bytes of the history's database."
)
KEPT_LOGS_SIZE = MetricFamily(
    name="kronkeep_kept_logs_bytes", kind="gauge", help="Bytes of all kept logs on the disk."
)
KEPT_LOGS_REMOVED = MetricFamily(
    name="kronkeep_kept_logs_removed",
    kind="counter",
    help="Runs, backups and restores whose kept logs went: a limit of their namespace or of all.",
    labels=("cluster", "namespace", "limit"),
    one_for="each namespace that lost logs",
)
SINK_LAG = MetricFamily(
    name="kronkeep_sink_lag",
    kind="gauge",
    help="Changes that a sink of the history does not have yet; absent while that is not known.",
    labels=("sink",),
    one_for="sink",
)
ALERTS = MetricFamily(
    name="kronkeep_alerts",
    kind="gauge",
    help="Alerts that have not ended, by rule.",
    labels=("code", "severity", "status"),
    one_for="alert code, severity, status",
)
NOTICES = MetricFamily(
    name="kronkeep_notices",
    kind="counter",
    help="Messages to channels, by their outcome.",
    labels=("channel", "outcome"),
    one_for="channel, outcome",
)
CHANNEL_STUCK = MetricFamily(
    name="kronkeep_channel_stuck",
    kind="gauge",
    help="1 where a channel accepts no messages, else 0.",
    labels=("channel",),
    one_for="channel",
)
REQUESTS = MetricFamily(
    name="kronkeep_requests",
    kind="counter",
    help="Requests to the socket API that were answered.",
    labels=("method", "route", "status"),
    one_for="route, status",
)
BUILD = MetricFamily(
    name="kronkeep_build_info", kind="gauge", help="1, with the daemon's version.", labels=("version",)
)
NOW = MetricFamily(
    name="kronkeep_exposition_timestamp_seconds", kind="gauge", help="When these figures were written."
)
PROCESS_CPU = MetricFamily(
    name="kronkeep_process_cpu_seconds", kind="counter", help="CPU time of the daemon."
)
PROCESS_RSS = MetricFamily(
    name="kronkeep_process_resident_memory_bytes", kind="gauge", help="Memory of the daemon."
)
PROCESS_VIRTUAL = MetricFamily(
    name="kronkeep_process_virtual_memory_bytes", kind="gauge", help="Address space of the daemon."
)
PROCESS_START = MetricFamily(
    name="kronkeep_process_start_time_seconds", kind="gauge", help="When the daemon started."
)
PROCESS_FDS = MetricFamily(name="kronkeep_process_open_fds", kind="gauge", help="Open file descriptors.")
PROCESS_MAX_FDS = MetricFamily(
    name="kronkeep_process_max_fds", kind="gauge", help="Most file descriptors that may be open."
)

CRONJOB_FAMILIES = (
    CRONJOB_LAST_SUCCESS,
    CRONJOB_LAST_RUN_OK,
    CRONJOB_LAST_DURATION,
    CRONJOB_LATE_SINCE,
    CRONJOB_NEXT_RUN,
    CRONJOB_SUSPENDED,
    POLICY_LAST_GOOD,
    POLICY_LAST_VERIFIED,
    POLICY_RPO,
    POLICY_OVERDUE,
    POLICY_LAST_OK,
    POLICY_READ_BYTES,
    POLICY_NEW_BYTES,
    POLICY_LAST_DURATION,
    POLICY_NEXT_BACKUP,
    POLICY_RTO,
    POLICY_EXPECTED_RESTORE,
)
STORAGE_FAMILIES = (
    STORAGE_USED,
    STORAGE_CAPACITY,
    STORAGE_AVAILABLE,
    STORAGE_SNAPSHOTS,
    STORAGE_MISSING,
    STORAGE_FULL_IN,
    STORAGE_REACHABLE,
    STORAGE_CHECK_OK,
    STORAGE_CHECKED,
    STORAGE_MEASURED,
)
DAEMON_FAMILIES = (
    RUNS_ENDED,
    RUN_DURATION,
    BACKUPS_ENDED,
    BACKUP_DURATION,
    RESTORES_ENDED,
    QUEUE_WAITING,
    QUEUE_OLDEST,
    QUEUE_WAIT,
    WATCH_LIVE,
    WATCH_SINCE,
    LEADING,
    HISTORY_COMMIT,
    HISTORY_WRITABLE,
    HISTORY_SIZE,
    KEPT_LOGS_SIZE,
    KEPT_LOGS_REMOVED,
    SINK_LAG,
    ALERTS,
    NOTICES,
    CHANNEL_STUCK,
    REQUESTS,
    BUILD,
    NOW,
    PROCESS_CPU,
    PROCESS_RSS,
    PROCESS_VIRTUAL,
    PROCESS_START,
    PROCESS_FDS,
    PROCESS_MAX_FDS,
)
COPY_FAMILIES = (COPY_NEWEST, COPY_LAG, COPY_OVERDUE, COPY_VERIFIED)
ALL_FAMILIES = (*CRONJOB_FAMILIES, *COPY_FAMILIES, *STORAGE_FAMILIES, *DAEMON_FAMILIES)


def series_names(family: MetricFamily) -> tuple[str, ...]:
    """Return the names that the family's series have."""
    if family.kind == "counter":
        return (f"{family.name}_total",)
    if family.kind == "histogram":
        return tuple(f"{family.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
    return (family.name,)
