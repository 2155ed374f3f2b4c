"""The views by kind. A new one is a class in a module of its own and a line in `KINDS`."""

from importlib import import_module

from kronkeep_tui.navigation import Place
from kronkeep_tui.views.view import View

KINDS: dict[str, tuple[str, str]] = {
    "overview": ("overview", "OverviewView"),
    "jobs": ("jobs", "JobsView"),
    "runs": ("runs", "RunsView"),
    "run": ("run", "RunView"),
    "policies": ("policies", "PoliciesView"),
    "removals": ("removals", "RemovalsView"),
    "retention": ("retention", "RetentionView"),
    "restore": ("snapshots", "RestoreView"),
    "files": ("files", "FilesView"),
    "plan": ("plan", "PlanView"),
    "restores": ("restores", "RestoresView"),
    "restore_log": ("restores", "RestoreLogView"),
    "restored": ("restores", "RestoredView"),
    "storages": ("storages", "StoragesView"),
    "alerts": ("alerts", "AlertsView"),
    "form": ("form", "FormView"),
    "history": ("history", "HistoryView"),
    "compare": ("compare", "CompareView"),
    "events": ("events", "EventsView"),
    "yaml": ("yaml", "YamlView"),
    "help": ("help", "HelpView"),
    "palette": ("palette", "PaletteView"),
}


def kind(name: str) -> type[View]:
    """The class of a kind; its module is read when it is first needed."""
    module, view = KINDS[name]
    found: type[View] = getattr(import_module(f"kronkeep_tui.views.{module}"), view)
    return found


def make(place: Place) -> View:
    """The view of a place."""
    return kind(place.kind)(place.of)
