"""Commands of the user's own, from `[[commands]]` of terminal.toml: programs with arguments, never a shell.

A placeholder such as {namespace} is replaced within its argument by a field of the record under the cursor;
what is put in is neither split nor looked at again.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.base import Request
from kronkeep_common.text import clean
from kronkeep_tui import external_programs

if TYPE_CHECKING:
    from textual.app import App

    from kronkeep_tui.actions import Action

PLACEHOLDERS = (
    "namespace",
    "name",
    "id",
    "cluster",
    "cronjob",
    "job",
    "node",
    "storage_id",
    "backup_id",
    "snapshot_id",
    "path",
)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_NAME = "user_command_"


class UserCommand(Request, frozen=True, kw_only=True):
    """A command: its key, the views that have it, and the program with its arguments."""

    key: Annotated[str, msgspec.Meta(min_length=1)]
    run: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=100)]
    views: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    label: str = ""
    changes: bool = True

    @property
    def placeholders(self) -> set[str]:
        """The names of its placeholders."""
        return {name for word in self.run for name in _PLACEHOLDER.findall(word)}


def name_of(number: int) -> str:
    """Return the name of the action of a command."""
    return f"{_NAME}{number}"


def number_of(action: "Action") -> int:
    """Return the number of the command of an action."""
    return int(action.name.removeprefix(_NAME))


def find_faults(commands: Sequence[UserCommand], views: Sequence[str]) -> list[str]:
    """Return what is wrong with commands: views and placeholders that there are not."""
    faults = []
    for command in commands:
        title = clean(command.label or command.run[0], 60)
        for view in command.views:
            if view not in views:
                faults.append(
                    f"{title}: there is no view {clean(repr(view), 40)}; there are {', '.join(views)}."
                )
        for name in sorted(command.placeholders - set(PLACEHOLDERS)):
            known = ", ".join(PLACEHOLDERS)
            faults.append(f"{title}: there is no placeholder {{{clean(name, 40)}}}; there are {known}.")
    return faults


def build_argv(command: UserCommand, record: Any) -> list[str]:
    """Return the program and its arguments for a record.

    Raises InvalidRequest for a field that the record has not, and for one that a program would take for an
    option.
    """
    values = {name: _value_of(record, name) for name in command.placeholders}

    def replace(match: re.Match[str]) -> str:
        return values[match[1]]

    argv = [_PLACEHOLDER.sub(replace, word) for word in command.run]
    for word, template in zip(argv, command.run, strict=True):
        if word.startswith("-") and not template.startswith("-"):
            raise InvalidRequest(f"{clean(repr(word), 80)} would be taken for an option.")
    return argv


def _value_of(record: Any, name: str) -> str:
    value = getattr(record, name, None)
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidRequest(f"What is under the cursor has no {name}.")
    return value


def run_program(app: "App[Any]", argv: Sequence[str]) -> int:
    """Run a program in the terminal in place of the screen, until enter is pressed; return its exit code.

    Raise InvalidRequest where it cannot be run.
    """
    with app.suspend():
        code = external_programs.run_program(argv, next_step="Correct the command in terminal.toml.")
        external_programs.wait_for_enter("\n[enter goes back to kronkeep] ")
    return code
