"""What the API calls by its fields is called by options on the command line."""

import sys
from pathlib import Path

import pytest
from tests.records import make_run, vault

from kronkeep_common.api import ChangeEvent
from kronkeep_common.errors import (
    ConfirmationMissing,
    CronJobNotFound,
    KronkeepError,
    NotFound,
    ScheduleConflict,
)
from kronkeep_common.models import Alert
from kronkeep_common.socket_path import advise_start
from kronkeep_common.states import AlertStatus
from kronkeep_tui.cli import output, watch
from kronkeep_tui.cli.main import main
from kronkeep_tui.cli.refusal_words import name_options, next_step_of


@pytest.mark.parametrize(
    ("sentence", "options", "shown"),
    [
        ("The body is refused: for_seconds: it must be at most 30d00h.", {"--for"}, "--for: it must be"),
        ("The body is refused: retention.keep_daily: it is.", {"--keep-daily"}, "--keep-daily: it is."),
        ("The body is refused: policy.retention.days: no.", {"--retention-days"}, "--retention-days: no."),
        ("The settings are refused: path: it is not.", {"--path"}, "--path: it is not."),
        ("The body is refused: policy.hooks.pre[0].name: no.", {"--for"}, "The body is refused: policy"),
        ("There is no storage 'x'.", {"--storage"}, "There is no storage"),
    ],
)
def test_a_field_is_called_as_its_option(sentence: str, options: set[str], shown: str) -> None:
    assert name_options(sentence, options).startswith(shown)


@pytest.mark.parametrize(
    ("error", "options", "step"),
    [
        (ScheduleConflict("x"), {"--on-conflict"}, "--on-conflict shift, after-run or accept"),
        (ScheduleConflict("x"), {"--file"}, "on_conflict: shift"),
        (ConfirmationMissing("x", field="confirm"), set(), "with --yes and that name"),
        (CronJobNotFound("x"), set(), "List what exists: kronkeep get cronjobs; "),
        (CronJobNotFound("x", next_step="Did you mean y?"), set(), "Did you mean y?"),
        (NotFound("x"), set(), "List what exists and check the name."),
    ],
)
def test_the_next_step_names_options(error: KronkeepError, options: set[str], step: str) -> None:
    assert step in next_step_of(error, options)


def test_a_wide_table_has_the_whole_text(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run()
    alert = Alert(
        id="a" * 32,
        code="RunFailed",
        severity="warning",
        status=AlertStatus.OPEN,
        kind="cronjob",
        object="n/j",
        object_id="j",
        since=run.created_at,
        created_at=run.created_at,
        message="long " * 60 + "end",
        next_step="n",
    )
    output.print_records("alerts", [alert], "table")
    assert " end" not in capsys.readouterr().out
    output.print_records("alerts", [alert], "wide")
    assert " end" in capsys.readouterr().out


def test_a_page_of_html_is_not_written_to_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_a_screen() -> bool:
        return True

    monkeypatch.setattr(sys.stdout, "isatty", is_a_screen)
    assert main(["--socket", "/nonexistent/api.sock", "report"]) == 2
    assert "--output report.html" in capsys.readouterr().err


def test_a_demo_that_does_not_answer_may_be_starting(tmp_path: Path) -> None:
    (tmp_path / "kronkeepd.log").touch()
    (tmp_path / "cluster").mkdir()
    assert f"starting: wait, or start it: kronkeep demo --state {tmp_path}" in advise_start(
        tmp_path / "api.sock"
    )


def test_a_storage_is_named_once_in_a_change() -> None:
    record = {"id": vault().id, "status": "pending"}
    event = ChangeEvent(seq=1, table="storages", id=vault().id, op="put", record=record)
    assert watch._describe(event) == "storages  vault  pending"
