"""The registry of actions; key bar, palette, help, `:` commands and tui/KEYS.md are made from it.

A view has scopes: its own kind, then what it is built on (`table`, `page`, `log`, `form`), then `any`. An
action applies in every view that has one of its scopes. The method that performs it is marked
`@handles(ACTION)`: in the view, or in `frame.Frame` where it is the same in all of them. So the references of
an action show what it does.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from inspect import isfunction
from typing import Any, NamedTuple, TypeVar


class Scope(StrEnum):
    """Where an action applies: in one kind of view, or in all that are built alike."""

    ANY = "any"
    TABLE = "table"
    PAGE = "page"
    LOG = "log"
    FORM = "form"
    CRONJOB_FORM = "cronjob_form"
    RESTORE_FORM = "restore_form"
    OVERVIEW = "overview"
    JOBS = "jobs"
    RUNS = "runs"
    RUN = "run"
    POLICIES = "policies"
    REMOVALS = "removals"
    RETENTION = "retention"
    RESTORE = "restore"
    FILES = "files"
    PREVIEW = "preview"
    RESTORES = "restores"
    RESTORE_PAGE = "restore_page"
    RESTORE_LOG = "restore_log"
    STORAGES = "storages"
    ORPHANS = "orphans"
    ALERTS = "alerts"
    NIGHT = "night"
    EVENTS = "events"
    QUEUE = "queue"
    COVERAGE = "coverage"
    HOLDS = "holds"
    YAML = "yaml"
    PALETTE = "palette"


_PLACES = {
    Scope.ANY: "every view",
    Scope.TABLE: "lists",
    Scope.PAGE: "pages of text",
    Scope.LOG: "logs",
    Scope.FORM: "forms",
    Scope.CRONJOB_FORM: "the form of a CronJob",
    Scope.RESTORE_FORM: "the form of a restore",
    Scope.RUN: "a run",
    Scope.RESTORE_PAGE: "a restore",
    Scope.RESTORE_LOG: "the log of a restore",
    Scope.RETENTION: "a retention plan",
    Scope.FILES: "the files of a snapshot",
    Scope.PREVIEW: "a file",
    Scope.REMOVALS: "the retention of a storage",
    Scope.ORPHANS: "backups without a policy",
    Scope.EVENTS: "Kubernetes Events",
    Scope.COVERAGE: "claims",
    Scope.HOLDS: "silences",
}


def place_words(scopes: Iterable[Scope]) -> str:
    """Return in words where an action applies: the names of tabs, and what other views show."""
    return ", ".join(_PLACES.get(scope, scope.value.title()) for scope in scopes)


class Action(NamedTuple):
    """Something a key does.

    `name` is what settings and `:` commands call it, `label` what key bar, help and palette show. An action
    that `changes` something is refused in read-only mode, one that `needs_row` while the cursor is on none.
    `hint` from 1 to 9 puts it in the key bar, the lowest first; 0 keeps it to help and palette. `tab` is the
    tab that it opens.
    """

    name: str
    keys: tuple[str, ...]
    label: str
    scopes: tuple[Scope, ...]
    hint: int = 0
    changes: bool = False
    needs_row: bool = False
    tab: str = ""


TABS = ("overview", "jobs", "runs", "policies", "restore", "storages", "alerts", "night")
_registry: list[Action] = []


def _define(
    name: str,
    keys: tuple[str, ...],
    label: str,
    scopes: tuple[Scope, ...],
    *,
    hint: int = 0,
    changes: bool = False,
    needs_row: bool = False,
    tab: str = "",
) -> Action:
    action = Action(
        name=name,
        keys=keys,
        label=label,
        scopes=scopes,
        hint=hint,
        changes=changes,
        needs_row=needs_row,
        tab=tab,
    )
    _registry.append(action)
    return action


for _number, _tab in enumerate(TABS, 1):
    _define(f"view-{_tab}", (str(_number),), _tab.title(), (Scope.ANY,), tab=_tab)
CHOOSE = _define("choose", ("enter",), "open", (Scope.TABLE,), hint=1, needs_row=True)
BACK = _define("back", ("escape",), "back", (Scope.ANY,), hint=8)
LOG = _define("log", ("l",), "log", (Scope.JOBS, Scope.RUNS, Scope.RESTORE_PAGE), hint=2, needs_row=True)
CREATE = _define(
    "create",
    ("n",),
    "new",
    (Scope.JOBS, Scope.OVERVIEW, Scope.POLICIES, Scope.STORAGES),
    hint=3,
    changes=True,
)
TRIGGER = _define(
    "trigger", ("t",), "run now", (Scope.JOBS, Scope.RUNS, Scope.RUN), hint=3, changes=True, needs_row=True
)
SUSPEND = _define("suspend", ("s",), "suspend/resume", (Scope.JOBS,), hint=4, changes=True, needs_row=True)
BACK_UP = _define(
    "back_up", ("b",), "back up", (Scope.JOBS, Scope.RUNS, Scope.RUN), hint=4, changes=True, needs_row=True
)
CANCEL = _define(
    "cancel",
    ("x",),
    "stop",
    (Scope.RUNS, Scope.RUN, Scope.RESTORE_PAGE),
    hint=5,
    changes=True,
    needs_row=True,
)
DELETE = _define(
    "delete", ("x",), "delete", (Scope.JOBS, Scope.STORAGES), hint=5, changes=True, needs_row=True
)
ACKNOWLEDGE = _define(
    "acknowledge", ("a",), "acknowledge", (Scope.ALERTS, Scope.STORAGES), hint=2, changes=True, needs_row=True
)
SILENCE = _define("silence", ("s",), "silence", (Scope.ALERTS, Scope.HOLDS), hint=3, changes=True)
MAINTAIN = _define("maintenance", ("m",), "suspend many", (Scope.JOBS, Scope.HOLDS), changes=True)
END_HOLD = _define("end_it", ("x",), "end it", (Scope.HOLDS,), hint=2, changes=True, needs_row=True)
CHECK = _define("check", ("v",), "check", (Scope.STORAGES,), hint=3, changes=True, needs_row=True)
MEASURE = _define("measure", ("u",), "measure", (Scope.STORAGES,), hint=5, changes=True, needs_row=True)
RETRY = _define("retry", ("t",), "try again", (Scope.STORAGES,), hint=2, changes=True, needs_row=True)
TEST = _define("test", ("T",), "test: open the repository", (Scope.STORAGES,), changes=True, needs_row=True)
RESCAN = _define(
    "rescan", ("L",), "rescan: record lost backups", (Scope.STORAGES,), changes=True, needs_row=True
)
PRUNE = _define("prune", ("P",), "prune: free space", (Scope.STORAGES,), changes=True, needs_row=True)
RETENTION = _define(
    "retention", ("R",), "retention", (Scope.POLICIES, Scope.STORAGES), hint=4, needs_row=True
)
APPROVE = _define("approve", ("a",), "approve the removals", (Scope.RETENTION,), hint=1, changes=True)
ORPHANS = _define("orphans", ("o",), "backups without a policy", (Scope.STORAGES,), needs_row=True)
ADOPT = _define("adopt", ("a",), "adopt", (Scope.ORPHANS,), hint=2, changes=True, needs_row=True)
FORM = _define(
    "form", ("e",), "edit", (Scope.JOBS, Scope.POLICIES, Scope.STORAGES), hint=5, changes=True, needs_row=True
)
CLONE = _define("clone", ("N",), "new from this one", (Scope.JOBS,), changes=True, needs_row=True)
RESTORE = _define(
    "restore", ("r",), "restore", (Scope.RESTORE, Scope.FILES), hint=2, changes=True, needs_row=True
)
VERIFY = _define("verify", ("v",), "verify", (Scope.RESTORE,), hint=3, changes=True, needs_row=True)
DRILL = _define("drill", ("d",), "drill now", (Scope.RESTORE,), hint=4, changes=True, needs_row=True)
RESTORES = _define("restores", ("R",), "restores and drills", (Scope.RESTORE,), hint=5)
OPEN_RUN = _define("open_run", ("o",), "its run", (Scope.RESTORE,), needs_row=True)
DOWNLOAD = _define("download", ("d",), "download", (Scope.FILES,), hint=3, needs_row=True)
BEGIN = _define("begin", ("ctrl+s",), "begin the restore", (Scope.RESTORE_FORM,), hint=1, changes=True)
EDIT = _define("edit", ("E",), "edit as YAML in $EDITOR", (Scope.JOBS,), changes=True, needs_row=True)
HISTORY = _define("history", ("h",), "history", (Scope.JOBS, Scope.RUNS, Scope.RUN), hint=5, needs_row=True)
COMPARE = _define("compare", ("equals_sign",), "compare two", (Scope.RUNS, Scope.RUN), needs_row=True)
DIFF = _define("diff", ("D", "equals_sign"), "what differs", (Scope.RESTORE,), hint=6, needs_row=True)
PREVIEW = _define("preview", ("p",), "look into it", (Scope.FILES,), hint=4, needs_row=True)
HEX = _define("hex", ("x",), "text, or bytes", (Scope.PREVIEW,), hint=1)
YAML = _define(
    "yaml",
    ("y",),
    "YAML",
    (Scope.JOBS, Scope.RUNS, Scope.RUN, Scope.POLICIES, Scope.STORAGES, Scope.RESTORE),
    needs_row=True,
)
EVENTS = _define("events", ("e",), "Kubernetes Events", (Scope.RUNS, Scope.RUN), needs_row=True)
MANIFEST = _define("manifest", ("m",), "the Job's manifest", (Scope.RUNS, Scope.RUN), needs_row=True)
COPY = _define("copy", ("c",), "copy", (Scope.TABLE, Scope.RUN, Scope.YAML), needs_row=True)
RUN_BEFORE = _define("run_before", ("left",), "run before", (Scope.NIGHT,), hint=2)
RUN_AFTER = _define("run_after", ("right",), "run after", (Scope.NIGHT,), hint=2)
ZOOM_IN = _define("zoom_in", ("plus",), "zoom in", (Scope.NIGHT,), hint=3)
ZOOM_OUT = _define("zoom_out", ("underscore",), "zoom out", (Scope.NIGHT,), hint=4)
EARLIER = _define("earlier", ("left_square_bracket",), "earlier", (Scope.NIGHT,), hint=5)
LATER = _define("later", ("right_square_bracket",), "later", (Scope.NIGHT,), hint=5)
TO_NOW = _define("to_now", ("n",), "back to now", (Scope.NIGHT,), hint=5)
BATCHES = _define("batches", ("b",), "batches", (Scope.NIGHT,), hint=6)
STORAGE_LOAD = _define("storage_load", ("s",), "load of each storage", (Scope.NIGHT,), hint=6)
FILTER = _define("filter", ("slash",), "filter", (Scope.TABLE,), hint=6)
SORT = _define("sort", ("S",), "sort", (Scope.TABLE,))
FAULTS = _define("faults", ("z",), "faults only", (Scope.TABLE,), hint=7)
WIDE = _define("wide", ("w",), "all columns", (Scope.TABLE,))
MARK = _define("mark", ("space",), "mark", (Scope.TABLE,), needs_row=True)
MARK_RANGE = _define(
    "mark_range", ("ctrl+@", "ctrl+space"), "mark up to here", (Scope.TABLE,), needs_row=True
)
NAMESPACES = _define("namespaces", ("0",), "all namespaces", (Scope.ANY,))
SEARCH = _define("search", ("slash",), "search", (Scope.LOG, Scope.PAGE), hint=2)
NEXT_MATCH = _define("next_match", ("n",), "next match", (Scope.LOG, Scope.PAGE))
PREVIOUS_MATCH = _define("previous_match", ("N",), "previous match", (Scope.LOG, Scope.PAGE))
FOLLOW = _define("follow", ("F",), "follow the log", (Scope.LOG,), hint=3)
WRAP = _define("wrap", ("w",), "wrap lines", (Scope.LOG,), hint=6)
TIMES = _define("times", ("T",), "show times", (Scope.LOG,))
FULL = _define("full", ("f",), "log on the whole screen", (Scope.RUN,), hint=7)
OLDER = _define("older", ("left_square_bracket",), "older run, or the view before", (Scope.ANY,))
NEWER = _define("newer", ("right_square_bracket",), "newer run, or the view after", (Scope.ANY,))
LAST = _define("last", ("minus",), "the view before this one", (Scope.ANY,))
UP = _define("up", ("up", "k"), "up", (Scope.TABLE, Scope.PAGE, Scope.LOG))
DOWN = _define("down", ("down", "j"), "down", (Scope.TABLE, Scope.PAGE, Scope.LOG))
PAGE_UP = _define(
    "page_up", ("pageup", "ctrl+b"), "a screen up", (Scope.TABLE, Scope.PAGE, Scope.LOG, Scope.FORM)
)
PAGE_DOWN = _define(
    "page_down", ("pagedown", "ctrl+f"), "a screen down", (Scope.TABLE, Scope.PAGE, Scope.LOG, Scope.FORM)
)
FIRST = _define("first", ("home", "g"), "first", (Scope.TABLE, Scope.PAGE, Scope.LOG))
END = _define("end", ("end", "G"), "last", (Scope.TABLE, Scope.PAGE, Scope.LOG))
LEFT = _define("left", ("left",), "left, with all columns", (Scope.TABLE, Scope.LOG))
RIGHT = _define("right", ("right",), "right, with all columns", (Scope.TABLE, Scope.LOG))
PANE = _define("pane", ("tab",), "next pane", (Scope.TABLE, Scope.RUN))
GROW = _define("grow", ("plus",), "larger side pane", (Scope.TABLE,))
SHRINK = _define("shrink", ("underscore",), "smaller side pane", (Scope.TABLE,))
SUBMIT = _define("submit", ("ctrl+s",), "save", (Scope.FORM,), hint=1, changes=True)
SECTION = _define("section", ("f9", "ctrl+pagedown"), "next section", (Scope.FORM,), hint=2)
SECTION_BEFORE = _define(
    "section_before", ("shift+f9", "f21", "ctrl+pageup"), "section before", (Scope.FORM,)
)
DRY_RUN = _define("dry_run", ("f2",), "dry run", (Scope.CRONJOB_FORM,), hint=3)
YAML_PREVIEW = _define("yaml_preview", ("f3",), "YAML", (Scope.CRONJOB_FORM,), hint=4)
FILL = _define("fill", ("f4",), "from another", (Scope.CRONJOB_FORM,), hint=5)
DISCARD = _define("discard", ("f5",), "discard the draft", (Scope.FORM,))
SHIFT = _define("shift", ("f6",), "fix a conflict: move the backup", (Scope.CRONJOB_FORM,))
AFTER_RUN = _define("after_run", ("f7",), "fix a conflict: back up after the run", (Scope.CRONJOB_FORM,))
ACCEPT = _define("accept", ("f8",), "fix a conflict: accept it", (Scope.CRONJOB_FORM,))
SWAP = _define("swap", ("ctrl+t",), "their text, or mine again", (Scope.CRONJOB_FORM,), hint=1)
SHELL = _define("shell", ("C",), "as lines for a shell", (Scope.ANY,))
UNDO = _define("undo", ("u",), "undo the last change", (Scope.ANY,), changes=True)
EXPORT = _define("export", ("ctrl+e",), "save the rows as CSV or JSON", (Scope.TABLE,))
PIN = _define("pin", ("i",), "pin, or unpin", (Scope.RESTORE,), changes=True, needs_row=True)
CLOCK = _define("clock", ("Z",), "clock times, or ages", (Scope.ANY,))
COMMAND = _define("command", ("colon",), "command", (Scope.ANY,), hint=8)
QUEUE = _define("queue", ("Q",), "queue of archives and repository work", (Scope.ANY,))
COVERAGE = _define("coverage", ("V",), "which claims are backed up", (Scope.ANY,))
HOLDS = _define("silences", ("M",), "silences and maintenances", (Scope.ANY,))
HELP = _define("help", ("question_mark", "f1"), "help", (Scope.ANY,), hint=9)
PALETTE = _define("palette", ("ctrl+p",), "search all actions", (Scope.ANY,))
RESYNC = _define("resync", ("ctrl+r",), "read again", (Scope.ANY,))
LEAVE = _define("leave", ("q", "ctrl+q"), "quit", (Scope.ANY,))

# What is asked for the line of a silence and of a maintenance, in two views each.
SILENCE_QUESTION = "Which alerts are not sent, how long, and why? FILTER for 4h because WHY"
MAINTENANCE_QUESTION = "Which CronJobs are suspended, how long, and why? FILTER (or all) for 4h because WHY"

ACTIONS = tuple(_registry)
BY_NAME = {action.name: action for action in ACTIONS}

Handler = TypeVar("Handler", bound=Callable[..., None])
_handled: dict[Callable[..., None], tuple[Action, ...]] = {}


def handles(*actions: Action) -> Callable[[Handler], Handler]:
    """Mark a method of a view or of the frame as performing these actions."""

    def register(method: Handler) -> Handler:
        _handled[method] = actions
        return method

    return register


def handler_of(owner: Any, action: Action) -> Callable[[], None] | None:
    """Return the method of a view or the frame that performs an action, None if it has none.

    A subclass replaces a handler by overriding the method, or by marking another one.
    """
    name = handler_names(type(owner)).get(action.name)
    method: Callable[[], None] | None = getattr(owner, name) if name else None
    return method


def handler_names(owner: type[Any]) -> Mapping[str, str]:
    """Return the names of a class's handlers by the names of their actions."""
    names: dict[str, str] = {}
    for cls in reversed(owner.__mro__):
        for member in vars(cls).values():
            if isfunction(member):
                names |= {action.name: member.__name__ for action in _handled.get(member, ())}
    return names
