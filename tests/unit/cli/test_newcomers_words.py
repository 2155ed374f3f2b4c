"""What a newcomer tripped over: values with hyphens, columns' titles, nested fields, names, two demos."""

import argparse
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.records import make_backup, make_run

from kronkeep_common import api, socket_path
from kronkeep_common.api import ChangeEvent
from kronkeep_common.client import Client
from kronkeep_common.errors import CronJobNotFound, DaemonUnreachable, InvalidRequest
from kronkeep_common.models import (
    Alert,
    BackupCopy,
    BackupExecution,
    BackupStorage,
    CronJob,
    CronJobExecution,
    HookRun,
    OrphanedPolicy,
    Restore,
    SnapshotFile,
)
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.models.figures import Figures
from kronkeep_common.models.file_changes import FileMatch
from kronkeep_common.models.maintenance import MaintenanceView
from kronkeep_common.models.queue import QueueEntry
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_common.models.silence import SilenceView
from kronkeep_common.models.storage import StorageRepository
from kronkeep_common.name_suggestions import MOST_NAMED, suggest_name
from kronkeep_tui.cli import describe, main, output, record_ids, wait_for_end, watch
from kronkeep_tui.cli.columns import COLUMNS
from kronkeep_tui.cli.main import build_parser
from kronkeep_tui.pages.status_words import backup_state

EARLY = datetime(2026, 1, 1, 2, tzinfo=UTC)
LATE = datetime(2026, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("get executions --sort-by -took", "sort_by", "-took"),
        ("get executions --sort-by took -n pay", "sort_by", "took"),
        ("timeline --from -6h --to +2h", "from_at", "-6h"),
    ],
)
def test_a_value_may_begin_with_a_hyphen(line: str, field: str, value: str) -> None:
    words = main._join_values(line.split())
    assert getattr(build_parser(words[0]).parse_args(words), field) == value


