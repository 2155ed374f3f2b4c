"""Lines for a shell: the words are those of the command line, the paths those of the API."""

import json
import re
import shlex
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import vault_with_usage
from tests.ui.canned import BACKUPS, RUNS, cronjob
from tests.ui.scenes import alert

from kronkeep_common.api import ClusterView, PolicyView
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupStorage,
    CronJob,
    CronJobExecution,
    Restore,
    RestoreRequest,
    RestoreTarget,
)
from kronkeep_tui.change_requests import ChangeRequests
from kronkeep_tui.cli.main import build_parser
from kronkeep_tui.shell_commands import (
    ScreenFacts,
    ShellCommand,
    decode,
    encode,
    lines_of_change,
    lines_of_screen,
    words_of_restore,
)
from kronkeep_tui.store import Store
from kronkeep_tui.views.alerts import AlertsView
from kronkeep_tui.views.jobs import JobsView
from kronkeep_tui.views.policies import PoliciesView
from kronkeep_tui.views.registry import KINDS
from kronkeep_tui.views.restores import RestoresView
from kronkeep_tui.views.runs import RunsView
from kronkeep_tui.views.snapshots import SnapshotsView
from kronkeep_tui.views.sortable_view import SortableView
from kronkeep_tui.views.storages import StoragesView

ROUTES = json.loads((Path(__file__).parents[3] / "tui/kronkeep_tui/cli/routes.json").read_text())
WITHOUT_LINES = {"form", "storage_form", "storage_change", "restore_form", "help", "palette", "shell"}
ARGUMENTS = {
    "run": "0a1b",
    "events": "0a1b",
    "restore_page": "0a1b",
    "restore_log": "0a1b",
    "history": "0a1b",
    "compare": "0a1b b1",
    "diff": "b1 0a1b",
    "files": "b1 /source/it's here",
    "preview": "b1 /source/it's here",
    "night": "2026-11-24T01:00:00Z 2026-11-24T09:00:00Z",
    "retention": "pay/a 0a1b",
    "removals": "vault",
    "orphans": "vault",
    "log_search": "it's full",
    "yaml": "cronjob pay/pvc/data@c1",
}
SCREENS = [
    *(
        ScreenFacts(kind, ARGUMENTS.get(kind, ""), subject=cronjob("a") if kind == "history" else None)
        for kind in KINDS
        if kind not in WITHOUT_LINES
    ),
    *(ScreenFacts("yaml", f"{kind} b1") for kind in ("execution", "manifest", "backup", "storage")),
    ScreenFacts("retention", "pay/a 0a1b orphan"),
    ScreenFacts("runs", argument="0a1b", subject=cronjob("a")),
    ScreenFacts("runs", filter_text="status:failed age:<1h", namespace="pay"),
]


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_each_line_is_one_that_is_understood(screen: ScreenFacts) -> None:
    lines = lines_of_screen(screen)
    is_manifest = screen.argument.startswith("manifest ")
    assert {line.program for line in lines} >= {"curl"} | (set() if is_manifest else {"kronkeep"})
    for line in lines:
        words = shlex.split(line.line)
        if line.program == "kronkeep":
            build_parser().parse_args(words[1:])
        if line.program == "curl":
            check_route("GET", line.line)
    assert decode(encode(lines)) == lines


def check_route(method: str, line: str) -> None:
    """Hold that a line of curl uses a route that exists, with parameters that it takes."""
    path = re.search(r"http://localhost(/v1/[^ '?]*)", line)
    assert path is not None
    routes = [
        route
        for route in ROUTES
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route)), f"{method} {path[1]}")
    ]
    assert routes, line


def test_a_screen_without_lines_is_one_where_keys_are_texts() -> None:
    for kind in WITHOUT_LINES:
        assert lines_of_screen(ScreenFacts(kind)) == []


def test_a_filter_stays_one_word() -> None:
    lines = lines_of_screen(SCREENS[-1])
    assert shlex.split(lines[0].line)[-1] == "status:failed age:<1h ns:pay"
    assert "--data-urlencode 'filter=status:failed age:<1h ns:pay'" in lines[1].line
    assert lines[2].line == "kubectl get jobs -n pay"


def test_a_change_is_the_same_in_three_programs() -> None:
    lines = lines_of_change(("suspend", "pay/a"), "/v1/cronjobs/pay/a/suspend", ("-n", "pay", "get", "cj"))
    assert [line.program for line in lines] == ["kronkeep", "curl", "kubectl"]
    assert lines[0] == ShellCommand("the last change", "kronkeep", "kronkeep suspend pay/a")
    assert "-X POST" in lines[1].line


def test_a_restore_in_words_has_all_that_was_chosen() -> None:
    target = RestoreTarget(kind="claim", claim="c", namespace="pay", path="sub", cluster="west")
    request = RestoreRequest(target=target, include=("/a b",), overwrite=True, suspend=True, from_copy="far")
    options = build_parser().parse_args(words_of_restore("b1", request))
    assert (options.backup, options.claim, options.namespace, options.folder) == ("b1", "c", "pay", "sub")
    assert (options.overwrite, options.suspend, options.from_copy) == (True, True, "far")
    assert options.path == ["/a b"]
    in_place = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="a")
    assert words_of_restore("b1", in_place)[2:] == ["--in-place", "--overwrite", "--yes", "a"]


