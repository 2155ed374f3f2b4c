"""The terminal's settings: `$XDG_CONFIG_HOME/kronkeep/terminal.toml`, overridden by environment variables.

theme = "terminal"       # terminal (its own sixteen colours), dark or light; also $KRONKEEP_THEME
mouse = false            # true takes the mouse from the terminal, which then selects no text
plain = false            # for screen readers: words instead of drawings; also $KRONKEEP_PLAIN
read_only = false        # true refuses every change
zone = "local"           # of all times: local (the machine's), utc, or an IANA name; also $KRONKEEP_ZONE
[keys]
trigger = ["ctrl+t"]     # by the action's name, which `?` shows: its keys instead of the built-in ones
[filters]
tonight = "status:failed age:<12h"   # @tonight in the prompt of a filter; ctrl+s there saves one
[[commands]]             # a program for the record under the cursor; no shell, arguments stay as they are
key = "ctrl+y"
views = ["jobs"]
label = "describe"
run = ["kubectl", "-n", "{namespace}", "describe", "cronjob", "{name}"]
changes = false          # true, the default, asks before
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from kronkeep_common.display_zone import LOCAL, read_display_zone
from kronkeep_common.errors import InvalidSettings
from kronkeep_common.models.base import Request
from kronkeep_tui.user_commands import UserCommand


class TerminalSettings(Request, frozen=True, kw_only=True):
    """The settings of the user's terminal.toml."""

    theme: Literal["terminal", "dark", "light"] = "terminal"
    mouse: bool = False
    plain: bool = False
    read_only: bool = False
    zone: str = LOCAL
    keys: dict[str, tuple[str, ...]] = {}
    filters: dict[str, str] = {}
    commands: tuple[UserCommand, ...] = ()


NOT_STARTED = "Correct the file; the terminal has not started."


def settings_path() -> Path:
    """Return the path of the settings file."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "kronkeep" / "terminal.toml"


def read_settings(path: Path | None = None) -> TerminalSettings:
    """Return a file's settings, the defaults where there is none; raise InvalidSettings, InvalidTimeZone."""
    path = path or settings_path()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        text = b""
    except OSError as fault:
        raise InvalidSettings(f"{path} cannot be read: {fault.strerror}.", next_step=NOT_STARTED) from fault
    try:
        settings = msgspec.toml.decode(text, type=TerminalSettings)
    except msgspec.ValidationError as fault:
        from kronkeep_common.model_faults import describe_fault

        sentence = describe_fault(fault, TerminalSettings).sentence
        raise InvalidSettings(f"{path}: {sentence}", next_step=NOT_STARTED) from fault
    except msgspec.DecodeError as fault:
        raise InvalidSettings(f"{path}: {fault}", next_step=NOT_STARTED) from fault
    settings = _with_environment(settings)
    read_display_zone(settings.zone)
    return _require_valid_keys(settings, path)


def _with_environment(settings: TerminalSettings) -> TerminalSettings:
    theme = os.environ.get("KRONKEEP_THEME")
    if theme == "dark" or theme == "light" or theme == "terminal":
        settings = msgspec.structs.replace(settings, theme=theme)
    zone = os.environ.get("KRONKEEP_ZONE") or settings.zone
    settings = msgspec.structs.replace(settings, zone=zone)
    return msgspec.structs.replace(settings, plain=True) if os.environ.get("KRONKEEP_PLAIN") else settings


def _require_valid_keys(settings: TerminalSettings, path: Path) -> TerminalSettings:
    if not (settings.keys or settings.commands):
        return settings
    from kronkeep_tui.keymap import find_faults

    if faults := find_faults(settings.keys, settings.commands):
        raise InvalidSettings(f"{path}: {faults[0]}", next_step=NOT_STARTED)
    return settings