@pytest.mark.parametrize(
    ("hooks", "column", "state"),
    [
        ({"thaw": "failed"}, "failed", "HOOK"),
        ({"tell": "succeeded", "thaw": "timed-out"}, "failed", "HOOK"),
        ({"thaw": "succeeded"}, "ok", "ok"),
        ({}, "-", "ok"),
    ],
)
def test_a_failed_post_hook_is_reported_wherever_its_backup_is_shown(
    hooks: dict[str, Any], column: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tuple(
        HookRun(name=name, stage="post", status=status, job=name, started_at=EARLY)
        for name, status in hooks.items()
    )
    warnings = ("The post hook thaw failed: no such host",) if column == "failed" else ()
    backup = make_backup(hooks=runs, warnings=warnings)
    shown = next(each for each in COLUMNS["backups"] if each.title == "POST HOOKS")
    assert (shown.cell(backup), backup_state(backup)[0]) == (column, state)
    assert wait_for_end.report(backup) == 0
    assert capsys.readouterr().err == "".join(f"Warning: {words}\n" for words in warnings)


def test_another_option_is_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser("get").parse_args(main._join_values(["get", "executions", "--sort-by", "--limit", "3"]))
    assert "expected one argument" in capsys.readouterr().err


def test_lists_are_sorted_by_fields_and_by_what_columns_are_called() -> None:
    runs = [make_run(id="b", duration_seconds=2.0), make_run(id="a", duration_seconds=30.0)]

    def ids(field: str) -> list[str]:
        return [cast(Any, run).id for run in output.sort_records("executions", runs, field)]

    assert ids("took") == ids("duration_seconds") == ["b", "a"]
    assert ids("-TOOK") == ["a", "b"]
    assert ids("id") == ["a", "b"]
    with pytest.raises(InvalidRequest) as refusal:
        output.sort_records("executions", runs, "-statsu")
    assert "status" in refusal.value.next_step


def test_nested_fields_are_described_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    pods = ({"name": "one", "started_at": EARLY, "phases": ("a", "b")}, {"name": "two", "ready": True})
    lines = describe._lines_of(pods, UTC)
    assert lines == [
        "- name: one",
        "  started at: 2026-01-01T02:00:00Z",
        "  phases: a, b",
        "- name: two",
        "  ready: yes",
    ]
    for record in (make_run(), make_backup()):
        describe._print_fields(record, UTC)
    said = capsys.readouterr().out
    for python in ("datetime", "{'", "({", "None", "True", "False", ",)"):
        assert python not in said


class KnownCronJobs:
    """The calls of CronJobs of a daemon that knows `default/n1-dump` only."""

    async def get(self, namespace: str, name: str) -> object:
        if (namespace, name) != ("default", "n1-dump"):
            raise CronJobNotFound("none")
        return msgspec.defstruct("Known", ["last_execution_id"])("run-of-n1-dump")


class EveryRun:
    """The calls of runs of a daemon that has each run that it is asked for."""

    async def get(self, run_id: str) -> str:
        return run_id


@pytest.mark.parametrize(
    ("word", "run_id"),
    [
        ("n1-dump", "run-of-n1-dump"),
        ("default/n1-dump", "run-of-n1-dump"),
        ("709642a5", "709642a5"),
        ("shop/709642a5-0000", "709642a5-0000"),
        ("shop/709642a5", "709642a5"),
    ],
)
async def test_a_bare_name_is_a_cronjob_of_the_namespace_default(word: str, run_id: str) -> None:
    client = argparse.Namespace(cronjobs=KnownCronJobs(), runs=EveryRun())
    assert await record_ids.find_run_id(cast(Client, client), word) == run_id


def test_an_old_change_has_the_time_of_its_record() -> None:
    record = {"created_at": EARLY.isoformat(), "ended_at": LATE.isoformat(), "due_at": "2030-01-01T00:00:00Z"}
    event = ChangeEvent(seq=7, table="executions", id="r", op="put", record=record)
    assert watch._newest_moment(event) == LATE
    assert watch._newest_moment(ChangeEvent(seq=8, table="executions", id="r", op="delete")) is None


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KRONKEEP_SOCKET", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(socket_path, "SYSTEM_SOCKET", tmp_path / "system.sock")
    socket_path.demo_links().mkdir(parents=True)
    return tmp_path


def serve_demo(cache: Path, name: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    (cache / name).mkdir()
    listener.bind(str(cache / name / "api.sock"))
    listener.listen()
    (socket_path.demo_links() / name).symlink_to(cache / name)
    return listener


def test_a_running_demo_is_found_and_of_two_none_is_taken_by_chance(cache: Path) -> None:
    assert socket_path.socket_path() == cache / "system.sock"
    with serve_demo(cache, "a"):
        assert socket_path.socket_path().resolve() == cache / "a/api.sock"
        with serve_demo(cache, "b"):
            with pytest.raises(DaemonUnreachable) as refusal:
                socket_path.socket_path()
            assert str(cache / "a/api.sock") in refusal.value.message
            assert str(cache / "b/api.sock") in refusal.value.message
            assert "KRONKEEP_SOCKET" in refusal.value.next_step
        # A demo that was killed leaves its link and its socket.
        assert socket_path.socket_path().resolve() == cache / "a/api.sock"


def test_where_nobody_answers_the_next_step_is_of_that_socket(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advice_for(path: Path) -> str:
        with pytest.raises(DaemonUnreachable) as refusal:
            socket_path.check_server(path)
        return refusal.value.next_step

    assert "kronkeep demo" in advice_for(socket_path.SYSTEM_SOCKET)
    assert "systemctl start kronkeepd" in advice_for(socket_path.SYSTEM_SOCKET)
    (cache / "kept/cluster").mkdir(parents=True)
    (cache / "kept/kronkeepd.log").touch()
    assert f"kronkeep demo --state {cache}/kept" in advice_for(cache / "kept/api.sock")
    monkeypatch.setattr("tempfile.gettempdir", cache.__str__)
    assert "unset KRONKEEP_SOCKET" in advice_for(cache / "kronkeep-x1y2/api.sock")
    other = advice_for(cache / "own/api.sock")
    assert other == DaemonUnreachable.default_next_step
    assert "demo" not in other


@pytest.mark.parametrize("closed", ["folder", "socket"])
def test_who_may_not_open_the_socket_learns_of_its_group(
    cache: Path, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root would find it open, the system's answers are those that another user gets."""
    path = cache / "api.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        look = Path.stat

        def stat(asked: Path, **options: Any) -> os.stat_result:
            if closed == "folder" and asked == path:
                raise PermissionError(13, "Permission denied")
            return look(asked, **options)

        def may_open(asked: Path, _mode: int) -> bool:
            return asked != path

        def name_group(_gid: int) -> Any:
            return argparse.Namespace(gr_name="kronkeepd-ops")

        monkeypatch.setattr(Path, "stat", stat)
        monkeypatch.setattr(os, "access", may_open)
        monkeypatch.setattr("grp.getgrgid", name_group)
        monkeypatch.setattr(socket_path, "SYSTEM_SOCKET", path)
        with pytest.raises(DaemonUnreachable) as refusal:
            socket_path.check_server(socket_path.socket_path())
    assert refusal.value.message.startswith("You may not ")
    assert refusal.value.next_step.startswith("Its group may: sudo usermod -aG kronkeepd-ops $USER")


def test_one_thing_is_not_several() -> None:
    from kronkeep_common.text import count_words

    assert [count_words(n, "claim") for n in (0, 1, 2000)] == ["0 claims", "1 claim", "2,000 claims"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stats --days x", "--days cannot be 'x': it must be a whole number from 1 on."),
        ("get cronjobs --limit 0", "--limit cannot be '0': it must be a whole number from 1 on."),
        ("get storages --limit -2", "--limit cannot be '-2': it must be a whole number from 1 on."),
        ("grep the --limit 0", "--limit cannot be '0': it must be a whole number from 1 on."),
        ("logs x --tail -1", "--tail cannot be '-1': it must be a whole number from 1 on."),
        (
            "schedule next @daily --after tomorrow",
            "--after cannot be 'tomorrow': it is not of the right form",
        ),
        ("get runs --limit 1.5", "--limit cannot be '1.5': it must be a whole number from 1 on."),
    ],
)
def test_a_value_that_is_none_is_reported_without_the_names_of_functions(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main(line.split())
    said = capsys.readouterr().err
    assert words in said
    assert "_read" not in said
    assert "invalid" not in said


def test_one_more_name_is_named() -> None:
    names = [f"name-{number:02}" for number in range(MOST_NAMED + 1)]
    assert suggest_name("quite-other", names).endswith(f"{names[-1]}.")
    assert suggest_name("quite-other", names, "kubectl get ns").endswith(f"{names[-1]}.")
    many = [*names, "x"]
    assert suggest_name("quite-other", many, "kubectl get ns").endswith("and 2 more (kubectl get ns).")
    assert suggest_name("quite-other", many).endswith("x."), "what has no command that lists all is not cut"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["trigger", ""], "name is empty"),  # as in `kronkeep trigger "$NAME"` where NAME is not set
        (["delete", "", "--yes", "x"], "name is empty"),
        (["cancel", ""], "id is empty"),
        (["storage", "delete", ""], "name is empty"),
        (["get", "runs", ""], "id is empty"),
        (["help", ""], "VERB is empty"),
        (["help", "gte"], "Did you mean get?"),
        (["help", "storage", "test", "x"], "It has none: kronkeep help storage test."),
        (["apply", "-f", "a" * 300], "cannot be read: File name too long."),
        (["completion"], "the following arguments are required: shell\n"),
        (["report", "morning"], "--morning shows the morning's"),
        (["storage", "change", "vault"], "What is to be changed is not named."),
        (["schedule", "next", "shop-db-dump"], "expected 5 fields"),
        (["import", "k9up"], "there is no tool 'k9up'. Did you mean k8up?"),
        (["audit", "-o", "name"], "-o/--output cannot be 'name'"),
    ],
)
def test_an_empty_or_misspelt_word_is_reported_as_such(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        code = main.main(["--socket", str(tmp_path / "none"), *argv])
    except SystemExit as end:
        code = int(end.code or 0)
    assert (code, words in (said := capsys.readouterr().err)) == (2, True), said


def test_every_list_that_has_names_can_print_them(capsys: pytest.CaptureFixture[str]) -> None:
    models: dict[str, Any] = {
        "cronjobs": CronJob, "executions": CronJobExecution, "backups": BackupExecution,
        "copies": BackupCopy, "restores": Restore, "files": SnapshotFile, "storages": BackupStorage,
        "policies": api.PolicyView, "orphans": OrphanedPolicy, "queue": QueueEntry,
        "manifests": api.ManifestFile, "sinks": api.SinkView, "alerts": Alert, "silences": SilenceView,
        "maintenance": MaintenanceView, "figures": Figures, "figures of storages": Figures,
        "claims": ClaimCoverage,
        "repositories": StorageRepository, "matches": FileMatch, "restorable": RestorableBackup,
    }  # fmt: skip
    assert set(COLUMNS) == {*models, "audit", "usages"}, "the last two have no names, and no such format"
    for kind, model in models.items():
        record = argparse.Namespace(**{field.name: "x" for field in msgspec.structs.fields(model)})
        output.print_records(kind, [record], "name")
        assert capsys.readouterr().out.strip(), kind
