"""Words and counts of states."""

from tests.ui.canned import cronjob

from kronkeep_tui.pages.status_words import counts


def test_every_run_that_goes_on_is_counted() -> None:
    cronjobs = [cronjob("a", active=4), cronjob("b", active=1), cronjob("c")]
    assert ("run", 5, "run") in counts(cronjobs)
