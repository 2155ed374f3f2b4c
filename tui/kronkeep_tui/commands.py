"""The `:` commands: a tab with a filter, `job NAME`, `run ID`, `grep TEXT`, `ns NAME`, `theme NAME`, actions.

An action that is about a row takes the name of one (`:trigger shop/db-dump`). One that is not refuses a name,
so that nothing that is typed is dropped.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.name_suggestions import closest_name, suggest_name
from kronkeep_tui import actions
from kronkeep_tui.actions import BY_NAME, TABS, Action, Scope
from kronkeep_tui.colours import SCHEMES
from kronkeep_tui.navigation import Place, PlacePath
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

    def go(self, way: PlacePath) -> None:
        """Show the last place of a path that begins at a tab."""

    def perform(self, action: Action) -> None:
        """Do an action in the view in front, or show why it cannot be done."""

    def attempt_command(self, do: Callable[[], None]) -> None:
        """Do what the last `:` command waited for; ask for the command again where that is refused."""

    def set_namespace(self, namespace: str) -> None:
        """Limit every view to one namespace; empty is all."""

    def set_theme(self, name: str) -> None:
        """Change the colours of the terminal."""


SHORT_FORMS = {"q": "leave", "quit": "leave", "new": "create", "h": "help"}
WHOLE_ID = 36  # characters of a run's id, a UUID (RFC 9562)
COMMANDS = ("job", "run", "grep", "ns", "theme")


def run_command(target: CommandTarget, text: str) -> None:
    """Run a command; raise InvalidRequest for one that does not exist."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    word = SHORT_FORMS.get(word, word)
    if not word:
        return
    if word in TABS:
        _go_to_tab(target, word, rest)
    elif word in COMMANDS:
        _HANDLERS[word](target, rest)
    elif word.replace("-", "_") in BY_NAME:
        _perform(target, BY_NAME[word.replace("-", "_")], rest)
    else:
        near = closest_name(word, command_words())
        advice = f"Did you mean :{near}?" if near else "tab completes; ? shows the keys."
        raise InvalidRequest(f"There is no command {word!r}.", next_step=advice)


def _go_to_tab(target: CommandTarget, tab: str, question: str) -> None:
    target.go((Place(tab),))
    view = target.view
    if question:
        _do_when_ready(target, partial(view.accept_filter, question))


def _do_when_ready(target: CommandTarget, do: Callable[[], None]) -> None:
    """Do something once the view's widgets exist; raise what it raises where they do."""
    if target.view.ready:
        do()
    else:
        target.view.when_ready(partial(target.attempt_command, do))


def _perform(target: CommandTarget, action: Action, argument: str) -> None:
    if not argument:
        target.perform(action)
    elif action in (actions.FILTER, actions.SORT):
        _require_scope(target.view, action)
        arrange = target.view.accept_filter if action == actions.FILTER else target.view.sort_by_name
        arrange(argument)
    elif not action.needs_row:
        raise InvalidRequest(
            f":{action.name.replace('_', '-')} takes no name.", next_step="Repeat it without one."
        )
    else:
        if Scope.JOBS in action.scopes and not target.view.has_row(argument):
            target.go((Place("jobs"),))
        _require_scope(target.view, action)
        _do_when_ready(target, partial(_perform_on_row, target, action, argument))


def _perform_on_row(target: CommandTarget, action: Action, name: str) -> None:
    target.view.select_row(name)
    target.perform(action)


def _require_scope(view: View, action: Action) -> None:
    """Raise InvalidRequest where the view does not have the action."""
    if refusal := view.scope_refusal(action):
        raise InvalidRequest(refusal, next_step="? shows what can be done here.")


def _go_to_job(target: CommandTarget, name: str) -> None:
    matches = [c for c in target.store.cronjobs if name in (c.name, f"{c.namespace}/{c.name}")]
    if not matches:
        near = closest_name(name, _cronjob_names(target.store))
        advice = f"Did you mean {near}?" if near else "tab completes names."
        raise InvalidRequest(f"There is no CronJob {name!r}.", next_step=advice)
    if len(matches) > 1:
        names = sorted(f"{c.namespace}/{c.name}" for c in matches)
        raise InvalidRequest(f"{name!r} is the name of several.", next_step=f"Choose: {', '.join(names)}.")
    target.go((Place("jobs"), Place("runs", matches[0].id)))


def _go_to_run(target: CommandTarget, start: str) -> None:
    matches = [i for i in target.store.executions.order if start and i.startswith(start)]
    if not matches and len(start) < WHOLE_ID:
        advice = "A whole id finds older ones, too." if start else "Write :run ID."
        raise InvalidRequest(f"No run that was read begins with {start!r}.", next_step=advice)
    if len(matches) > 1 and start not in matches:
        ids = ", ".join(match[: len(start) + 8] for match in matches[:5])
        raise InvalidRequest(f"The ids of {len(matches)} runs begin so.", next_step=f"Type more: {ids}.")
    target.go((Place("runs"), Place("run", start if start in matches or not matches else matches[0])))


def _search_logs(target: CommandTarget, text: str) -> None:
    if not text:
        raise InvalidRequest("What is searched for was not said.", next_step="Write :grep TEXT.")
    target.go((Place("runs"), Place("log_search", text)))


def _set_namespace(target: CommandTarget, name: str) -> None:
    if name in ("", "all", "-"):
        target.set_namespace("")
        return
    namespaces = sorted({cronjob.namespace for cronjob in target.store.cronjobs})
    if name not in namespaces:
        advice = suggest_name(name, namespaces, "kronkeep get cronjobs")
        raise InvalidRequest(f"No CronJob is in a namespace {name!r}.", next_step=advice)
    target.set_namespace(name)


def _set_theme(target: CommandTarget, name: str) -> None:
    if name not in SCHEMES:
        raise InvalidRequest(f"There is no theme {name!r}.", next_step=suggest_name(name, SCHEMES))
    target.set_theme(name)


_HANDLERS: dict[str, Callable[[CommandTarget, str], None]] = {
    "job": _go_to_job,
    "run": _go_to_run,
    "grep": _search_logs,
    "ns": _set_namespace,
    "theme": _set_theme,
}


def command_words() -> list[str]:
    """Return every word that a command may begin with."""
    names = [name.replace("_", "-") for name in BY_NAME if not name.startswith("view-")]
    return sorted([*TABS, *COMMANDS, *SHORT_FORMS, *names])


def completer(store: Store) -> Callable[[str], Sequence[str]]:
    """Return a function that completes commands, then the names that they take."""
    words = command_words()

    def complete(text: str) -> Sequence[str]:
        if " " not in text:
            return [word for word in words if text and word.startswith(text) and word != text]
        word, _, rest = text.partition(" ")
        names = _names_for(SHORT_FORMS.get(word, word), store)
        return [f"{word} {name}" for name in names if name.startswith(rest) and name != rest]

    return complete


def _names_for(word: str, store: Store) -> list[str]:
    action = BY_NAME.get(word.replace("-", "_"))
    if word == "job" or (action is not None and action.needs_row and Scope.JOBS in action.scopes):
        return _cronjob_names(store)
    if word == "ns":
        return sorted({"all", *(c.namespace for c in store.cronjobs)})
    return sorted(SCHEMES) if word == "theme" else []


def _cronjob_names(store: Store) -> list[str]:
    """Return every CronJob's name, with its namespace where the name alone is not unique."""
    counts = Counter(cronjob.name for cronjob in store.cronjobs)
    return sorted(c.name if counts[c.name] == 1 else f"{c.namespace}/{c.name}" for c in store.cronjobs)
