"""After how long restic reads the first file, by the times before the lines of a log."""

import json

import pytest

from kronkeep_daemon.restic import first_byte


def line(second: float, message: object) -> bytes:
    text = message if isinstance(message, str) else json.dumps(message)
    return f"2026-11-30T02:00:{second:012.9f}Z {text}\n".encode()


OPENED = line(1.5, "{") + line(2.0, "}")
STATUS = {"message_type": "status", "percent_done": 0}
SUMMARY = {"message_type": "summary", "snapshot_id": "a" * 64}


@pytest.mark.parametrize(
    ("log", "seconds"),
    [
        pytest.param(line(3.25, SUMMARY), 1.25, id="ended before any progress"),
        pytest.param(
            line(3, STATUS) + line(34.5, STATUS | {"files_done": 1}) + line(40, SUMMARY), 32.5, id="late"
        ),
        pytest.param(line(3, STATUS | {"current_files": ["/a"]}), 1.0, id="a large first file"),
        pytest.param(line(3, "open repository") + line(4, STATUS), None, id="no progress"),
        pytest.param(b"no time", None, id="no time"),
        pytest.param(line(1, SUMMARY), 0.0, id="a clock that went back"),
    ],
)
def test_it_is_the_first_progress_or_the_end(log: bytes, seconds: float | None) -> None:
    assert first_byte.measure(OPENED, log) == seconds


def test_without_the_step_before_it_is_not_known() -> None:
    assert first_byte.measure(b"", line(3, SUMMARY)) is None
