"""A refusal in the words of the command line: fields of the API's requests are options here."""

import re
from collections.abc import Collection

from kronkeep_common.errors import KronkeepError, NotFound

# A refusal of a request's body or of a storage's settings: the field's path, and what is wrong with it.
_REFUSED_FIELD = re.compile(r"The (?:body is|settings are) refused: ([\w.\[\]]+): (.*)", re.DOTALL)
# Options that are not called as the last part of the field's path.
_OPTIONS = {
    "for_seconds": "--for",
    "capacity_bytes": "--capacity",
    "size_bytes": "--size",
    "days": "--retention-days",
}
# What the command line's options are called that a refused request lacked, by code and field.
_NEXT_STEPS: dict[str, dict[object, str]] = {
    "ConfirmationMissing": {
        "confirm": "Repeat the command with --yes and that name.",
        "overwrite": "Repeat the command with --overwrite.",
    },
    "NameTaken": {
        "target.claim": "Choose another name for --new-claim, or restore into that claim with --claim.",
    },
}

# What lists the objects of which one was not there.
_LISTS = {
    "CronJobNotFound": "kronkeep get cronjobs; of a deleted one: kronkeep get executions --filter name:NAME, "
    "kronkeep restorable NAMESPACE/NAME",
    "ExecutionNotFound": "kronkeep get executions",
    "BackupNotFound": "kronkeep get backups",
    "RestoreNotFound": "kronkeep get restores",
    "AlertNotFound": "kronkeep get alerts",
}


def name_options(sentence: str, options: Collection[str]) -> str:
    """Return a sentence about a field of a request as one about the option that gave it its value.

    options: those of the verb; where none of them is meant the sentence stays as it is.
    """
    match = _REFUSED_FIELD.fullmatch(sentence)
    if match is None:
        return sentence
    name = match[1].rpartition(".")[2]
    for option in (f"--{name.replace('_', '-')}", _OPTIONS.get(name)):
        if option in options:
            return f"{option}: {match[2]}"
    return sentence


def next_step_of(error: KronkeepError, options: Collection[str]) -> str:
    """Return what to do about an error with the options of the verb."""
    if error.code == "ScheduleConflict" and "--on-conflict" in options:
        return "Choose one: --on-conflict shift, after-run or accept."
    if error.next_step == NotFound.default_next_step and error.code in _LISTS:
        return f"List what exists: {_LISTS[error.code]}."
    return _NEXT_STEPS.get(error.code, {}).get(error.details.get("field"), error.next_step)
