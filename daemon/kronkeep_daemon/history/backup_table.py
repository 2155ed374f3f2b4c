"""The table of backups, whose policies are stored once: a record refers to its policy by the hash of that.

A policy may have 32 KiB, and a CronJob thousands of backups of one version of it.
"""

import hashlib
from collections import OrderedDict

import msgspec

from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.rows import Row
from kronkeep_daemon.history.sqlite_table import SqliteTable

MOST_CACHED_BYTES = 4 * 1024 * 1024  # of the JSON of policies


class StoredPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a policy; `id` is the hash of its JSON."""

    id: str
    created_at: str = ""
    policy_id: str
    policy: BackupPolicy


class _PolicyReference(msgspec.Struct, frozen=True, gc=False):
    """The part of a stored backup that names its policy."""

    policy_hash: str | None = None


class PolicyTable:
    """The versions of policies that backups refer to; those that are read often stay decoded."""

    def __init__(self, table: SqliteTable) -> None:
        self._records: Records[StoredPolicy] = Records(table, StoredPolicy)
        self._decoded: OrderedDict[str, tuple[BackupPolicy, int]] = OrderedDict()
        self._bytes = 0

    def put(self, policy: BackupPolicy) -> str:
        """Store a policy, unless it is stored already, and return its hash."""
        body = msgspec.json.encode(policy)
        policy_hash = hashlib.sha256(body).hexdigest()[:32]
        if policy_hash not in self._records:
            self._records.put(StoredPolicy(id=policy_hash, policy_id=policy.id, policy=policy))
        return policy_hash

    def get(self, policy_hash: str) -> BackupPolicy | None:
        """Return the policy, or None."""
        if policy_hash in self._decoded:
            self._decoded.move_to_end(policy_hash)
            return self._decoded[policy_hash][0]
        stored = self._records.get(policy_hash)
        if stored is None:
            return None
        size = len(msgspec.json.encode(stored))
        self._decoded[policy_hash] = (stored.policy, size)
        self._bytes += size
        while self._bytes > MOST_CACHED_BYTES:
            _, (_, freed) = self._decoded.popitem(last=False)
            self._bytes -= freed
        return stored.policy

    def remove_unused(self, policy_id: str, backups: Records[BackupExecution]) -> None:
        """Remove every version of a policy of which no backup is left."""
        if backups.newest(limit=1, policy_id=policy_id).items:
            return
        for page in self._records.pages(100, policy_id=policy_id):
            for stored in page:
                self._records.remove(stored.id)


class BackupTable(Records[BackupExecution]):
    """The records of backups, each read with its policy."""

    def __init__(self, table: SqliteTable, policies: PolicyTable) -> None:
        super().__init__(table, BackupExecution)
        self.policies = policies
        self._references = msgspec.json.Decoder(_PolicyReference)

    def _encode(self, record: BackupExecution) -> bytes:
        if record.policy is None:
            return msgspec.json.encode(record)
        policy_hash = self.policies.put(record.policy)
        body = msgspec.json.encode(msgspec.structs.replace(record, policy=None))
        return body[:-1] + b',"policy_hash":"%s"}' % policy_hash.encode()

    def decode(self, row: Row) -> BackupExecution:
        record = super().decode(row)
        policy_hash = self._references.decode(row.body).policy_hash
        if policy_hash is not None:  # nobody else has the record yet
            msgspec.structs.force_setattr(record, "policy", self.policies.get(policy_hash))
        return record
