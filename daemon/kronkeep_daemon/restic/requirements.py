"""What a policy needs of restic's version: the first version with each option, as a table; pure.

Source: restic's changelog/ up to 0.19.1. What a version lacks is refused with an error before a Job is
created; nothing is left out of a backup without saying so.
"""

from typing import NamedTuple

from kronkeep_common.errors import ToolMissing
from kronkeep_common.models import BackupPolicySpec
from kronkeep_daemon.restic.version import ResticVersion


class Feature(NamedTuple):
    """An option of restic: what people call it, and the first version that has it."""

    title: str
    since: ResticVersion


COMPRESSION = Feature("Compression other than auto", ResticVersion(0, 14, 0))
READ_CONCURRENCY = Feature("A number of files read at once (--read-concurrency)", ResticVersion(0, 15, 0))
PACK_SIZE = Feature("A pack size (--pack-size)", ResticVersion(0, 14, 0))
SECOND_COPY = Feature("A second copy (restic copy --from-repo)", ResticVersion(0, 14, 0))
STDIN_FROM_COMMAND = Feature("A database dump (--stdin-from-command)", ResticVersion(0, 17, 0))
SPARSE = Feature("Sparse files in restores (--sparse)", ResticVersion(0, 15, 0))
NO_PASSWORD = Feature("Encryption off (--insecure-no-password)", ResticVersion(0, 17, 0))


def features_of(policy: BackupPolicySpec) -> list[Feature]:
    """Return what the policy needs that not every version of restic has."""
    features = []
    if policy.compression != "auto":
        features.append(COMPRESSION)
    if policy.read_concurrency is not None:
        features.append(READ_CONCURRENCY)
    if policy.pack_size_mib is not None:
        features.append(PACK_SIZE)
    if policy.include.database is not None:
        features.append(STDIN_FROM_COMMAND)
    if not policy.encryption.enabled:
        features.append(NO_PASSWORD)
    if policy.copies:
        features.append(SECOND_COPY)
    return features


def require(version: ResticVersion, policy: BackupPolicySpec) -> None:
    """Raise ToolMissing for the first feature that the policy needs and the version lacks.

    An unknown version has none of the features.
    """
    for feature in features_of(policy):
        if version < feature.since:
            installed = str(version) or "an unknown version"
            raise ToolMissing(
                f"{feature.title} needs restic {feature.since}, and the archives' image has {installed}.",
                next_step="Set archive.image to a newer restic, or change the policy.",
                field="policy",
            )
