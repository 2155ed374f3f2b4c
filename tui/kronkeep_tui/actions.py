"""The one registry of actions: keys, hints, palette, `:` commands, help and tui/KEYS.md.

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
ANY = "any"
TABLE = "table"
PAGE = "page"
LOG = "log"
JOBS = "jobs"
RUNS = "runs"
RUN = "run"
FORM = "form"
STORAGES = "storages"
ACTIONS = (
    *(
        Action(name=f"view-{tab}", keys=(str(n),), words=tab.title(), where=(ANY,))
        for n, tab in enumerate(TABS, 1)
    ),
    Action(name="choose", keys=("enter",), words="open", where=(TABLE,), hint=1, row=True),
    Action(name="back", keys=("escape",), words="back", where=(ANY,), hint=8),
    Action(name="log", keys=("l",), words="log", where=(JOBS, RUNS, "restored"), hint=2, row=True),
    Action(
        name="create",
        keys=("n",),
        words="new",
        where=(JOBS, "overview", "policies", STORAGES),
        hint=3,
        changes=True,
    ),
    Action(
        name="trigger", keys=("t",), words="run now", where=(JOBS, RUNS, RUN), hint=3, changes=True, row=True
    ),
    Action(
        name="suspend", keys=("s",), words="suspend/resume", where=(JOBS,), hint=4, changes=True, row=True
    ),
    Action(
        name="back_up", keys=("b",), words="back up", where=(JOBS, RUNS, RUN), hint=4, changes=True, row=True
    ),
    Action(
        name="cancel",
        keys=("x",),
        words="stop",
        where=(RUNS, RUN, "restored"),
        hint=5,
        changes=True,
        row=True,
    ),
    Action(
        name="delete", keys=("x",), words="delete", where=(JOBS, STORAGES), hint=5, changes=True, row=True
    ),
    Action(
        name="acknowledge",
        keys=("a",),
        words="acknowledge",
        where=("alerts",),
        hint=2,
        changes=True,
        row=True,
    ),
    Action(name="check", keys=("v",), words="check", where=(STORAGES,), hint=3, changes=True, row=True),
    Action(name="measure", keys=("u",), words="measure", where=(STORAGES,), hint=5, changes=True, row=True),
    Action(name="retry", keys=("t",), words="try again", where=(STORAGES,), hint=2, changes=True, row=True),
    Action(
        name="test", keys=("T",), words="test: open the repository", where=(STORAGES,), changes=True, row=True
    ),
    Action(
        name="prune", keys=("P",), words="prune: give space back", where=(STORAGES,), changes=True, row=True
    ),
    Action(name="retention", keys=("R",), words="retention", where=("policies", STORAGES), hint=4, row=True),
    Action(
        name="approve", keys=("a",), words="approve the removals", where=("retention",), hint=1, changes=True
    ),
    Action(
        name="form",
        keys=("e",),
        words="edit",
        where=(JOBS, "policies", STORAGES),
        hint=5,
        changes=True,
        row=True,
    ),
    Action(name="clone", keys=("N",), words="new from this one", where=(JOBS,), changes=True, row=True),
    Action(
        name="restore",
        keys=("r",),
        words="restore",
        where=("restore", "files"),
        hint=2,
        changes=True,
        row=True,
    ),
    Action(name="verify", keys=("v",), words="verify", where=("restore",), hint=3, changes=True, row=True),
    Action(name="drill", keys=("d",), words="drill now", where=("restore",), hint=4, changes=True, row=True),
    Action(name="restores", keys=("R",), words="restores and drills", where=("restore",), hint=5),
    Action(name="open_run", keys=("o",), words="its run", where=("restore",), row=True),
    Action(name="download", keys=("d",), words="download", where=("files",), hint=3, row=True),
    Action(name="retarget", keys=("r",), words="another target", where=("plan",), hint=2),
    Action(name="begin", keys=("enter",), words="begin the restore", where=("plan",), hint=1, changes=True),
    Action(name="edit", keys=("E",), words="edit as YAML in $EDITOR", where=(JOBS,), changes=True, row=True),
    Action(name="history", keys=("h",), words="history", where=(JOBS, RUNS, RUN), hint=5, row=True),
    Action(name="compare", keys=("equals_sign",), words="compare two", where=(RUNS, RUN), hint=0, row=True),
    Action(
        name="yaml",
        keys=("y",),
        words="YAML",
        where=(JOBS, RUNS, RUN, "policies", "storages", "restore"),
        row=True,
    ),
    Action(name="events", keys=("e",), words="Kubernetes' events", where=(RUNS, RUN), row=True),
    Action(name="manifest", keys=("m",), words="the Job's manifest", where=(RUNS, RUN), row=True),
    Action(name="copy", keys=("c",), words="copy the name or id", where=(TABLE, RUN), row=True),
    Action(name="filter", keys=("slash",), words="filter", where=(TABLE,), hint=6),
    Action(name="sort", keys=("S",), words="sort by the next letter", where=(TABLE,)),
    Action(name="faults", keys=("z",), words="faults only", where=(TABLE,), hint=7),
    Action(name="wide", keys=("w",), words="all columns", where=(TABLE,)),
    Action(name="mark", keys=("space",), words="mark", where=(TABLE,), row=True),
    Action(
        name="mark_range", keys=("ctrl+@", "ctrl+space"), words="mark up to here", where=(TABLE,), row=True
    ),
    Action(name="namespaces", keys=("0",), words="all namespaces", where=(ANY,)),
    Action(name="search", keys=("slash",), words="search", where=(LOG, PAGE), hint=2),
    Action(name="next_found", keys=("n",), words="next found", where=(LOG, PAGE)),
    Action(name="previous_found", keys=("N",), words="previous found", where=(LOG, PAGE)),
    Action(name="follow", keys=("F",), words="follow the log", where=(LOG,), hint=3),
    Action(name="wrap", keys=("w",), words="wrap lines", where=(LOG,), hint=6),
    Action(name="times", keys=("T",), words="show times", where=(LOG,)),
    Action(name="full", keys=("f",), words="log on the whole screen", where=(RUN,), hint=7),
    Action(name="older", keys=("left_square_bracket",), words="older run, or the view before", where=(ANY,)),
    Action(name="newer", keys=("right_square_bracket",), words="newer run, or the view after", where=(ANY,)),
    Action(name="last", keys=("minus",), words="the view before this one", where=(ANY,)),
    Action(name="up", keys=("up", "k"), words="up", where=(TABLE, PAGE, LOG)),
    Action(name="down", keys=("down", "j"), words="down", where=(TABLE, PAGE, LOG)),
    Action(name="page_up", keys=("pageup", "ctrl+b"), words="a screen up", where=(TABLE, PAGE, LOG, FORM)),
    Action(
        name="page_down", keys=("pagedown", "ctrl+f"), words="a screen down", where=(TABLE, PAGE, LOG, FORM)
    ),
    Action(name="first", keys=("home", "g"), words="first", where=(TABLE, PAGE, LOG)),
    Action(name="end", keys=("end", "G"), words="last", where=(TABLE, PAGE, LOG)),
    Action(name="left", keys=("left",), words="left, with all columns", where=(TABLE, LOG)),
    Action(name="right", keys=("right",), words="right, with all columns", where=(TABLE, LOG)),
    Action(name="pane", keys=("tab",), words="next pane", where=(TABLE, RUN)),
    Action(name="grow", keys=("plus",), words="larger side pane", where=(TABLE,)),
    Action(name="shrink", keys=("underscore",), words="smaller side pane", where=(TABLE,)),
    Action(name="submit", keys=("ctrl+s",), words="save", where=(FORM,), hint=1, changes=True),
    Action(name="section", keys=("f9", "ctrl+pagedown"), words="next section", where=(FORM,), hint=2),
    Action(name="dry_run", keys=("f2",), words="dry run", where=(FORM,), hint=3),
    Action(name="yaml_preview", keys=("f3",), words="YAML", where=(FORM,), hint=4),
    Action(name="fill", keys=("f4",), words="from another", where=(FORM,), hint=5),
    Action(name="anew", keys=("f5",), words="forget what was typed", where=(FORM,)),
    Action(name="shift", keys=("f6",), words="settle a conflict: move the backup", where=(FORM,)),
    Action(name="after_run", keys=("f7",), words="settle a conflict: back up after the run", where=(FORM,)),
    Action(name="accept", keys=("f8",), words="settle a conflict: accept it", where=(FORM,)),
    Action(name="swap", keys=("ctrl+t",), words="theirs, or mine again", where=(FORM,), hint=1),
    Action(name="command", keys=("colon",), words="command", where=(ANY,), hint=8),
    Action(name="help", keys=("question_mark", "f1"), words="help", where=(ANY,), hint=9),
    Action(name="palette", keys=("ctrl+p",), words="every action, searched", where=(ANY,)),
    Action(name="resync", keys=("ctrl+r",), words="read again", where=(ANY,)),
    Action(name="leave", keys=("q", "ctrl+q"), words="quit", where=(ANY,)),
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
    """Return the table of keys for tui/KEYS.md, in Markdown."""
    lines = ["| keys | does | where |", "|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{shown(key)}`" for key in dict.fromkeys(map(shown, action.keys)))
        lines.append(f"| {keys} | {action.words} | {', '.join(action.where)} |")
    return "\n".join(lines) + "\n"
