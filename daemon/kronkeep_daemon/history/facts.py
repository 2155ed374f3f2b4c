"""Small named facts that must survive a restart, one document each in the table `facts`.

The functions that build keys are all here, so that no two modules use one key for two things.
"""

from datetime import datetime

import msgspec

from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.sqlite_table import SqliteTable

DAEMON_NAME = "daemon-id"
HEARTBEAT = "heartbeat"
LOST_CHANGES = "lost-changes"
TOKEN_KEY = "object-token-key"  # noqa: S105 - the name of a fact


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact, the time it is about (UTC), and what else belongs to it."""

    id: str
    created_at: datetime
    name: str | None = None
    since: datetime | None = None


def policy_seen_key(cronjob_id: str, policy_id: str) -> str:
    """Return the key of when a backup policy was first seen; runs before it are not archived."""
    return f"policy-seen/{cronjob_id}/{policy_id}"


def drill_seen_key(cronjob_id: str, policy_id: str, copy_storage_id: str = "") -> str:
    """Return the key of when a policy's drill was first seen, or of the last slot that was drilled since.

    Slots up to it are not drilled.
    copy_storage_id: the storage of the copy that is drilled; empty for the policy's own.
    """
    return "/".join(filter(None, ("drill-seen", cronjob_id, policy_id, copy_storage_id)))


def copy_seen_key(cronjob_id: str, policy_id: str, storage_id: str) -> str:
    """Return the key of when a policy's copy in a storage was first seen; slots before it are not copied."""
    return f"copy-seen/{cronjob_id}/{policy_id}/{storage_id}"


def adopted_policies_key(cronjob_id: str) -> str:
    """Return the key of the ids (`name`, between spaces) of a CronJob's policies that others have adopted."""
    return f"adopted-policies/{cronjob_id}"


def claims_seen_key(cluster_id: str) -> str:
    """Return the key of when the claims of a cluster were first listed; later ones are new."""
    return f"claims-seen/{cluster_id}"


def unusual_backups_key(cronjob_id: str) -> str:
    """Return the key of the ids (`name`, between spaces) of a CronJob's backups that were unusual."""
    return f"unusual-backups/{cronjob_id}"


def watch_key(cluster_id: str) -> str:
    """Return the key of how far (`created_at`) and since when (`since`) a cluster was watched."""
    return f"watched-until/{cluster_id}"


def parquet_months_key(sink: str, table: str) -> str:
    """Return the key of the months (`name`, JSON) of a table that a Parquet sink has written."""
    return f"parquet-months/{sink}/{table}"


def report_seen_key(schedule: str, zone: str) -> str:
    """Return the key of when a schedule of the morning report was first seen; none is sent for before."""
    return f"report-seen/{schedule}/{zone}"


def report_made_key(cluster_id: str) -> str:
    """Return the key of the moment of the last morning report that was made here about a cluster."""
    return f"report-made/{cluster_id}"


class Facts:
    """The facts of one history; changes are buffered until History.commit."""

    def __init__(self, table: SqliteTable) -> None:
        self._records: Records[Fact] = Records(table, Fact)

    def get(self, key: str) -> Fact | None:
        """Return the fact, or None."""
        return self._records.get(key)

    def set(self, key: str, at: datetime, *, name: str | None = None, since: datetime | None = None) -> None:
        """Record a fact about the time `at`, in place of an earlier one of the same key."""
        self._records.put(Fact(id=key, created_at=at, name=name, since=since))

    def first_seen(self, key: str, now: datetime) -> datetime:
        """Return the time recorded under the key; where there is none, record `now` and return it.

        A time later than `now` was recorded by a clock that was ahead: `now` takes its place.
        """
        fact = self._records.get(key)
        if fact is not None and fact.created_at <= now:
            return fact.created_at
        self.set(key, now)
        return now
