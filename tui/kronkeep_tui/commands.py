"""`:` commands: a view with a filter, a thing by its name, a namespace, a theme, any action by its name."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.actions import BY_NAME, TABS, Action
from kronkeep_tui.colours import LOOKS
from kronkeep_tui.navigation import Place, Way
from kronkeep_tui.store import Store
from kronkeep_tui.views.view import View


class CommandTarget(Protocol):
    """The screen that commands act on."""

    @property
    def store(self) -> Store:
        """Everything read from the daemon."""

    @property
    def view(self) -> View:
        """The view in front."""

    def go(self, way: Way) -> None:
        """Show the last place of a way that begins at a tab."""

    def perform(self, action: Action) -> None:
        """Do an action in the view in front, or show why it cannot be done."""

    def attempt(self, do: Callable[[], None]) -> None:
        """Call a function; show a KronkeepError."""

    def set_namespace(self, namespace: str) -> None:
        """Limit every view to one namespace; empty is all."""

    def set_theme(self, name: str) -> None:
        """Change the colours."""


SHORT = {"q": "leave", "quit": "leave", "new": "create", "h": "help"}
WORDS = ("job", "run", "ns", "theme")


def run(target: CommandTarget, text: str) -> None:
    """Does a command; raises InvalidRequest for one that does not exist."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    word = SHORT.get(word, word)
    if not word:
        return
    if word in TABS:
        _view(target, word, rest)
    elif word in WORDS:
        _WITH_ARGUMENT[word](target, rest)
    elif word.replace("-", "_") in BY_NAME:
        target.perform(BY_NAME[word.replace("-", "_")])
    else:
        raise InvalidRequest(f"There is no command {word!r}.", next_step="tab completes; ? shows the keys.")


def _view(target: CommandTarget, tab: str, question: str) -> None:
    target.go((Place(tab),))
    view = target.view
    if question:
        view.when_ready(partial(target.attempt, partial(view.accept_filter, question)))


def _job(target: CommandTarget, name: str) -> None:
    wanted = [c for c in target.store.cronjobs if name in (c.name, f"{c.namespace}/{c.name}")]
    if not wanted:
        raise InvalidRequest(f"There is no CronJob {name!r}.")
    target.go((Place("jobs"), Place("runs", wanted[0].id)))


def _run(target: CommandTarget, start: str) -> None:
    found = [i for i in target.store.executions.order if start and i.startswith(start)]
    if not found:
        raise InvalidRequest(f"No run that was read begins with {start!r}.")
    target.go((Place("runs"), Place("run", found[0])))


def _namespace(target: CommandTarget, name: str) -> None:
    target.set_namespace("" if name in ("", "all", "-") else name)


def _theme(target: CommandTarget, name: str) -> None:
    if name not in LOOKS:
        raise InvalidRequest(f"There is no theme {name!r}; there are {', '.join(LOOKS)}.")
    target.set_theme(name)


_WITH_ARGUMENT: dict[str, Callable[[CommandTarget, str], None]] = {
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
