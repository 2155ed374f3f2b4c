"""Names of the Jobs that work on a repository, by which a lock of theirs is known for ours.

A lock of restic's names its host, and that is the pod, called after its Job. Another kronkeep may well have a
storage of the same name at the same repository; when it recorded it, to the microsecond, differs.
"""

import hashlib
import re
import secrets

from kronkeep_common.models import BackupExecution, BackupStorage

_MARK = 6
# Kubernetes cuts the Job's name to 57 characters and a dash, and adds five of its own.
_POD = re.compile(
    r"kronkeep-(?P<what>[a-z]+)-.*-(?P<number>[0-9a-f]{8})(?P<mark>[0-9a-f]{6})(-2)?-[a-z0-9]{5}"
)


def short_hash(*parts: str) -> str:
    """Return twelve hexadecimal digits that the parts always give."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def archive_job_name(backup: BackupExecution) -> str:
    """Return the name of an attempt's Job; the same attempt always has the same name."""
    return f"{backup.cronjob[:36]}-bk-{backup.id}-{backup.attempt}"


def secret_name(job: str) -> str:
    """Return the name of the Secret with a Job's copy of password and credentials."""
    return f"{job}-key"


def new_name(what: str, storage: BackupStorage) -> str:
    """A name for one Job; `-2` after it is its second try."""
    number = secrets.token_hex(4)
    return f"kronkeep-{what}-{storage.id[:22]}-{number}{_mark_of(what, storage, number)}"


def is_ours(pod: str, storage: BackupStorage) -> bool:
    """Whether the pod is of a Job with a name that this daemon's history made for the storage."""
    found = _POD.fullmatch(pod)
    return found is not None and found["mark"] == _mark_of(found["what"], storage, found["number"])


def _mark_of(what: str, storage: BackupStorage, number: str) -> str:
    return short_hash(what, storage.id, storage.created_at.isoformat(), number)[:_MARK]
