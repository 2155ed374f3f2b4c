"""The form's pure parts: its preview, rows, templates, a line that is edited."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import vault_with_usage
from tests.ui.canned import NOW

from kronkeep_common.models import ScheduleCheckRequest
from kronkeep_tui.form import schedule_fit, schedule_preview, templates
from kronkeep_tui.form.draft import new_draft, parse_draft
from kronkeep_tui.form.form_rows import describe_free_space, row_of_error_field, rows_of_draft, time_zones
from kronkeep_tui.form.line_edit import EditedLine
from kronkeep_tui.widgets.cells import plain


def lines_of(draft: dict[str, str], zone: timezone = UTC) -> list[str]:
    request = schedule_fit.check_request(draft, None)
    verdict = schedule_fit.check_locally(request, NOW) if request else None
    return [
        plain(line) for line in schedule_preview.preview_lines(draft, verdict, NOW, zone, 78, alone=False)
    ]


def test_the_preview_says_both_schedules_in_their_zones_and_here() -> None:
    draft = new_draft("vault") | {"time_zone": "Asia/Tokyo", "policy.schedule": "30 2 * * *"}
    text = "\n".join(lines_of(draft | {"policy.time_zone": "Asia/Tokyo"}, timezone(timedelta(hours=1))))
    assert "run     every day at 02:00, Asia/Tokyo" in text
    assert "        02:00: Wed 25 Nov, Thu 26, Fri 27, Sat 28, Sun 29" in text
    assert "  local 18:00: Tue 24 Nov, Wed 25, Thu 26, Fri 27, Sat 28" in text
    assert "ok" in text


def test_the_preview_says_why_there_is_no_verdict() -> None:
    assert lines_of(new_draft())[-1] == "backup  none: no storage is named"
    assert lines_of(new_draft("vault"))[-1] == "backup  when the run has ended"
    later = new_draft("vault") | {"policy.delay_seconds": "5m"}
    assert lines_of(later)[-1] == "backup  when the run has ended, 5m later"
    assert "cannot be read" in lines_of(new_draft("vault") | {"schedule": "x"})[0]
    assert "never" in lines_of(new_draft("vault") | {"schedule": "0 0 31 2 *"})[1]


def test_several_times_a_day_and_turns_of_month_and_year_are_readable() -> None:
    moments = [datetime(2026, 12, 31, hour, tzinfo=UTC) for hour in (6, 18)]
    moments.append(datetime(2027, 1, 1, 6, tzinfo=UTC))
    (line,) = schedule_preview._moment_lines("", moments, UTC, 78)
    assert plain(line).strip() == "Thu 31 Dec 06:00, 18:00, Fri 01 Jan 2027 06:00"


def test_a_section_comes_with_its_lead_and_a_list_ends_with_an_empty_row() -> None:
    shown = [row.label for row in rows_of_draft(new_draft(), {}) if not row.key]
    assert shown == ["CronJob", "Running", "Backup"]
    assert "Hooks" in [row.label for row in rows_of_draft(new_draft("vault"), {}) if not row.key]
    keys = [row.key for row in rows_of_draft(new_draft() | {"env.0": "A=b"}, {})]
    assert [key for key in keys if key.startswith("env.")] == ["env.0", "env.1"]


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("name", "name"),
        ("policy.schedule", "policy.schedule"),
        ("storage_id", "policy.storage_id"),
        ("source", "policy.source.claims.0"),
        ("policy.encryption.enabled", "policy.encryption.enabled"),
        ("hooks", "policy.hooks.pre.0"),
        ("nonsense", None),
    ],
)
def test_an_error_s_field_is_found_in_the_form(named: str, key: str | None) -> None:
    assert row_of_error_field(named) == key


def test_free_space_is_what_is_left_of_the_capacity() -> None:
    assert describe_free_space(vault_with_usage()) == "not measured"
    assert describe_free_space(vault_with_usage(used_bytes=1024**3)) == "1.0 GiB used"
    assert (
        describe_free_space(vault_with_usage(used_bytes=1024**3, capacity_bytes=4 * 1024**3))
        == "3.0 GiB of 4.0 GiB free"
    )
    assert describe_free_space(
        vault_with_usage(used_bytes=9, capacity_bytes=4 * 1024**3, available_bytes=1024**3)
    ).startswith("1.0 GiB of")


def test_every_template_makes_a_cronjob(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert templates.template_names() == list(templates.BUILT_IN)
    for name in templates.template_names():
        found = templates.template_texts(name)
        assert found is not None
        made = parse_draft(new_draft("vault") | found | {"name": "x"})
        assert (made.messages, made.spec is not None) == ({}, True)


def test_one_s_own_templates_are_manifests(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "kronkeep" / "templates"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("kind: CronJob\nname: x\nimage: alpine\nschedule: 0 5 * * *\n")
    assert templates.template_names()[0] == "mine"
    found = templates.template_texts("mine")
    assert found is not None
    assert (found["image"], found["schedule"]) == ("alpine", "0 5 * * *")
    assert templates.template_texts("nowhere") is None


@given(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(
            [
                "left",
                "right",
                "home",
                "end",
                "backspace",
                "delete",
                "ctrl+w",
                "ctrl+u",
                "ctrl+k",
                "ctrl+left",
                "ctrl+right",
                "a",
                "é",
            ]
        ),
        max_size=20,
    ),
)
def test_the_cursor_stays_within_the_line(text: str, keys: list[str]) -> None:
    line = EditedLine(text, len(text))
    for key in keys:
        line = line.press(key, key if len(key) == 1 else None) or line
        assert 0 <= line.cursor <= len(line.text)


def test_zones_are_known_by_name() -> None:
    assert "Europe/Berlin" in time_zones()


def test_only_schedules_that_can_be_read_are_checked() -> None:
    assert isinstance(
        schedule_fit.check_request(new_draft("v") | {"policy.schedule": "@daily"}, None),
        ScheduleCheckRequest,
    )
    assert schedule_fit.check_request(new_draft("v") | {"policy.schedule": "x"}, None) is None
    assert schedule_fit.check_request(new_draft("") | {"policy.schedule": "@daily"}, None) is None
