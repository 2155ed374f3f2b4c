"""Roles of text and their colours; by default the sixteen colours of the user's own terminal.

Colour is never the only sign: what a role means is also said by a word or a character. Without colours
(https://no-color.org) the roles are bold, dim, underlined or in reverse.
"""

import os
from typing import NamedTuple, Protocol

from rich.style import Style
from textual.theme import Theme

ROLES = (
    "ok",
    "bad",
    "warn",
    "run",
    "quiet",
    "title",
    "strong",
    "accent",
    "cursor",
    "mark",
    "chosen",
    "found",
)


class Roles(dict[str, Style]):
    """Styles by role; of several roles, separated by spaces, the later override the earlier.

    In `plain` mode nothing is drawn with characters, because a screen reader would speak them one by one.
    With `shows_clock` clock times stand in the place of ages.
    """

    def __init__(self, words: dict[str, str], *, plain: bool = False) -> None:
        super().__init__()
        self.plain = plain
        self.shows_clock = False
        self._own = {role: Style.parse(style) for role, style in words.items()}

    def __missing__(self, key: str) -> Style:
        style = self._own[""]
        for role in key.split():
            style += self._own.get(role, Style.null())
        self[key] = style
        return style


class ThemedApp(Protocol):
    """An application that knows how roles look."""

    roles: Roles

    def set_scheme(self, name: str) -> None:
        """Change the colours to those of a scheme."""


TERMINAL = {
    "": "",
    "ok": "green",
    "bad": "bold red",
    "warn": "yellow",
    "run": "cyan",
    "quiet": "dim",
    "title": "bold",
    "strong": "bold",
    "accent": "blue",
    "cursor": "default reverse not dim",
    "mark": "bold magenta",
    "chosen": "bold reverse",
    "found": "black on yellow",
}
DARK = {
    "": "#d5dae2 on #14171c",
    "ok": "#8fbf7f",
    "bad": "bold #f07178",
    "warn": "#e6b673",
    "run": "#7fc8d8",
    "quiet": "#808999",
    "title": "bold #aab4c5",
    "strong": "bold #f2f4f8",
    "accent": "#82aaff",
    "cursor": "on #2f3b52",
    "mark": "bold #d9a0e8",
    "chosen": "bold #14171c on #82aaff",
    "found": "#14171c on #e6b673",
}
LIGHT = {
    "": "#2d333b on #fbfaf7",
    "ok": "#2f6f32",
    "bad": "bold #b3261e",
    "warn": "#8a5a00",
    "run": "#0b6478",
    "quiet": "#68707c",
    "title": "bold #4a5360",
    "strong": "bold #14181d",
    "accent": "#2b57b8",
    "cursor": "on #d6e0f0",
    "mark": "bold #8a2f9c",
    "chosen": "bold #ffffff on #2b57b8",
    "found": "#14181d on #f2c94c",
}


MONOCHROME = {
    "": "",
    "ok": "",
    "bad": "bold",
    "warn": "bold",
    "run": "",
    "quiet": "dim",
    "title": "bold",
    "strong": "bold",
    "accent": "",
    "cursor": "reverse not dim",
    "mark": "bold underline",
    "chosen": "bold reverse",
    "found": "underline",
}


class ColourScheme(NamedTuple):
    """The name of a Textual theme, and the styles of the roles."""

    theme: str
    roles: Roles


def _make_theme(name: str, dark: bool, roles: dict[str, str], panel: str) -> Theme:
    return Theme(
        name=name,
        dark=dark,
        primary=roles["accent"],
        accent=roles["accent"],
        success=roles["ok"],
        warning=roles["warn"],
        error=roles["bad"].removeprefix("bold "),
        foreground=roles[""].partition(" on ")[0],
        background=roles[""].partition(" on ")[2],
        surface=roles[""].partition(" on ")[2],
        panel=panel,
    )


THEMES = (
    _make_theme("kronkeep-dark", True, DARK, "#1d222b"),
    _make_theme("kronkeep-light", False, LIGHT, "#eeece6"),
)
SCHEMES = {
    "terminal": ("ansi-dark", TERMINAL),
    "dark": ("kronkeep-dark", DARK),
    "light": ("kronkeep-light", LIGHT),
}


def colour_scheme(name: str, *, plain: bool = False, has_colours: bool = True) -> ColourScheme:
    """Return the scheme with a name; for an unknown name the terminal's own colours."""
    if not has_colours:
        return ColourScheme("ansi-dark", Roles(MONOCHROME, plain=plain))
    theme, words = SCHEMES.get(name, SCHEMES["terminal"])
    if theme == "ansi-dark" and _is_light_terminal():
        theme = "ansi-light"
    return ColourScheme(theme, Roles(words, plain=plain))


def _is_light_terminal() -> bool:
    """Return whether COLORFGBG (`foreground;background`, where a terminal sets it) has a light background."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