class AnyClient:
    """A client and a terminal that take every call, of which nothing is sent."""

    last_change: tuple[ShellCommand, ...] = ()

    def __init__(self, clusters: tuple[ClusterView, ...] = ()) -> None:
        self.store = Store(clusters=clusters)

    def __getattr__(self, name: str) -> "AnyClient":
        return self

    def __call__(self, *args: Any, **options: Any) -> "AnyClient":
        return self

    def start_work(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Drop what a change would send."""
        work.close()


def changes_of(context: Any) -> list[Callable[[], None]]:
    """Return each change of one record."""
    changes = ChangeRequests(context)
    job = cronjob("a")
    storage = vault_with_usage(used_bytes=1, capacity_bytes=2)
    on_storages = (
        changes.check_storage,
        changes.measure_storage,
        changes.test_storage,
        changes.prune_storage,
        changes.rescan_storage,
        changes.acknowledge_missing,
        changes.retry_storage,
        changes.delete_storage,
    )
    return [
        *(partial(change, [job]) for change in (changes.trigger, changes.toggle_suspension, changes.back_up)),
        partial(changes.delete, job),
        partial(changes.cancel, RUNS[:1]),
        partial(changes.acknowledge, [alert("RunFailed", "a", "web", 1)]),
        *(partial(change, BACKUPS[0]) for change in (changes.verify, changes.drill)),
        partial(changes.toggle_pin, BACKUPS),
        *(partial(change, storage) for change in on_storages),
    ]


def test_faults_only_and_the_order_of_rows_are_in_the_lines_where_they_can_be() -> None:
    facts = ScreenFacts("runs", faults_only=True, sort_by="-duration_seconds", filter_text="name:a")
    lines = [line.line for line in lines_of_screen(facts)]
    running = "!status:running !status:pending"
    assert lines[0] == (
        f"kronkeep get executions --filter 'name:a !status:succeeded !status:cancelled {running}' "
        "--sort-by -duration_seconds"
    )
    assert lines[1].startswith("kronkeep get backups --filter '!status:succeeded")
    own = ScreenFacts("runs", argument="0a1b", subject=cronjob("a"), faults_only=True)
    assert all("!status:succeeded" in line.line for line in lines_of_screen(own)[:3])
    alerts = lines_of_screen(ScreenFacts("alerts", faults_only=True, sort_by="since"))[0].line
    assert alerts == "kronkeep get alerts --filter status:open --sort-by since"


def test_each_field_of_an_order_is_one_of_the_list() -> None:
    views: tuple[tuple[type[SortableView], type], ...] = (
        (JobsView, CronJob),
        (RunsView, CronJobExecution),
        (PoliciesView, PolicyView),
        (SnapshotsView, BackupExecution),
        (RestoresView, Restore),
        (StoragesView, BackupStorage),
        (AlertsView, Alert),
    )
    for view, record in views:
        assert set(view.SORT_FIELDS) <= set(view.SORT_ORDERS)
        missing = {field for field in view.SORT_FIELDS.values() if not hasattr(record, field)}
        assert missing == set(), view


EAST_AND_WEST = (ClusterView(id="c", name="east"), ClusterView(id="w", name="west"))


def test_where_there_are_several_clusters_each_line_names_the_one_that_is_meant() -> None:
    context = AnyClient(EAST_AND_WEST)
    changes = ChangeRequests(context)  # type: ignore[arg-type]
    job = msgspec.structs.replace(cronjob("a"), cluster="w")
    for change in (changes.trigger, changes.toggle_suspension, changes.back_up):
        change([job])
        assert [line.program for line in context.last_change] == ["kronkeep", "curl"]
        assert context.last_change[0].line.endswith(" --cluster west")
        assert "?cluster=west" in context.last_change[1].line
    changes.delete(job)
    assert "--cluster west" in context.last_change[0].line
    names = {cluster.id: cluster.name for cluster in EAST_AND_WEST}
    yaml = lines_of_screen(ScreenFacts("yaml", "cronjob billing/a@w", clusters=names))
    assert yaml[0].line == "kronkeep get cronjobs billing/a -o yaml --cluster west"
    runs = lines_of_screen(ScreenFacts("runs", job.id, subject=job, clusters=names))
    assert "cluster:west" in runs[0].line
    assert {line.program for line in (*yaml, *runs)} == {"kronkeep", "curl"}


@pytest.mark.parametrize("number", range(17))
def test_each_change_has_lines_that_are_understood(number: int) -> None:
    context = AnyClient()
    changes = changes_of(context)
    assert len(changes) == 17
    changes[number]()
    assert {line.program for line in context.last_change} >= {"kronkeep", "curl"}
    for line in context.last_change:
        if line.program == "kronkeep":
            build_parser().parse_args(shlex.split(line.line)[1:])
        if line.program == "curl":
            method = re.search(r"-X (\w+)", line.line)
            assert method is not None
            check_route(method[1], line.line)
