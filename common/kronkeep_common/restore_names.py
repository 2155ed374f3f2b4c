"""The names of what restores make."""

from kronkeep_common import subject_names
from kronkeep_common.models.backup import BackupExecution

NAME_PART = 40  # characters of the CronJob's or claim's name that a new claim's name begins with
ID_PART = 6


def new_claim_name(backup: BackupExecution) -> str:
    """Return the name of a new claim for a backup where the request names none."""
    subject = subject_names.claim_of(backup.cronjob) or backup.cronjob
    return f"{subject[:NAME_PART]}-restored-{backup.id[:ID_PART]}"
