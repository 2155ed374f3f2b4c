"""Of several ids each is tried; what was done is printed before the refusals."""

import argparse

import pytest

from kronkeep_common.errors import AlertNotFound, DaemonUnreachable
from kronkeep_tui.cli.several_ids import act_on_each

OPTIONS = argparse.Namespace(output="text", verb="acknowledge")


async def act(record_id: str) -> str:
    if record_id == "gone":
        raise AlertNotFound("There is no alert gone.")
    if record_id == "away":
        raise DaemonUnreachable("Nobody answers.")
    return record_id.upper()


async def test_all_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert await act_on_each(["a", "b"], act, str.lower, OPTIONS) == ["A", "B"]
    assert capsys.readouterr().out == "a\nb\n"


async def test_what_is_refused_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AlertNotFound):
        await act_on_each(["gone", "a", "gone", "b"], act, str.lower, OPTIONS)
    said = capsys.readouterr()
    assert said.out == "a\nb\n"
    assert said.err.count("There is no alert gone.") == 1, "the last one is raised"


async def test_while_the_daemon_is_away_the_others_wait(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DaemonUnreachable):
        await act_on_each(["a", "away", "b"], act, str.lower, OPTIONS)
    assert capsys.readouterr().out == "a\n"
