"""The one registry of actions: keys, hints, help and the README's key table come from it."""

from typing import NamedTuple

from textual.binding import Binding, BindingType


class Action(NamedTuple):
    """What a key does: where it holds, its method, its words; read-only mode refuses what `changes`."""

    key: str
    name: str
    words: str
    where: tuple[str, ...]
    changes: bool = False


JOBS, RUNS, RUN, FORM = "jobs", "runs", "run", "form"
ACTIONS = (
    Action("enter", "choose", "enter", (JOBS, RUNS)),
    Action("t", "trigger", "trigger now", (JOBS, RUNS, RUN), True),
    Action("s", "suspend", "suspend/resume", (JOBS,), True),
    Action("b", "back_up", "back up now", (JOBS, RUNS), True),
    Action("n", "create", "new", (JOBS,), True),
    Action("x", "delete", "delete", (JOBS,), True),
    Action("ctrl+r", "resync", "read again", (JOBS, RUNS, RUN)),
    Action("ctrl+s", "submit", "create", (FORM,), True),
    Action("escape", "back", "back", (RUNS, RUN, FORM)),
    Action("q", "leave", "quit", (JOBS, RUNS, RUN)),
)


def bindings(where: str) -> list[BindingType]:
    """Textual's bindings of a screen; the table's own keys are not among them."""
    found = [action for action in ACTIONS if where in action.where and action.key != "enter"]
    return [Binding(action.key, action.name, action.words, show=False) for action in found]


def hints(where: str, read_only: bool) -> str:
    """The key bar of a screen."""
    found = [action for action in ACTIONS if where in action.where and not (read_only and action.changes)]
    return "  ".join(f"{action.key} {action.words}" for action in found)


def key_table() -> str:
    """The README's table of keys, in Markdown."""
    lines = ["| key | does | where |", "|---|---|---|"]
    lines += [f"| `{action.key}` | {action.words} | {', '.join(action.where)} |" for action in ACTIONS]
    return "\n".join(lines) + "\n"
