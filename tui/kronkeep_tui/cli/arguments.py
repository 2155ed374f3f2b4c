"""The shapes of arguments that several verbs have: NAMESPACE/NAME, KEY=VALUE, `--cluster`."""

import argparse

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import EnvVar
from kronkeep_common.text import clean

# What the terminal and people call a kind, and the name that it has in the API.
_OTHER_NAMES = {
    "job": "cronjob",
    "jobs": "cronjobs",
    "cj": "cronjob",
    "run": "execution",
    "runs": "executions",
    "snapshot": "backup",
    "snapshots": "backups",
    "drill": "restore",
    "drills": "restores",
    "maintenances": "maintenance",
}
_SINGULARS = {
    "cronjobs": "cronjob",
    "executions": "execution",
    "backups": "backup",
    "copies": "copy",
    "restores": "restore",
    "storages": "storage",
    "policies": "policy",
    "manifests": "manifest",
    "sinks": "sink",
    "alerts": "alert",
    "silences": "silence",
    "maintenance": "maintenance",
}
CRONJOB_NAME_HELP = "NAMESPACE/NAME, or NAME in the namespace default; a claim is NAMESPACE/pvc/NAME"


def plural_kind(word: str) -> str:
    """Return the name of a list for any name of its kind: `executions` for run, runs and execution."""
    name = _OTHER_NAMES.get(word, word)
    return next((plural for plural, singular in _SINGULARS.items() if singular == name), name)


def singular_kind(word: str) -> str:
    """Return the name of one record for any name of its kind: `execution` for run, runs and executions."""
    name = _OTHER_NAMES.get(word, word)
    return _SINGULARS.get(name, name)


def add_cluster(verb: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add `--cluster` to a verb about something that only one of several clusters has."""
    help_text = "the name of the cluster in the settings, where there are several"
    verb.add_argument("--cluster", metavar="NAME", help=help_text, default=default)


def add_namespace(verb: argparse.ArgumentParser) -> None:
    """Add `-n` to a verb that takes a CronJob's name."""
    verb.add_argument("-n", "--namespace", default="default", help="the namespace of a NAME without one")


def read_count(text: str) -> int:
    """Read a number of things from the command line; raise ValueError for less than one."""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def split_name(name: str, default_namespace: str = "default") -> tuple[str, str]:
    """Split NAMESPACE/NAME; NAME alone is in `default_namespace`."""
    namespace, slash, rest = name.partition("/")
    return (namespace, rest) if slash else (default_namespace, name)


def split_pairs(words: list[str], sign: str = "=") -> dict[str, str]:
    """Split KEY=VALUE words; raise InvalidRequest for one without the sign."""
    for word in words:
        if sign not in word:
            raise InvalidRequest(f"{clean(repr(word), 80)} is not like KEY{sign}VALUE.")
    return dict(word.split(sign, 1) for word in words)


def read_variables(words: list[str]) -> tuple[EnvVar, ...]:
    """Read KEY=VALUE words as environment variables."""
    return tuple(EnvVar(name=key, value=value) for key, value in split_pairs(words).items())
