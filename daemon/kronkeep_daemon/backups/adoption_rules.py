"""Whether a CronJob may take over the backups of a policy that is gone: by name and by claims; pure.

A restore in place writes to the claims that a snapshot names, so an adopter that has other claims would
overwrite what is not its own.
"""

from collections.abc import Iterable, Sequence

from kronkeep_common import archive_contents
from kronkeep_common.errors import Conflict
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.kube.subjects import PolicySubject

MOST_NAMED = 5  # claims in one sentence


def claims_in(backups: Iterable[BackupExecution]) -> tuple[str, ...]:
    """Return the claims that the backups archived, by name."""
    return tuple(sorted({claim for backup in backups for claim in backup.claims}))


def claims_of(subject: PolicySubject, carrier: PolicyCarrier) -> frozenset[str]:
    """Return the claims that a CronJob mounts or its policy names."""
    volumes = list_mounted_volumes(subject)
    archived = archive_contents.claims_to_archive(carrier.policy, volumes)
    return frozenset((*archived, *archive_contents.list_mounted_claims(volumes)))


def find_other_claims(backups: Iterable[BackupExecution], own: frozenset[str]) -> tuple[str, ...]:
    """Return the claims in the backups that are none of the adopter's."""
    return tuple(claim for claim in claims_in(backups) if claim not in own)


def count_without_claims(backups: Iterable[BackupExecution]) -> int:
    """Return how many backups have unknown claims, such as those that were found in a repository."""
    return sum(
        not backup.claims and (backup.policy is None or backup.policy.include.volumes) for backup in backups
    )


def is_likely(backups: Sequence[BackupExecution], carrier: PolicyCarrier, own: frozenset[str]) -> bool:
    """Return whether a CronJob has the backups' own name, or all claims in them."""
    if any(backup.cronjob == carrier.cronjob for backup in backups):
        return True
    return bool(claims_in(backups)) and not find_other_claims(backups, own)


def require_own_claims(
    backups: Sequence[BackupExecution], carrier: PolicyCarrier, own: frozenset[str]
) -> None:
    """Raise Conflict where a backup has claims that are not the adopter's, or none that are known.

    With the name of the CronJob that is gone, backups whose claims are not known are the adopter's.
    """
    name = f"{carrier.namespace}/{carrier.cronjob}"
    others = find_other_claims(backups, own)
    strangers = [backup for backup in backups if backup.cronjob != carrier.cronjob]
    if others:
        message = f"The backups have claims that {name} does not have: {', '.join(others[:MOST_NAMED])}."
    elif unknown := count_without_claims(strangers):
        message = f"Which claims {unknown} of the backups have is not known, and {name} has another name."
    else:
        return
    raise Conflict(
        message,
        next_step="Choose the CronJob that has them (kronkeep storage orphans); to adopt them all the same, "
        "so that a restore in place can overwrite these claims: kronkeep adopt --other-claims.",
        field="other_claims",
    )
