"""`kronkeep schedule` without a daemon: the oracle through `--batch`, bad lines, verdicts, exit codes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import run_bytes

ORACLES = Path(__file__).parents[2] / "data" / "oracles"


def kronkeep(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run_bytes("schedule", *argv, typed=stdin)


def batch(lines: list[bytes]) -> list[dict[str, Any]]:
    done = kronkeep("next", "--batch", stdin=b"\n".join(lines) + b"\n")
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]


@pytest.mark.parametrize("name", ["cron.jsonl", "cron-edges.jsonl"])
def test_batch_answers_the_whole_oracle(name: str) -> None:
    cases = [json.loads(line) for line in (ORACLES / name).read_text().split("\n") if line]
    asked = [{"expr": c["expr"], "zone": c["zone"], "start": c["start"], "n": 5} for c in cases]
    answers = batch([json.dumps(question).encode() for question in asked])
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers, strict=True):
        expected = {"valid": case["valid"], "never": case["never"], "next": case["next"] or []}
        assert answer == expected | {"error": answer["error"]}
        assert (answer["error"] is None) == case["valid"]


def test_batch_answers_every_line_however_bad() -> None:
    good = b'{"expr": "0 2 * * *", "zone": null, "start": "2026-01-15T10:07:23Z", "n": 1}'
    bad = [
        b"not json",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"zone": null}',
        b'{"expr": 5, "zone": null, "start": "2026-01-15T10:07:23Z", "n": 5}',
        b'{"expr": "0 2 * * *", "start": "yesterday", "n": 5}',
        b'{"expr": "0 2 * * *", "start": "2026-01-15T10:07:23Z", "n": 10000000}',
        b'{"expr": "0 2 * * *", "start": "2026-01-15T10:07:23Z", "n": -1}',
        b'{"expr": "\\u001b[2J * * * *", "zone": null, "start": "2026-01-15T10:07:23Z", "n": 5}',
        b'{"expr": "0 2 * * *", "zone": "../../etc/passwd", "start": "2026-01-15T10:07:23Z", "n": 5}',
    ]
    answers = batch([line for pair in zip(bad, [good] * len(bad), strict=True) for line in pair])
    assert len(answers) == 2 * len(bad)
    for answer in answers[::2]:
        assert (answer["valid"], answer["never"], answer["next"]) == (False, False, [])
        assert answer["error"]
        assert "\x1b" not in answer["error"]
    fine = {"valid": True, "error": None, "never": False, "next": ["2026-01-16T02:00:00Z"]}
    assert answers[1::2] == [fine] * len(bad)


def test_batch_takes_any_offset_any_n_and_the_ends_of_the_calendar() -> None:
    def line(expr: str, start: str, n: int) -> bytes:
        return json.dumps({"expr": expr, "zone": None, "start": start, "n": n}).encode()

    offset, none, past, last = batch(
        [
            line("0 2 * * *", "2026-01-15T05:30:00.5+04:30", 2),
            line("0 2 * * *", "2026-01-15T00:00:00Z", 0),
            line("0 0 1 1 *", "0001-01-01T00:00:00Z", 1),
            line("0 0 1 1 *", "9999-12-31T23:59:59Z", 1),
        ]
    )
    assert offset["next"] == ["2026-01-15T02:00:00Z", "2026-01-16T02:00:00Z"]
    assert (none["never"], none["next"]) == (False, [])
    assert past["next"] == ["0002-01-01T00:00:00Z"]
    assert (last["never"], last["next"]) == (True, [])


def test_next_says_the_schedule_in_words_and_its_fire_times() -> None:
    argv = ("next", "30 2 * * *", "--zone", "Europe/Berlin", "-n", "2", "--after", "2027-03-27T00:00:00Z")
    done = kronkeep(*argv)
    assert done.stdout.decode().splitlines() == [
        "every day at 02:30, Europe/Berlin",
        "2027-03-27T01:30:00Z  Sat 2027-03-27 02:30 +0100",
        "2027-03-29T00:30:00Z  Mon 2027-03-29 02:30 +0200",
    ]
    told = json.loads(kronkeep(*argv, "-o", "json").stdout)
    assert told["next"] == ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"]


@pytest.mark.parametrize(
    "argv",
    [
        ("next", "0 2 * * 7"),
        ("next", "0 2 * * *", "--zone", "Local"),
        ("next",),
        ("next", "0 2 * * *", "-n", "-1"),
        ("next", "0 2 * * *", "--after", "yesterday"),
        ("check", "--cronjob", "0 2 * * *", "--backup", "61 * * * *"),
        ("check", "--cronjob", "0 2 * * *", "--zone", "europe/berlin", "--backup", "0 3 * * *"),
        ("check", "--cronjob", "0 2 * * *"),
        ("check", "--cronjob", "0 2 * * *", "--backup", "0 3 * * *", "--minutes", "nan"),
    ],
)
def test_bad_input_is_2_and_a_sentence(argv: tuple[str, ...]) -> None:
    done = kronkeep(*argv)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("cronjob", "backup", "verdict", "code"),
    [
        ("0 2 * * *", "0 3 * * *", "ok", 0),
        ("0 2 * * *", "0 4 * * 0", "warning", 0),
        ("0 4 * * *", "0 3 * * *", "conflict", 1),
        ("0 4 * * *", "0 4 31 2 *", "conflict", 1),
    ],
)
def test_check_says_the_verdict_by_its_exit_code(cronjob: str, backup: str, verdict: str, code: int) -> None:
    argv = ("check", "--cronjob", cronjob, "--backup", backup)
    done = kronkeep(*argv)
    assert (done.returncode, done.stdout.decode().splitlines()[0]) == (code, verdict)
    told = kronkeep(*argv, "-o", "json")
    answer = json.loads(told.stdout)
    assert (told.returncode, answer["verdict"]) == (code, verdict)
    assert [offer["strategy"] for offer in answer.get("resolutions", [])] == (
        ["shift", "after-run", "accept"] if verdict == "conflict" else []
    )
