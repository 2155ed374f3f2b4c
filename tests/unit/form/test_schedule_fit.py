"""Which schedules of a form are checked."""

from kronkeep_common.models import ScheduleCheckRequest
from kronkeep_tui.form import schedule_fit
from kronkeep_tui.form.draft import new_draft


def test_only_schedules_that_can_be_read_are_checked() -> None:
    assert isinstance(
        schedule_fit.check_request(new_draft("v") | {"policy.schedule": "@daily"}, None),
        ScheduleCheckRequest,
    )
    assert schedule_fit.check_request(new_draft("v") | {"policy.schedule": "x"}, None) is None
    assert schedule_fit.check_request(new_draft("") | {"policy.schedule": "@daily"}, None) is None
