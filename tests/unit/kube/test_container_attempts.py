"""Where the logs of a container's attempts are, by its status."""

from typing import Any

import pytest

from kronkeep_daemon.kube.container_attempts import AttemptPlace, log_sources, place_of_attempt
from kronkeep_daemon.kube.objects import ContainerStatus, convert_object

RUNNING: dict[str, Any] = {"running": {}}
ENDED = {"terminated": {"exitCode": 2}}
BACKING_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
STARTING = {"waiting": {"reason": "ContainerCreating"}}

WRITTEN, COMPLETE, PREVIOUS, GONE = AttemptPlace
# state, lastState, restartCount, the attempts that can be read (number, previous), the places of 1 to 4
CASES: dict[str, tuple[Any, Any, int, list[tuple[int, bool]], list[AttemptPlace]]] = {
    "starts": (STARTING, None, 0, [], [WRITTEN] * 4),
    "runs": (RUNNING, None, 0, [(1, False)], [WRITTEN] * 4),
    "ended": (ENDED, None, 0, [(1, False)], [COMPLETE, WRITTEN, WRITTEN, WRITTEN]),
    "waits for the second start": (
        BACKING_OFF, ENDED, 0, [(1, True)], [PREVIOUS, WRITTEN, WRITTEN, WRITTEN],
    ),
    "runs again": (RUNNING, ENDED, 1, [(1, True), (2, False)], [PREVIOUS, WRITTEN, WRITTEN, WRITTEN]),
    "waits for the third start": (BACKING_OFF, ENDED, 1, [(2, True)], [GONE, PREVIOUS, WRITTEN, WRITTEN]),
    "ended for the third time": (
        ENDED, ENDED, 2, [(2, True), (3, False)], [GONE, PREVIOUS, COMPLETE, WRITTEN],
    ),
    "no status": ({}, None, 0, [], [WRITTEN] * 4),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_attempt_has_its_place(name: str) -> None:
    state, last, restarts, sources, places = CASES[name]
    plain = {"name": "main", "state": state, "restartCount": restarts, "lastState": last}
    entry = convert_object(plain, ContainerStatus)
    if name != "no status":
        assert [(source.attempt, source.previous) for source in log_sources(entry)] == sources
    assert [place_of_attempt(entry, attempt) for attempt in range(1, 5)] == places
    assert place_of_attempt(None, 1) is AttemptPlace.WRITTEN
