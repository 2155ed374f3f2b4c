"""The plan of an import: what would be created, what must be done by hand before, what is not taken over."""

import shlex
from typing import NamedTuple

from kronkeep_common import subject_names
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, ClaimPolicyManifest
from kronkeep_common.text import clean


class SecretCopy(NamedTuple):
    """A key of a Secret that the other tool reads, and its key in kronkeep's own Secret."""

    key: str
    namespace: str
    secret: str
    secret_key: str


class ImportPlan(NamedTuple):
    """The storages and the policies of claims that an import creates.

    commands: what must be run before, such as the copying of Secrets, which kronkeep never reads.
    notes: what has no counterpart, with its place and what to do instead, and what is left as it is.
    """

    storages: tuple[BackupStorageCreate, ...] = ()
    policies: tuple[ClaimPolicyManifest, ...] = ()
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def copy_command(name: str, copies: list[SecretCopy], namespace: str) -> str:
    """Return the command that makes a Secret of kronkeep's namespace from those of the other tool."""
    literals = []
    for copy in copies:
        template = f'{{{{index .data "{copy.secret_key}" | base64decode}}}}'
        where = f"-n {shlex.quote(copy.namespace)} get secret {shlex.quote(copy.secret)}"
        literals.append(
            f'--from-literal={copy.key}="$(kubectl {where} -o go-template={shlex.quote(template)})"'
        )
    create = f"kubectl -n {shlex.quote(namespace)} create secret generic {shlex.quote(name)}"
    return " ".join([create, *literals])


def describe_storage(storage: BackupStorageCreate) -> str:
    """Return a storage in one line."""
    settings = " ".join(f"{name}={value}" for name, value in storage.settings.items())
    return clean(f"storage {storage.id}: {storage.kind} {settings}, for {', '.join(storage.namespaces)}")


def describe_policy(manifest: ClaimPolicyManifest) -> str:
    """Return a policy in one line."""
    name = f"{manifest.namespace}/{subject_names.name_of_claim(manifest.claim)}"
    policy = manifest.policy
    return clean(f"policy {name}: {policy.schedule} to {policy.storage_id}, keeps {_kept(policy)}")


def _kept(policy: BackupPolicySpec) -> str:
    retention = policy.retention
    words = {
        "days": retention.days,
        "last": retention.keep_last,
        "hourly": retention.keep_hourly,
        "daily": retention.keep_daily,
        "weekly": retention.keep_weekly,
        "monthly": retention.keep_monthly,
        "yearly": retention.keep_yearly,
    }
    kept = " + ".join(f"{count} {word}" for word, count in words.items() if count)
    return kept or "the newest good one alone"
