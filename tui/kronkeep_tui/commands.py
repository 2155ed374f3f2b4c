"""`:` commands: a view with a filter, a thing by its name, a namespace, a theme, any action by its name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.actions import BY_NAME, TABS
from kronkeep_tui.colours import LOOKS
from kronkeep_tui.navigation import Place
from kronkeep_tui.store import Store
from kronkeep_tui.views.table_view import TableView

if TYPE_CHECKING:
    from kronkeep_tui.frame import Frame

SHORT = {"q": "leave", "quit": "leave", "new": "create", "h": "help"}
WORDS = ("job", "run", "ns", "theme")


def run(frame: "Frame", text: str) -> None:
    """Does a command; raises InvalidRequest for one that does not exist."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    word = SHORT.get(word, word)
    if not word:
        return
    if word in TABS:
        _view(frame, word, rest)
    elif word in WORDS:
        _WITH_ARGUMENT[word](frame, rest)
    elif word.replace("-", "_") in BY_NAME:
        frame.perform(word.replace("-", "_"))
    else:
        raise InvalidRequest(f"There is no command {word!r}.", next_step="tab completes; ? shows the keys.")


def _view(frame: "Frame", tab: str, question: str) -> None:
    frame.go((Place(tab),))
    view = frame.view
    if question and isinstance(view, TableView):
        view.when_ready(lambda: frame.attempt(lambda: view.filtered(question)))


def _job(frame: "Frame", name: str) -> None:
    wanted = [c for c in frame.kronkeep.reader.store.cronjobs if name in (c.name, f"{c.namespace}/{c.name}")]
    if not wanted:
        raise InvalidRequest(f"There is no CronJob {name!r}.")
    frame.go((Place("jobs"), Place("runs", wanted[0].id)))


def _run(frame: "Frame", start: str) -> None:
    found = [i for i in frame.kronkeep.reader.store.executions.order if start and i.startswith(start)]
    if not found:
        raise InvalidRequest(f"No run that was read begins with {start!r}.")
    frame.go((Place("runs"), Place("run", found[0])))


def _namespace(frame: "Frame", name: str) -> None:
    frame.set_namespace("" if name in ("", "all", "-") else name)


def _theme(frame: "Frame", name: str) -> None:
    if name not in LOOKS:
        raise InvalidRequest(f"There is no theme {name!r}; there are {', '.join(LOOKS)}.")
    frame.kronkeep.set_look(name)


_WITH_ARGUMENT: dict[str, Callable[["Frame", str], None]] = {
    "job": _job,
    "run": _run,
    "ns": _namespace,
    "theme": _theme,
}


def completer(store: Store) -> Callable[[str], Sequence[str]]:
    """What may follow a beginning: commands first, then the names that a command takes."""
    words = sorted(
        [*TABS, *WORDS, *SHORT, *(n.replace("_", "-") for n in BY_NAME if not n.startswith("view-"))]
    )

    def complete(text: str) -> Sequence[str]:
        if " " not in text:
            return [word for word in words if text and word.startswith(text) and word != text]
        word, _, rest = text.partition(" ")
        return [f"{word} {name}" for name in _names(word, store) if name.startswith(rest) and name != rest]

    return complete


def _names(word: str, store: Store) -> list[str]:
    if word == "job":
        return sorted(c.name for c in store.cronjobs)
    if word == "ns":
        return sorted({"all", *(c.namespace for c in store.cronjobs)})
    return sorted(LOOKS) if word == "theme" else []
