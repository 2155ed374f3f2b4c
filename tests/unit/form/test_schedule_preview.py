"""The preview of a form's schedules."""

from datetime import UTC, datetime, timedelta, timezone

from tests.ui.canned import NOW

from kronkeep_tui.form import schedule_fit, schedule_preview
from kronkeep_tui.form.draft import new_draft
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


def test_a_zone_that_there_is_not_is_blamed_itself() -> None:
    for zone in ("Europe/Berln", "utc+1"):
        lines = lines_of(new_draft("vault") | {"time_zone": zone})
        assert lines[0] == f"run     there is no time zone {zone}"
    own = new_draft("vault") | {"policy.schedule": "30 2 * * *", "policy.time_zone": "Europe/Berln"}
    assert "backup  there is no time zone Europe/Berln" in lines_of(own)


def test_several_times_a_day_and_turns_of_month_and_year_are_readable() -> None:
    moments = [datetime(2026, 12, 31, hour, tzinfo=UTC) for hour in (6, 18)]
    moments.append(datetime(2027, 1, 1, 6, tzinfo=UTC))
    (line,) = schedule_preview.moment_lines("", moments, UTC, 78)
    assert plain(line).strip() == "Thu 31 Dec 06:00, 18:00, Fri 01 Jan 2027 06:00"
