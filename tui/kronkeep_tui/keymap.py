"""The keys in force: those of the registry of actions, with the user's own from the settings instead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kronkeep_tui.actions import ACTIONS, BY_NAME, Action, Scope, place_words
from kronkeep_tui.user_commands import UserCommand, name_of
from kronkeep_tui.user_commands import find_faults as find_command_faults

_LABELS = {
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "minus": "-",
    "underscore": "_",
    "equals_sign": "=",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "ctrl+@": "ctrl+space",
}
# What a Mac types with alt and a digit: so Textual reads the bytes of esc and that digit, too.
_LABELS |= {
    "inverted_exclamation_mark": "alt+1",
    "trade_mark_sign": "alt+2",
    "pound_sign": "alt+3",
    "cent_sign": "alt+4",
    "infinity": "alt+5",
    "section_sign": "alt+6",
    "pilcrow_sign": "alt+7",
    "bullet": "alt+8",
    "feminine_ordinal_indicator": "alt+9",
    "masculine_ordinal_indicator": "alt+0",
    "en_dash": "alt+-",
    "not_equal_to": "alt+=",
}
CTRL_C = "ctrl+c"


class Binding(NamedTuple):
    """An action and the keys that perform it."""

    action: Action
    keys: tuple[str, ...]

    @property
    def key_labels(self) -> tuple[str, ...]:
        """The keys as people write them, each once."""
        return tuple(dict.fromkeys(map(key_label, self.keys)))


def key_label(key: str) -> str:
    """Return a key as people write it."""
    return _LABELS.get(key, key)


def is_text(key: str) -> bool:
    """Return whether a key is a character, which a form takes as text."""
    return len(key_label(key)) == 1 or key == "space"


def _binding_of_command(number: int, command: UserCommand) -> Binding:
    action = Action(
        name=name_of(number),
        keys=(command.key,),
        label=command.label or command.run[0],
        scopes=tuple(Scope(view) for view in command.views),
        changes=command.changes,
        needs_row=bool(command.placeholders),
    )
    return Binding(action, (command.key,))


class Keymap:
    """The bindings of all actions; `own_keys` are the settings' keys by the action's name.

    The user's own `commands` are actions, too, and go before all others on their keys.
    """

    def __init__(
        self,
        own_keys: Mapping[str, tuple[str, ...]] | None = None,
        commands: Sequence[UserCommand] = (),
    ) -> None:
        own = own_keys or {}
        bindings = [Binding(action, own.get(action.name, action.keys)) for action in ACTIONS]
        self.bindings = (*map(_binding_of_command, range(len(commands)), commands), *bindings)

    def bindings_in(self, scopes: Iterable[str]) -> list[Binding]:
        """Return the bindings of a view with these scopes, which begin with the narrowest.

        Of two actions that share a key, the one of the narrower scope has it. A form takes characters as
        text, so no action has one there.
        """
        scopes = tuple(scopes)
        found: dict[str, Binding] = {}
        taken = {key for binding in self.bindings for key in binding.keys if is_text(key)}
        if Scope.FORM not in scopes:
            taken.clear()
        for scope in scopes:
            here = [b for b in self.bindings if scope in b.action.scopes and b.action.name not in found]
            for action, keys in here:
                free = tuple(key for key in keys if key not in taken)
                if free:
                    found[action.name] = Binding(action, free)
            taken |= {key for binding in here for key in binding.keys}
        return [found[b.action.name] for b in self.bindings if b.action.name in found]

    def action_for(self, scopes: Iterable[str], key: str) -> Action | None:
        """Return what a key does in a view with these scopes."""
        return next((b.action for b in self.bindings_in(scopes) if key in b.keys), None)

    def explain(self, key: str) -> str:
        """Return where a key that does nothing here does something; empty for ctrl+c."""
        if key == CTRL_C:
            return ""  # the application explains it
        elsewhere = [b.action for b in self.bindings if key in b.keys]
        if not elsewhere:
            label = key_label(key)
            alt = " A key with esc directly before it is read as alt." if label.startswith("alt+") else ""
            return f"{label} does nothing here; ? shows the keys.{alt}"
        places = "; ".join(f"{action.label} in {place_words(action.scopes)}" for action in elsewhere[:3])
        return f"{key_label(key)} does nothing here. It is: {places}."

    def hints(self, scopes: Iterable[str], why_not: Callable[[Action], str]) -> list[tuple[str, str]]:
        """Return key and label of the key bar's actions, the most important first.

        What `why_not` gives a reason for is left out.
        """
        shown = [b for b in self.bindings_in(scopes) if b.action.hint and not why_not(b.action)]
        shown.sort(key=lambda binding: binding.action.hint)
        return [(key_label(binding.keys[0]), binding.action.label) for binding in shown]


def find_faults(own_keys: Mapping[str, tuple[str, ...]], commands: Sequence[UserCommand] = ()) -> list[str]:
    """Return what is wrong with the settings' keys and commands.

    That is unknown actions, views and placeholders, and two meanings of a key in one scope.
    """
    faults = [f"There is no action {name}." for name in own_keys if name not in BY_NAME]
    if wrong := find_command_faults(commands, [scope.value for scope in Scope]):
        return [*faults, *wrong]
    keymap = Keymap(own_keys, commands)
    for scope in sorted({scope for action in ACTIONS for scope in action.scopes}):
        actions: dict[str, str] = {}
        for action, keys in keymap.bindings:
            for key in keys if scope in action.scopes else ():
                if actions.setdefault(key, action.name) != action.name:
                    faults.append(f"{key_label(key)} is both {actions[key]} and {action.name} in {scope}.")
    return faults


def key_table() -> str:
    """Return the table of keys for tui/KEYS.md, in Markdown."""
    lines = ["| keys | does | where |", "|---|---|---|"]
    for binding in Keymap().bindings:
        keys = " ".join(f"`{label}`" for label in binding.key_labels)
        lines.append(f"| {keys} | {binding.action.label} | {', '.join(binding.action.scopes)} |")
    return "\n".join(lines) + "\n"
