"""The kept logs of a run: which attempt's last line the message has, and how many attempts are kept."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.records import make_run
from tests.unit.cronjobs.replay import make_recorder

from kronkeep_common.models import Cause, CronJobExecution, KeptLog, PodRecord
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.cronjobs import run_logs
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.kube.objects import ContainerTerminated
from kronkeep_daemon.testing import FakeClock

AT = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
EXIT = "Container main ended with exit code 2."


def kept(attempt: int, line: str, *, pod: str = "dump-1", container: str = "main") -> KeptLog:
    lines = (f"line of attempt {attempt}", line)
    return KeptLog(container=container, pod=pod, attempt=attempt, bytes=9, kept=9, last_lines=lines)


def failed_pod(name: str, attempt: int = 1, message: str = EXIT) -> PodRecord:
    cause = Cause(reason="ExitCode", message=message, next_step="Read it.")
    return PodRecord(name=name, container="main", attempt=attempt, exit_code=2, cause=cause)


def run(message: str, *pods: PodRecord, reason: str = "ExitCode") -> CronJobExecution:
    return make_run(
        id="job-1",
        cluster="c",
        namespace="shop",
        cronjob="dump",
        cronjob_id="cj",
        job="dump",
        status=ExecutionStatus.FAILED,
        created_at=AT,
        pods=pods,
        reason=reason,
        message=message,
    )


def message_with(record: CronJobExecution, *logs: KeptLog) -> str | None:
    for log in logs:
        record = run_logs.with_log(record, log)
    return record.message


LOGS = (kept(2, "lock file exists"), kept(3, "never mind"), kept(1, "the real cause"))


@pytest.mark.parametrize("order", [LOGS, LOGS[::-1]])
def test_the_last_line_is_that_of_the_attempt_that_decided(order: tuple[KeptLog, ...]) -> None:
    record = run(EXIT, failed_pod("dump-1", attempt=2))
    assert message_with(record, *order) == f"{EXIT} Its last line: lock file exists"


def test_the_last_line_is_that_of_the_pod_that_decided() -> None:
    record = run(EXIT, failed_pod("dump-1"), failed_pod("dump-2"))
    first = kept(1, "of the first pod")
    second = kept(1, "of the second pod", pod="dump-2")
    assert message_with(record, second, first) == f"{EXIT} Its last line: of the second pod"


def test_a_pod_failure_policy_names_the_pod_whose_last_line_is_added() -> None:
    message = "Container main for pod shop/dump-1 failed with exit code 42 matching FailJob rule at index 0."
    record = run(message, failed_pod("dump-1"), failed_pod("dump-2"), reason="PodFailurePolicy")
    logs = (kept(1, "no such table"), kept(1, "of the second pod", pod="dump-2"))
    assert message_with(record, *logs) == f"{message} Its last line: no such table"


def test_failed_indexes_have_the_last_line_too() -> None:
    message = f"2 of 6 indexes failed: 1,3. {EXIT}"
    record = run(message, failed_pod("dump-1"), reason="FailedIndexes")
    assert message_with(record, kept(1, "no such table")) == f"{message} Its last line: no such table"


def test_a_line_that_the_termination_message_has_is_not_said_again() -> None:
    message = "Container main ended with exit code 2: connecting\\x0ano such table"
    record = run(message, failed_pod("dump-1", message=message))
    assert message_with(record, kept(1, "no such table")) == message


def test_what_the_node_or_a_signal_ended_has_no_last_line() -> None:
    evicted = PodRecord(name="dump-1", cause=Cause(reason="Evicted", message="gone", next_step="-"))
    record = run("2 of 6 indexes failed: 1,3. gone", evicted, reason="FailedIndexes")
    assert message_with(record, kept(1, "no such table")) == "2 of 6 indexes failed: 1,3. gone"


STAMP = b"2026-01-15T10:00:00.000000001Z "


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (STAMP + b"one\n" + STAMP + b"two\n", ("one", "two")),
        (STAMP + b"one\n" + STAMP + b"\n" + STAMP + b"   \n", ("one",)),
        (STAMP + b"0%\r50%\r100% done\n", ("100% done",)),
        (STAMP + b"one\r\n", ("one",)),
        (b"no time at all\n", ("no time at all",)),
        (STAMP + b"\n", ()),
        (b"", ()),
    ],
)
def test_the_last_lines_are_those_that_say_something(text: bytes, lines: tuple[str, ...]) -> None:
    assert run_logs.last_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STAMP + b"in time", True),
        (b"2026-01-15T10:00:07.5Z of the next attempt", False),
        (b"", True),
        (b"no time", True),
    ],
)
def test_a_log_of_a_later_attempt_is_not_taken_for_an_earlier_one(text: bytes, expected: bool) -> None:
    end = ContainerTerminated(exit_code=1, finished_at="2026-01-15T10:00:05Z")
    assert run_logs.is_of_attempt(text, end) is expected


async def test_of_many_attempts_the_first_and_the_newest_are_kept(tmp_path: Path) -> None:
    clock = FakeClock(AT)
    history = await History.open(tmp_path, clock=clock)
    recorder = make_recorder(history, clock)
    history.executions.put(run(EXIT, failed_pod("dump-1", attempt=9)))
    await history.commit()
    for attempt in range(1, 10):
        capped = CappedLog()
        capped.add(STAMP + b"try %d\n" % attempt)
        await history.logs.save(run(EXIT), run_logs.log_name("dump-1", "main", attempt), "dump-1", capped)
        await recorder.log_collector.on_log_saved("job-1", kept(attempt, f"try {attempt}"))
    record = history.executions.get("job-1")
    assert record is not None
    assert [log.attempt for log in record.logs] == [1, 6, 7, 8, 9]
    assert record.message == f"{EXIT} Its last line: try 9"
    assert await history.logs.read(run(EXIT), "dump-1.main.5") is None
    assert await history.logs.read(run(EXIT), "dump-1.main.6") == STAMP + b"try 6\n"
    await history.close()


async def test_the_logs_of_two_containers_with_long_names_are_two_files(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=FakeClock(AT))
    pod = "d" * 63
    for container in ("c" * 62 + "1", "c" * 62 + "2"):
        capped = CappedLog()
        capped.add(container.encode())
        await history.logs.save(run(EXIT), run_logs.log_name(pod, container, 1), pod, capped)
    assert await history.logs.read(run(EXIT), f"{pod}.{'c' * 62}1") == b"c" * 62 + b"1"
    await history.close()


async def test_one_log_is_saved_by_many_at_once(tmp_path: Path) -> None:
    """As when an attempt is copied while it is the newest one and again after its container's restart."""
    history = await History.open(tmp_path, clock=FakeClock(AT))
    texts = [b"%d" % number * 100_000 for number in range(8)]

    async def save(text: bytes) -> None:
        capped = CappedLog()
        capped.add(text)
        await history.logs.save(run(EXIT), "dump-1.main", "dump-1", capped)

    await asyncio.gather(*map(save, texts))
    assert await history.logs.read(run(EXIT), "dump-1.main") in texts
    await history.close()
