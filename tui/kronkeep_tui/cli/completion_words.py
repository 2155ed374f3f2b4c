"""What may stand in the place of the last word of a command line: verbs, options, choices, live names."""

import argparse
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.filter_words import KEYS, FilterWords
from kronkeep_common.manual.parser_actions import list_actions, list_commands
from kronkeep_tui.cli.main import build_parser

NEWEST = 100  # ids of runs, backups and restores that are offered
# A shell expands what it is offered, so no other character is.
_SAFE = re.compile(r"[A-Za-z0-9@%_+=:,./{}-]+")
_KIND_OF_OPTION = {
    "--storage": "storages",
    "--namespace": "namespaces",
    "--cluster": "clusters",
    "--policy": "orphans",
}
_KIND_OF_METAVAR = {"STORAGE": "storages", "NAMESPACE": "namespaces"}
_KIND_OF_ARGUMENT = {"backup": "backups", "older": "backups", "newer": "backups", "ids": "maintenance"}
_KIND_OF_FLAG = {"--backup": "backups", "--copy": "copies", "--restore": "restores"}
_KIND_OF_VERB = {
    "logs": "executions",
    "cancel": "executions",
    "pin": "backups",
    "unpin": "backups",
    "acknowledge": "alerts",
    "silence": "silences",
}
_ID_KINDS = ("executions", "backups", "copies", "restores", "alerts", "silences", "maintenance")


class _Place(NamedTuple):
    """Where the cursor stands: the words and flags before it, and the option whose value it is."""

    parser: argparse.ArgumentParser
    verb: str
    arguments: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    option: argparse.Action | None = None


def find_words(words: Sequence[str], socket: Path | None) -> list[str]:
    """Return what may stand in the place of the last word.

    Where the shell has split words at colons, as bash does, only what follows the last colon is returned.
    """
    joined = _join_at_colons(words or [""])
    *before, last = joined
    place = _find_place(before)
    offered = [word for word in _candidates(place, last, socket) if word.startswith(last)]
    cut = last.rpartition(":")[0] if len(joined) != len(words or [""]) else ""
    return [word[len(cut) + 1 :] if cut else word for word in offered if _SAFE.fullmatch(word)]


def _join_at_colons(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        if joined and (word == ":" or joined[-1].endswith(":")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _find_place(words: Sequence[str]) -> _Place:
    verb = next((word for word in words if not word.startswith("-")), "")
    place = _Place(parser=build_parser(verb or None), verb=verb)
    for word in words:
        place = _step(place, word)
    return place


def _step(place: _Place, word: str) -> _Place:
    if place.option is not None:
        return place._replace(option=None)
    option = next((each for each in list_actions(place.parser) if word in each.option_strings), None)
    if option is not None:
        is_flag = option.nargs == 0
        return place._replace(flags=(*place.flags, word)) if is_flag else place._replace(option=option)
    if word.startswith("-"):
        return place
    for command in list_commands(place.parser):
        if command.name == word:
            return place._replace(parser=command.parser)
    return place._replace(arguments=(*place.arguments, word))


def _candidates(place: _Place, last: str, socket: Path | None) -> Collection[str]:
    if place.option is not None:
        return _values_of(place.option, place, last, socket)
    if last.startswith("-"):
        return [name for action in list_actions(place.parser) for name in action.option_strings]
    if commands := list_commands(place.parser):
        return [command.name for command in commands]
    positionals = [action for action in list_actions(place.parser) if not action.option_strings]
    at = min(len(place.arguments), len(positionals) - 1)
    return _values_of(positionals[at], place, last, socket) if at >= 0 else ()


def _values_of(action: argparse.Action, place: _Place, last: str, socket: Path | None) -> Collection[str]:
    if action.choices is not None:
        return list(map(str, action.choices))
    kind = _kind_of(action, place)
    if action.dest == "filter":
        return _filter_words(place.arguments[0] if place.arguments else "executions", last)
    try:
        return LiveNames(socket).of_kind(kind) if kind else ()
    except KronkeepError:
        return ()  # nobody answers: a shell is no place to say so


def _kind_of(action: argparse.Action, place: _Place) -> str:
    for name in action.option_strings:
        if name in _KIND_OF_OPTION:
            return _KIND_OF_OPTION[name]
    if action.option_strings:
        return _KIND_OF_METAVAR.get(str(action.metavar), "")
    if place.verb == "storage":
        return "storages" if action.dest in ("id", "name", "storage") else ""
    if action.dest in _KIND_OF_ARGUMENT:
        return _KIND_OF_ARGUMENT[action.dest]
    if action.dest == "id" and place.verb in ("get", "describe"):
        from kronkeep_tui.cli.arguments import plural_kind

        return plural_kind(place.arguments[0]) if place.arguments else ""
    if action.dest == "id":
        of_flags = [kind for flag, kind in _KIND_OF_FLAG.items() if flag in place.flags]
        return of_flags[0] if of_flags else _KIND_OF_VERB.get(place.verb, "")
    return "cronjobs" if action.dest == "name" and place.verb != "create" else ""


def _filter_words(kind: str, last: str) -> list[str]:
    """Return keys with their colon, or the values of the key that is written."""
    from kronkeep_tui.cli.arguments import plural_kind

    kind = plural_kind(kind)
    words = FilterWords((kind if kind in KEYS else "executions",))
    key, colon, _ = last.partition(":")
    return [f"{key}:{value}" for value in words.values(key)] if colon else [f"{key}:" for key in words.keys]


class LiveNames:
    """The names and ids that the daemon knows now."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket

    def of_kind(self, kind: str) -> list[str]:
        """Return what verbs take for a kind; raise KronkeepError where the daemon does not answer."""
        from kronkeep_common.client.sync_client import SyncClient

        client = SyncClient(self._socket)
        if kind == "storages":
            return [storage.id for storage in client.storages.list().items]
        if kind == "orphans":
            return [orphan.policy_id for orphan in client.storages.orphans().items]
        if kind == "clusters":
            return [cluster.name for cluster in client.cronjobs.list().clusters]
        if kind in ("cronjobs", "policies", "namespaces"):
            cronjobs = client.cronjobs.list().items
            if kind == "namespaces":
                return sorted({cronjob.namespace for cronjob in cronjobs})
            return [f"{cronjob.namespace}/{cronjob.name}" for cronjob in cronjobs]
        if kind not in _ID_KINDS:
            return []
        calls: dict[str, Any] = {
            "executions": client.runs,
            "backups": client.backups,
            "copies": client.copies,
            "restores": client.restores,
            "alerts": client.alerts,
            "silences": client.silences,
            "maintenance": client.maintenance,
        }
        ids = [record.id for record in calls[kind].list(limit=NEWEST).items]
        return ids + (self.of_kind("cronjobs") if kind in ("executions", "backups") else [])
