"""What exit code 1 means for verbs where it means more than that something was refused or failed."""

from collections.abc import Mapping

# By verb; the manual page of the verb has the text.
FAILURES: Mapping[str, str] = {
    "adopt": "refused; with --dry-run: it would be, for lack of --other-claims",
    "coverage": "refused or failed; with --check: a claim is not covered, or could not be judged",
    "demo": "it did not start",
    "doctor": "a check failed",
    "find": "refused or failed, or a backup could not be searched",
    "grep": "no line has the text, or refused or broken off",
    "import": "refused or failed, or some of it was refused",
    "maintenance": "refused or failed, or a CronJob could not be suspended or resumed",
    "restorable": "refused or failed, or something has no good backup, or one that is not verified yet, or "
    "only in a storage that cannot be used now",
    "restore": "refused or failed; with --dry-run: it would be refused; with --wait: it did not succeed",
    "schedule": "refused; of check: the schedules conflict",
    "storage": "refused or failed, or the storage has failed",
}
# Verbs that ask no daemon, and so never end with 3.
WITHOUT_DAEMON = ("completion", "demo", "help", "monitoring")
