"""The recorded tour: the file is one of asciinema, and each step shows what it should."""

import json
import re

from tests.ui.tour import COLUMNS, ROWS, TOUR, record

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07")


def test_the_tour_is_recorded_and_every_step_says_what_it_should() -> None:
    header, *events = map(json.loads, record())
    assert (header["version"], header["width"], header["height"]) == (2, COLUMNS, ROWS)
    times = [event[0] for event in events]
    assert times == sorted(times)
    assert {event[1] for event in events} == {"o"}
    assert sum(len(event[2].encode()) for event in events) < 400_000
    drawn = ""
    for step, event in zip(TOUR, events, strict=False):
        drawn += SEQUENCE.sub("", event[2])
        assert step.text in drawn, step
        if step.keys:
            assert event[2], (step, "a key that shows nothing is no step")
