"""The kinds of views by name. A new view is a class in a module of its own and a line in `KINDS`."""

from importlib import import_module

from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.views.view import View

KINDS: dict[str, tuple[str, str]] = {
    "overview": ("overview", "OverviewView"),
    "jobs": ("jobs", "JobsView"),
    "runs": ("runs", "RunsView"),
    "run": ("run", "RunView"),
    "policies": ("policies", "PoliciesView"),
    "removals": ("removals", "RemovalsView"),
    "orphans": ("orphans", "OrphansView"),
    "retention": ("retention", "RetentionView"),
    "restore": ("snapshots", "SnapshotsView"),
    "files": ("files", "FilesView"),
    "preview": ("preview", "PreviewView"),
    "restore_form": ("restore_form", "RestoreForm"),
    "storage_form": ("storage_form", "StorageForm"),
    "storage_change": ("storage_form", "StorageChangeForm"),
    "restores": ("restores", "RestoresView"),
    "restore_log": ("restores", "RestoreLogView"),
    "restore_page": ("restores", "RestorePageView"),
    "storages": ("storages", "StoragesView"),
    "alerts": ("alerts", "AlertsView"),
    "night": ("night", "NightView"),
    "form": ("form", "FormView"),
    "history": ("history", "HistoryView"),
    "compare": ("compare", "CompareView"),
    "queue": ("queue", "QueueView"),
    "coverage": ("coverage", "CoverageView"),
    "diff": ("diff", "DiffView"),
    "log_search": ("log_search", "LogSearchView"),
    "holds": ("holds", "HoldsView"),
    "events": ("events", "EventsView"),
    "yaml": ("yaml", "YamlView"),
    "shell": ("shell", "ShellView"),
    "help": ("help", "HelpView"),
    "palette": ("palette", "PaletteView"),
}


def view_class(kind: str) -> type[View]:
    """Return the class of a kind; its module is imported when it is first needed."""
    module, name = KINDS[kind]
    view: type[View] = getattr(import_module(f"kronkeep_tui.views.{module}"), name)
    return view


def create_view(context: Context, place: Place) -> View:
    """Create the view of a place."""
    return view_class(place.kind)(context, place)
