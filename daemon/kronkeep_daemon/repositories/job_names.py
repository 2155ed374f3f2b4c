"""Names of the Jobs that work on repositories, and which pods are of such Jobs.

A lock of restic names the host that holds it: the pod, which is named after its Job. Another kronkeep may
have a storage of the same name at the same repository, so a name of ours carries a mark that is computed from
when this history recorded the storage, to the microsecond.
"""

import re
import secrets
from base64 import b32encode

from kronkeep_common import subject_names
from kronkeep_common.models import BackupExecution, BackupStorage
from kronkeep_daemon.history.record_ids import ID_DIGITS, derive_id

# Kubernetes cuts the Job's name to 57 characters and a dash, and adds five of its own. The role and what else
# we append take 31 of the 57, the number and the mark 13 each: 64 random bits and 64 that are computed.
_RANDOM_BYTES = 8
_POD = re.compile(
    r"kronkeep-(?P<role>[a-z]+)-.*-(?P<number>[a-z2-7]{13})(?P<mark>[a-z2-7]{13})(-2)?-[a-z0-9]{5}"
)
_STORAGE_LETTERS = 10
# 17 letters of the CronJob, `-bk-`, 32 digits, `-` and an attempt of two digits are 56; `-post19` makes 63.
_CRONJOB_LETTERS = 17
RECORD_ID = re.compile(rf"(?<=-)[0-9a-f]{{{ID_DIGITS}}}(?=-)")
LIKE_OURS = re.compile(rf"kronkeep-[a-z]+-|.*-bk-[0-9a-f]{{{ID_DIGITS}}}-\d+")


def archive_job_name(backup: BackupExecution) -> str:
    """Return the name of the current attempt's Job; a second creation of it ends with AlreadyExists.

    It has the whole id of the backup, so no other backup can have it.
    """
    subject = subject_names.as_object_name(backup.cronjob)
    return f"{shorten(subject, _CRONJOB_LETTERS)}-bk-{backup.id}-{backup.attempt}"


def shorten(name: str, length: int) -> str:
    """Return the beginning of a name, without a dash or dot at its end, which Kubernetes would refuse."""
    return name[:length].rstrip("-.")


def new_name(role: str, storage: BackupStorage) -> str:
    """Return a new name of a Job on the storage; its second try is named `-2` after it."""
    number = _letters(secrets.token_bytes(_RANDOM_BYTES))
    return (
        f"kronkeep-{role}-{shorten(storage.id, _STORAGE_LETTERS)}-{number}{_mark_of(role, storage, number)}"
    )


def is_ours(pod: str, storage: BackupStorage) -> bool:
    """Whether the pod is of a Job that `new_name` named for the storage of this history."""
    match = _POD.fullmatch(pod)
    return match is not None and match["mark"] == _mark_of(match["role"], storage, match["number"])


def _mark_of(role: str, storage: BackupStorage, number: str) -> str:
    mark = derive_id("job mark", role, storage.id, storage.created_at.isoformat(), number)
    return _letters(bytes.fromhex(mark)[:_RANDOM_BYTES])


def _letters(octets: bytes) -> str:
    """Return 8 bytes as 13 letters and digits of base 32 (RFC 4648)."""
    return b32encode(octets).decode().rstrip("=").lower()
