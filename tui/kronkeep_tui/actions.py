"""The one registry of actions: keys, hints, palette, `:` commands, help and the README's key table.

A view has scopes (its own kind, then what it is made of: `table`, `page`, `log`; then `any`); an action holds
in every view that has one of its scopes. `do_<name>` of the view does it, else of the frame. Settings may
give other keys.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple


class Action(NamedTuple):
    """What keys do and where; read-only mode refuses what `changes`, `row` needs a row under the cursor.

    `hint` 1 to 9 puts it in the key bar (the lower the sooner), 0 only in help and palette.
    """

    name: str
    keys: tuple[str, ...]
    words: str
    where: tuple[str, ...]
    hint: int = 0
    changes: bool = False
    row: bool = False


TABS = ("overview", "jobs", "runs", "policies", "restore", "storages", "alerts")
ANY, TABLE, PAGE, LOG = "any", "table", "page", "log"
JOBS, RUNS, RUN, FORM, STORAGES = "jobs", "runs", "run", "form", "storages"
ACTIONS = (
    *(Action(f"view-{tab}", (str(n),), tab.title(), (ANY,)) for n, tab in enumerate(TABS, 1)),
    Action("choose", ("enter",), "open", (TABLE,), 1, row=True),
    Action("back", ("escape",), "back", (ANY,), 8),
    Action("log", ("l",), "log", (JOBS, RUNS, "restored"), 2, row=True),
    Action("create", ("n",), "new", (JOBS, "overview", "policies", STORAGES), 3, changes=True),
    Action("trigger", ("t",), "run now", (JOBS, RUNS, RUN), 3, changes=True, row=True),
    Action("suspend", ("s",), "suspend/resume", (JOBS,), 4, changes=True, row=True),
    Action("back_up", ("b",), "back up", (JOBS, RUNS, RUN), 4, changes=True, row=True),
    Action("cancel", ("x",), "stop", (RUNS, RUN, "restored"), 5, changes=True, row=True),
    Action("delete", ("x",), "delete", (JOBS, STORAGES), 5, changes=True, row=True),
    Action("acknowledge", ("a",), "acknowledge", ("alerts",), 2, changes=True, row=True),
    Action("check", ("v",), "check", (STORAGES,), 3, changes=True, row=True),
    Action("measure", ("u",), "measure", (STORAGES,), 5, changes=True, row=True),
    Action("retry", ("t",), "try again", (STORAGES,), 2, changes=True, row=True),
    Action("test", ("T",), "test: open the repository", (STORAGES,), changes=True, row=True),
    Action("prune", ("P",), "prune: give space back", (STORAGES,), changes=True, row=True),
    Action("retention", ("R",), "retention", ("policies", STORAGES), 4, row=True),
    Action("approve", ("a",), "approve the removals", ("retention",), 1, changes=True),
    Action("form", ("e",), "edit", (JOBS, "policies", STORAGES), 5, changes=True, row=True),
    Action("clone", ("N",), "new from this one", (JOBS,), changes=True, row=True),
    Action("restore", ("r",), "restore", ("restore", "files"), 2, changes=True, row=True),
    Action("verify", ("v",), "verify", ("restore",), 3, changes=True, row=True),
    Action("drill", ("d",), "drill now", ("restore",), 4, changes=True, row=True),
    Action("restores", ("R",), "restores and drills", ("restore",), 5),
    Action("open_run", ("o",), "its run", ("restore",), row=True),
    Action("download", ("d",), "download", ("files",), 3, row=True),
    Action("retarget", ("r",), "another target", ("plan",), 2),
    Action("begin", ("enter",), "begin the restore", ("plan",), 1, changes=True),
    Action("edit", ("E",), "edit as YAML in $EDITOR", (JOBS,), changes=True, row=True),
    Action("history", ("h",), "history", (JOBS, RUNS, RUN), 5, row=True),
    Action("compare", ("equals_sign",), "compare two", (RUNS, RUN), 0, row=True),
    Action("yaml", ("y",), "YAML", (JOBS, RUNS, RUN, "policies", "storages", "restore"), row=True),
    Action("events", ("e",), "Kubernetes' events", (RUNS, RUN), row=True),
    Action("manifest", ("m",), "the Job's manifest", (RUNS, RUN), row=True),
    Action("copy", ("c",), "copy the name or id", (TABLE, RUN), row=True),
    Action("filter", ("slash",), "filter", (TABLE,), 6),
    Action("sort", ("S",), "sort by the next letter", (TABLE,)),
    Action("faults", ("z",), "faults only", (TABLE,), 7),
    Action("wide", ("w",), "all columns", (TABLE,)),
    Action("mark", ("space",), "mark", (TABLE,), row=True),
    Action("mark_range", ("ctrl+@", "ctrl+space"), "mark up to here", (TABLE,), row=True),
    Action("namespaces", ("0",), "all namespaces", (ANY,)),
    Action("search", ("slash",), "search", (LOG, PAGE), 2),
    Action("next_found", ("n",), "next found", (LOG, PAGE)),
    Action("previous_found", ("N",), "previous found", (LOG, PAGE)),
    Action("follow", ("F",), "follow the log", (LOG,), 3),
    Action("wrap", ("w",), "wrap lines", (LOG,), 6),
    Action("times", ("T",), "show times", (LOG,)),
    Action("full", ("f",), "log on the whole screen", (RUN,), 7),
    Action("older", ("left_square_bracket",), "older run, or the view before", (ANY,)),
    Action("newer", ("right_square_bracket",), "newer run, or the view after", (ANY,)),
    Action("last", ("minus",), "the view before this one", (ANY,)),
    Action("up", ("up", "k"), "up", (TABLE, PAGE, LOG)),
    Action("down", ("down", "j"), "down", (TABLE, PAGE, LOG)),
    Action("page_up", ("pageup", "ctrl+b"), "a screen up", (TABLE, PAGE, LOG, FORM)),
    Action("page_down", ("pagedown", "ctrl+f"), "a screen down", (TABLE, PAGE, LOG, FORM)),
    Action("first", ("home", "g"), "first", (TABLE, PAGE, LOG)),
    Action("end", ("end", "G"), "last", (TABLE, PAGE, LOG)),
    Action("left", ("left",), "left, with all columns", (TABLE, LOG)),
    Action("right", ("right",), "right, with all columns", (TABLE, LOG)),
    Action("pane", ("tab",), "next pane", (TABLE, RUN)),
    Action("grow", ("plus",), "larger side pane", (TABLE,)),
    Action("shrink", ("underscore",), "smaller side pane", (TABLE,)),
    Action("submit", ("ctrl+s",), "save", (FORM,), 1, changes=True),
    Action("section", ("f9", "ctrl+pagedown"), "next section", (FORM,), 2),
    Action("dry_run", ("f2",), "dry run", (FORM,), 3),
    Action("yaml_preview", ("f3",), "YAML", (FORM,), 4),
    Action("fill", ("f4",), "from another", (FORM,), 5),
    Action("anew", ("f5",), "forget what was typed", (FORM,)),
    Action("shift", ("f6",), "settle a conflict: move the backup", (FORM,)),
    Action("after_run", ("f7",), "settle a conflict: back up after the run", (FORM,)),
    Action("accept", ("f8",), "settle a conflict: accept it", (FORM,)),
    Action("swap", ("ctrl+t",), "theirs, or mine again", (FORM,), 1),
    Action("command", ("colon",), "command", (ANY,), 8),
    Action("help", ("question_mark", "f1"), "help", (ANY,), 9),
    Action("palette", ("ctrl+p",), "every action, searched", (ANY,)),
    Action("resync", ("ctrl+r",), "read again", (ANY,)),
    Action("leave", ("q", "ctrl+q"), "quit", (ANY,)),
)
BY_NAME = {action.name: action for action in ACTIONS}
_SHOWN = {
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


def shown(key: str) -> str:
    """A key as people write it."""
    return _SHOWN.get(key, key)


def is_text(key: str) -> bool:
    """Whether a key is a character, which a form takes as text."""
    return len(shown(key)) == 1 or key == "space"


class Keymap:
    """The keys in force: the registry's, with those that the settings give instead."""

    def __init__(self, own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        changed = own or {}
        self.actions = tuple(a._replace(keys=changed.get(a.name, a.keys)) for a in ACTIONS)

    def held(self, scopes: Iterable[str]) -> list[Action]:
        """The actions of a view; of two that share a key the one of the narrower scope.

        A form takes characters as text, so no action has one there.
        """
        found: dict[str, Action] = {}
        scopes = tuple(scopes)
        taken = {key for a in self.actions for key in a.keys if is_text(key)} if FORM in scopes else set()
        for scope in scopes:
            here = [a for a in self.actions if scope in a.where and a.name not in found]
            for action in here:
                keys = tuple(key for key in action.keys if key not in taken)
                if keys:
                    found[action.name] = action._replace(keys=keys)
            taken |= {key for action in here for key in action.keys}
        return [found[a.name] for a in self.actions if a.name in found]

    def at(self, scopes: Iterable[str], key: str) -> Action | None:
        """What a key does in a view."""
        return next((a for a in self.held(scopes) if key in a.keys), None)

    def hints(self, scopes: Iterable[str], refusal: Callable[[Action], str]) -> list[tuple[str, str]]:
        """Key and words for the key bar, the most wanted first; help has what is refused, and why."""
        found = [a for a in self.held(scopes) if a.hint and not refusal(a)]
        return [(shown(a.keys[0]), a.words) for a in sorted(found, key=lambda a: a.hint)]


def faults(own: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is wrong with keys from the settings: unknown actions, keys with two meanings in one scope."""
    found = [f"There is no action {name}." for name in own if name not in BY_NAME]
    for scope in sorted({scope for action in ACTIONS for scope in action.where}):
        seen: dict[str, str] = {}
        for action in Keymap(own).actions:
            for key in action.keys if scope in action.where else ():
                if seen.setdefault(key, action.name) != action.name:
                    found.append(f"{shown(key)} is both {seen[key]} and {action.name} in {scope}.")
    return found


def key_table() -> str:
    """The README's table of keys, in Markdown."""
    lines = ["| keys | does | where |", "|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{shown(key)}`" for key in dict.fromkeys(map(shown, action.keys)))
        lines.append(f"| {keys} | {action.words} | {', '.join(action.where)} |")
    return "\n".join(lines) + "\n"
