"""Names of the Jobs that work on repositories, and which pods are of such Jobs.

A lock of restic names the host that holds it: the pod, which is named after its Job. Another kronkeep may
have a storage of the same name at the same repository, so a name of ours carries a mark that is computed from
when this history recorded the storage, to the microsecond.
"""

import hashlib
import re
import secrets

from kronkeep_common.models import BackupExecution, BackupStorage

_MARK_LENGTH = 6
# Kubernetes cuts the Job's name to 57 characters and a dash, and adds five of its own.
_POD = re.compile(
    r"kronkeep-(?P<role>[a-z]+)-.*-(?P<number>[0-9a-f]{8})(?P<mark>[0-9a-f]{6})(-2)?-[a-z0-9]{5}"
)


def short_hash(*parts: str) -> str:
    """Return twelve hexadecimal digits, always the same for the same parts."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def archive_job_name(backup: BackupExecution) -> str:
    """Return the name of the current attempt's Job; a second creation of it ends with AlreadyExists."""
    return f"{backup.cronjob[:36]}-bk-{backup.id}-{backup.attempt}"


def new_name(role: str, storage: BackupStorage) -> str:
    """Return a new name of a Job on the storage; its second try is named `-2` after it."""
    number = secrets.token_hex(4)
    return f"kronkeep-{role}-{storage.id[:22]}-{number}{_mark_of(role, storage, number)}"


def is_ours(pod: str, storage: BackupStorage) -> bool:
    """Whether the pod is of a Job that `new_name` named for the storage of this history."""
    match = _POD.fullmatch(pod)
    return match is not None and match["mark"] == _mark_of(match["role"], storage, match["number"])


def _mark_of(role: str, storage: BackupStorage, number: str) -> str:
    return short_hash(role, storage.id, storage.created_at.isoformat(), number)[:_MARK_LENGTH]
