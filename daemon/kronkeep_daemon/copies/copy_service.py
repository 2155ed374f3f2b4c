"""What the other services ask of copies: how far each is, and which copy of a backup can be restored."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupCopy, CopyState
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.copies import copy_rules
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import copy_seen_key
from kronkeep_daemon.kube.subjects import PolicySubject

_Key = tuple[object, ...]
MOST_REMEMBERED = 10_000
REMEMBERED_SECONDS = 30.0  # of what the time alone changes: whether a copy is overdue


class CopyService:
    """The states of the copies of policies, remembered while nothing changes."""

    def __init__(
        self, *, records: CopyRecords, backups: BackupRecords, history: History, clock: Clock
    ) -> None:
        self._records = records
        self._backups = backups
        self._history = history
        self._clock = clock
        self._states: dict[str, tuple[_Key, float, tuple[CopyState, ...]]] = {}

    def states_of(self, cronjob: PolicySubject) -> tuple[CopyState, ...]:
        """Return how far each copy of a CronJob's policy is."""
        carrier = policy_annotations.carrier_of(cronjob)
        if carrier is None or not carrier.policy.copies:
            return ()
        key = (
            carrier.policy,
            self._history.backups.version_of(cronjob.uid),
            self._records.version_of(cronjob.uid),
        )
        remembered = self._states.get(cronjob.uid)
        now = self._clock.monotonic()
        if remembered is not None and remembered[0] == key and now - remembered[1] < REMEMBERED_SECONDS:
            return remembered[2]
        backups = self._backups.with_result(carrier)
        states = tuple(
            copy_rules.describe_state(
                spec,
                copy_rules.retention_of(spec, carrier.policy),
                backups,
                copy_rules.by_backup(self._records.of_policy(carrier.policy, spec.storage_id)),
                now=self._clock.now(),
                first_seen=self._first_seen(cronjob, carrier.policy.id, spec.storage_id),
            )
            for spec in carrier.policy.copies
        )
        if len(self._states) >= MOST_REMEMBERED and cronjob.uid not in self._states:
            del self._states[next(iter(self._states))]
        self._states[cronjob.uid] = (key, now, states)
        return states

    def _first_seen(self, cronjob: PolicySubject, policy_id: str, storage_id: str) -> datetime:
        fact = self._history.facts.get(copy_seen_key(cronjob.uid, policy_id, storage_id))
        return fact.created_at if fact is not None else self._clock.now()

    def of_backup(self, backup_id: str) -> Sequence[BackupCopy]:
        """Return the copies of a backup."""
        return self._records.of_backup(backup_id)
